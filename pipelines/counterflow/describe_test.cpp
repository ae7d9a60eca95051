#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <sstream>

#include "core/chain/chain.h"
#include "core/error.h"
#include "core/testing/folder.h"
#include "core/testing/refusal.h"
#include "pipelines/counterflow/manual.h"
#include "pipelines/counterflow/verbs.h"

namespace counterflow {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

CommonOptions test_plugins() {
  CommonOptions common;
  common.plugins = {COUNTERFLOW_TEST_PLUGIN_DIR};
  return common;
}

std::string described(const DescribeOptions& options, const CommonOptions& common = test_plugins()) {
  std::ostringstream out;
  describe(options, common, out);
  return out.str();
}

std::string refusal(const DescribeOptions& options, const CommonOptions& common = test_plugins()) {
  return testing::refusal<ConfigError>([&] { described(options, common); });
}

TEST(Describe, lists_every_gadget_with_its_types) {
  const std::string text = described({});
  EXPECT_THAT(text, HasSubstr("Map, Counts -> PathLengths, differentiable\n"));
  EXPECT_THAT(text, HasSubstr("Sink of Image\n"));
}

TEST(Describe, shows_a_manual_page_with_the_properties) {
  const std::string text = described({"TestGain", false});
  EXPECT_THAT(text, AllOf(HasSubstr("TestGain (counterflow_test_gadgets)\nMap, Counts -> Counts; has an adjoint"),
                          HasSubstr("y = exp(g) x"), HasSubstr("Learns: log_gain"),
                          HasSubstr("  fail_at = -1    integer [view]; -1 to 1e+09"),
                          HasSubstr("Logarithm of the gain before training.")));
  EXPECT_THAT(described({"test_gadgets", false}), HasSubstr("TestFold (counterflow_test_gadgets)"));
}

TEST(Describe, names_the_nearest_gadget) {
  EXPECT_EQ(refusal({"TestGian", false}), "no gadget 'TestGian'; did you mean 'TestGain'?");
  EXPECT_THAT(refusal({}, {}), HasSubstr("--plugins"));
}

TEST(Describe, prints_the_schema) { EXPECT_THAT(described({"", true}), HasSubstr("<xs:schema")); }

TEST(Check, prints_the_plan_or_the_chain) {
  const testing::Folder folder;
  const auto file = folder / "chain.xml";
  testing::write_file(file,
                      "<configuration><stream><gadget><dll>counterflow_test_gadgets</dll><classname>TestGain</classname></gadget>"
                      "</stream></configuration>");
  std::ostringstream plan, chain;
  check({file, std::nullopt, false}, test_plugins(), plan);
  check({file, std::nullopt, true}, test_plugins(), chain);
  EXPECT_THAT(plan.str(), AllOf(HasSubstr("Counts -> Counts"), HasSubstr("chain hash: ")));
  const PluginFolders plugins({COUNTERFLOW_TEST_PLUGIN_DIR});
  EXPECT_EQ(print_chain(parse_chain<float>(chain.str(), "printed.xml", plugins)), chain.str());
}

TEST(Check, warns_of_training_on_a_plain_square) {
  std::ifstream in(COUNTERFLOW_SOURCE_DIR "/xml/chains/drift_training.xml");
  std::string xml{std::istreambuf_iterator<char>(in), {}};
  const testing::Folder folder;
  const auto checked = [&](const std::string& text) {
    const auto file = folder / "chain.xml";
    testing::write_file(file, text);
    CommonOptions common;
    common.plugins = {COUNTERFLOW_PLUGIN_DIR};
    std::ostringstream out;
    check({file, std::nullopt, false}, common, out);
    return out.str();
  };
  EXPECT_THAT(checked(xml), Not(HasSubstr("warning")));
  xml.insert(xml.find("<property name=\"border\""), "<property name=\"form\" value=\"square\"/>");
  EXPECT_THAT(checked(xml), HasSubstr("\nwarning: reference: form square holds the variance of the noise"));
  std::string blurred = xml;
  blurred.insert(blurred.find("<property name=\"form\""), "<property name=\"blur\" value=\"2\"/>");
  EXPECT_THAT(checked(blurred), Not(HasSubstr("warning")));
  xml.erase(xml.find("<parameter"), xml.find("<loss") - xml.find("<parameter"));
  EXPECT_THAT(checked(xml), Not(HasSubstr("warning")));  // nothing is trained
}

// The example alone, or behind a gadget that gives what it takes.
std::string chain_around(const std::string& example, std::size_t in) {
  const auto gadget = [](const std::string& name) {
    return "<gadget><dll>counterflow_test_gadgets</dll><classname>" + name + "</classname></gadget>";
  };
  const bool loss = example.starts_with("<loss");
  std::string before;
  if (in == message_index<float, Image<float>>()) before = gadget("TestFold");
  else if (loss) before = gadget(in == message_index<float, PathLengths<float>>() ? "TestToPaths" : "TestGain");
  const std::string alone = std::regex_replace(example, std::regex("<(gadget|loss) after=\"[^\"]*\""), "<$1");
  return "<configuration><stream>" + before + (loss ? "</stream><training>" + alone + "</training>" : alone + "</stream>") +
         "</configuration>";
}

TEST(Manual, example_of_every_gadget_in_the_build_loads) {
  const PluginFolders plugins({COUNTERFLOW_PLUGIN_DIR, COUNTERFLOW_TEST_PLUGIN_DIR});
  for (const auto& found : plugins.all()) {
    ASSERT_NE(found.gadget, nullptr) << found.problem;
    const std::string name = found.gadget->classname;
    const std::string example = manual_example(found.gadget->manual);
    ASSERT_THAT(example, HasSubstr("<classname>" + name + "</classname>")) << name << " needs an example in its manual";
    PropertyReader none({}, name);
    const std::unique_ptr<Stage<float>> stage(found.gadget->make_float(none));
    const auto chain = parse_chain<float>(chain_around(example, stage->in()), name + ".xml", plugins);
    EXPECT_EQ(print_chain(parse_chain<float>(print_chain(chain), name + ".xml", plugins)), print_chain(chain));
  }
}

TEST(Manual, every_property_is_explained) {
  const PluginFolders plugins({COUNTERFLOW_PLUGIN_DIR, COUNTERFLOW_TEST_PLUGIN_DIR});
  for (const auto& found : plugins.all()) {
    PropertyReader none({}, found.gadget->classname);
    const std::unique_ptr<Stage<float>> stage(found.gadget->make_float(none));
    for (const auto& property : stage->properties())
      EXPECT_FALSE(property.doc.text.empty()) << found.gadget->classname << ": " << property.name;
  }
}

TEST(ShippedChains, load_and_print_to_themselves) {
  const PluginFolders plugins({COUNTERFLOW_PLUGIN_DIR});
  std::size_t chains = 0;
  for (const auto& file : std::filesystem::directory_iterator(COUNTERFLOW_SOURCE_DIR "/xml/chains")) {
    const std::string text = print_chain(load_chain<float>(file.path(), plugins));
    EXPECT_EQ(print_chain(parse_chain<double>(text, "printed.xml", plugins)), text) << file.path();
    ++chains;
  }
  EXPECT_GE(chains, 1u);
}

}  // namespace
}  // namespace counterflow
