#include "core/chain/chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/chain/chain_text.h"
#include "core/chain/plan.h"
#include "core/error.h"
#include "core/testing/refusal.h"
#include "core/xml/document.h"

namespace counterflow {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

PluginFolders plugins() { return PluginFolders({COUNTERFLOW_TEST_PLUGIN_DIR}); }

std::string gadget(const std::string& classname, const std::string& rest = "", const std::string& attributes = "") {
  return "<gadget" + attributes + "><dll>counterflow_test_gadgets</dll><classname>" + classname + "</classname>" + rest +
         "</gadget>\n";
}
std::string named(const std::string& classname, const std::string& name) {
  return gadget(classname, "<name>" + name + "</name>");
}
std::string after(const std::string& where) { return " after=\"" + where + "\""; }
std::string chain_of(const std::string& stream, const std::string& training = "") {
  return "<configuration>\n<version>2</version>\n<stream>\n" + stream + "</stream>\n" +
         (training.empty() ? "" : "<training>\n" + training + "</training>\n") + "</configuration>\n";
}
const std::string kLoss =
    "<loss><dll>counterflow_test_gadgets</dll><classname>TestMeanSquare</classname><property name=\"reference\" "
    "value=\"0.8\"/></loss>\n";
std::string trained(const std::string& name) { return "<parameter gadget=\"" + name + "\"/>\n"; }

Chain<float> parse(const std::string& xml) { return parse_chain<float>(xml, "chain.xml", plugins()); }
std::string refusal(const std::string& xml) {
  return testing::refusal<ConfigError>([&] { parse(xml); });
}

const std::string kWhole =
    gadget("TestCalibrated") + named("TestGain", "gain") + named("TestToPaths", "paths") + named("TestFold", "fold");

ScanHeader header() {
  ScanHeader h;
  h.system.bins = 3;
  h.geometry.rows = 5;
  h.geometry.columns = 7;
  h.geometry.views = 11;
  return h;
}

std::vector<std::size_t> sources(const Chain<float>& chain) {
  std::vector<std::size_t> out;
  for (const Place& place : chain.places) out.push_back(place.source);
  return out;
}

TEST(Chain, connects_the_main_line) {
  const auto chain = parse(chain_of(kWhole));
  EXPECT_EQ(sources(chain), (std::vector<std::size_t>{Chain<float>::kScan, 0, 1, 2}));
  EXPECT_EQ(chain.stages[1]->name, "gain");
  EXPECT_EQ(chain.stages[0]->name, "TestCalibrated");
  EXPECT_EQ(chain.stages[0]->where, "chain.xml:4");
  EXPECT_TRUE(chain.leaves(3));
  EXPECT_FALSE(chain.leaves(2));
  EXPECT_EQ(chain.first_trained(), 4u);
}

TEST(Chain, a_side_gadget_leaves_the_main_line_alone) {
  const auto chain = parse(chain_of(kWhole + gadget("TestScale", "<name>twice</name>", after("fold")) +
                                    named("TestScale", "last") + gadget("TestPathLoss", "<after>paths</after>")));
  EXPECT_EQ(sources(chain), (std::vector<std::size_t>{Chain<float>::kScan, 0, 1, 2, 3, 3, 2}));
  EXPECT_EQ(chain.leaves(4), true);
  EXPECT_EQ(chain.leaves(3), false);
  EXPECT_EQ(chain.leaves(5), true);
  EXPECT_EQ(chain.leaves(6), false);
  EXPECT_TRUE(chain.descends(5, 0));
  EXPECT_FALSE(chain.descends(5, 4));
}

TEST(Chain, a_sink_passes_on_what_it_saw) {
  const auto chain =
      parse(chain_of(kWhole + named("TestObserver", "eye") + named("TestScale", "a") + gadget("TestScale", "", after("eye"))));
  EXPECT_EQ(chain.source(5), 3u);
  EXPECT_EQ(chain.source(6), 3u);
  EXPECT_TRUE(parse(chain_of(kWhole + gadget("TestObserver"))).leaves(3));
}

TEST(Chain, print_parses_to_the_same_chain) {
  const std::string odd = "<property><name>note</name><value>a &lt;b&gt; &amp; \"c\"\n\td</value></property>";
  const auto chain = parse(
      chain_of(kWhole + gadget("TestScale", odd, after("fold")),
               "<parameter gadget=\"gain\" sigma=\"0.5\" max=\"2\"/>" + kLoss + "<optimiser name=\"lbfgs\" iterations=\"40\"/>"));
  const std::string text = print_chain(chain);
  EXPECT_THAT(text, HasSubstr("<property name=\"fail_at\" value=\"-1\"/>"));
  EXPECT_THAT(text, HasSubstr("<parameter gadget=\"gain\" name=\"log_gain\" sigma=\"0.5\" weight=\"1e-06\""));
  EXPECT_THAT(text, HasSubstr("iterations=\"40\""));
  const auto again = parse(text);
  EXPECT_EQ(print_chain(again), text);
  EXPECT_EQ(again.places, chain.places);
  EXPECT_EQ(chain_hash(again), chain_hash(chain));
}

TEST(Chain, hash_depends_on_what_is_computed_alone) {
  const auto one = chain_hash(parse(chain_of(gadget("TestGain"))));
  EXPECT_EQ(one.size(), 64u);
  EXPECT_EQ(one, chain_hash(parse(chain_of("\n\n" + gadget("TestGain", "<property name=\"start\" value=\"0e0\"/>")))));
  EXPECT_EQ(one, chain_hash(parse_chain<double>(chain_of(gadget("TestGain")), "other.xml", plugins())));
  EXPECT_NE(one, chain_hash(parse(chain_of(gadget("TestGain", "<property name=\"start\" value=\"0.1\"/>")))));
}

TEST(Chain, losses_and_parameters_of_training_are_resolved) {
  const auto chain = parse(chain_of(kWhole, trained("gain") + trained("fold") + kLoss));
  EXPECT_EQ(chain.trained_names(1), std::vector<std::string>{"log_gain"});
  EXPECT_TRUE(chain.places[2].trained.empty());
  EXPECT_EQ(chain.trained_names(3), std::vector<std::string>{"scale"});
  EXPECT_EQ(chain.first_trained(), 1u);
  EXPECT_EQ(chain.source(4), 3u);
  EXPECT_TRUE(chain.places[4].in_training);
}

TEST(Chain, the_files_of_gadgetron_have_their_structure_accepted) {
  const std::string two =
      "<?xml "
      "version=\"1.0\"?><configuration><version>2</version><readers><reader><classname>AcquisitionReader</classname></reader></"
      "readers>"
      "<writers><writer><dll>gadgetron_core_writers</dll><classname>gadgetron::core::writers::ImageWriter</classname></writer></"
      "writers>"
      "<stream>" +
      gadget("TestGain", "<property><name>start</name><value>0.5</value></property>") + "</stream></configuration>";
  const std::string one =
      "<gadgetronStreamConfiguration xsi:schemaLocation=\"http://gadgetron.org/gadgetron gadgetron.xsd\" "
      "xmlns=\"http://gadgetron.org/gadgetron\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">"
      "<reader><slot>1008</slot><dll>gadgetron_mricore</dll><classname>GadgetIsmrmrdAcquisitionMessageReader</classname></reader>"
      "<writer><slot>1022</slot><dll>gadgetron_mricore</dll><classname>MRIImageWriter</classname></writer>" +
      gadget("TestGain", "<property name=\"start\" value=\"0.5\"/>") + "</gadgetronStreamConfiguration>";
  EXPECT_EQ(chain_hash(parse(two)), chain_hash(parse(one)));
}

TEST(ChainRefusal, what_gadgetron_has_and_we_do_not_is_named_with_the_way_out) {
  for (const char* name :
       {"parallel", "external", "distributed", "puredistributed", "pureparallel", "parallelprocess", "branch"}) {
    const std::string text = refusal(chain_of(gadget("TestGain") + "<" + name + "><stream/></" + name + ">"));
    EXPECT_THAT(text, AllOf(StartsWith("chain.xml:5: <" + std::string(name) + "> is Gadgetron's"), HasSubstr(": ")));
  }
  EXPECT_THAT(refusal(chain_of(gadget("TestGain") + "<parallel/>")), HasSubstr("after=\"name\""));
  EXPECT_THAT(refusal("<configuration><readers><reader><classname>AcquisitonReader</classname></reader></readers><stream>" +
                      gadget("TestGain") + "</stream></configuration>"),
              HasSubstr("did you mean 'AcquisitionReader'"));
}

TEST(ChainRefusal, misspelt_property_is_refused) {
  EXPECT_EQ(refusal(chain_of(gadget("TestGain", "\n<property name=\"strat\" value=\"0\"/>"))),
            "chain.xml:5: TestGain has no property 'strat'; did you mean 'start'?");
}

TEST(ChainRefusal, value_out_of_range_or_of_another_type_is_refused) {
  EXPECT_EQ(refusal(chain_of(gadget("TestGain", "<property name=\"start\" value=\"5abc\"/>"))),
            "chain.xml:4: TestGain: property 'start': expected a number from -2 to 2, got '5abc'");
  EXPECT_THAT(refusal(chain_of(gadget("TestGain", "<property name=\"start\" value=\"nan\"/>"))), HasSubstr("got 'nan'"));
  EXPECT_THAT(refusal(chain_of(gadget("TestGain", "<property name=\"start\" value=\"3\"/>"))), HasSubstr("from -2 to 2"));
  EXPECT_THAT(
      refusal(chain_of(gadget("TestGain", "<property name=\"start\" value=\"0\"/><property name=\"start\" value=\"0\"/>"))),
      HasSubstr("set twice"));
}

TEST(ChainRefusal, unknown_class_plugin_and_gadget_name_the_nearest) {
  EXPECT_EQ(refusal(chain_of(gadget("TestGian"))),
            "chain.xml:4: no class 'TestGian' in counterflow_test_gadgets; did you mean 'TestGain'?");
  EXPECT_THAT(refusal(chain_of("<gadget><dll>counterflow_test_gadget</dll><classname>TestGain</classname></gadget>")),
              AllOf(StartsWith("chain.xml:4: no plugin 'counterflow_test_gadget' in /"),
                    EndsWith("did you mean 'counterflow_test_gadgets'?")));
  EXPECT_THAT(refusal(chain_of(kWhole, trained("gian") + kLoss)), EndsWith("no gadget is called 'gian'; did you mean 'gain'?"));
  EXPECT_THAT(refusal(chain_of(kWhole + gadget("TestScale", "", after("flod")))), EndsWith("did you mean 'fold'?"));
  EXPECT_THAT(refusal(chain_of(kWhole, "<parameter gadget=\"gain\" name=\"gain\"/>" + kLoss)), HasSubstr("no parameter 'gain'"));
  EXPECT_THAT(refusal(chain_of(kWhole, trained("TestCalibrated") + kLoss)), HasSubstr("nothing to learn"));
}

TEST(ChainRefusal, types_that_do_not_match_are_refused_with_what_is_missing) {
  EXPECT_EQ(refusal(chain_of(gadget("TestGain") + gadget("TestFold"))),
            "chain.xml:5: TestFold takes PathLengths but TestGain before it gives Counts: put a decomposition "
            "(MaximumLikelihood) between, "
            "or attach it elsewhere with after=\"name\"");
  EXPECT_THAT(refusal(chain_of(gadget("TestScale"))), HasSubstr("takes Images, but it stands first"));
  EXPECT_THAT(refusal(chain_of(gadget("TestToPaths") + gadget("TestScale"))), HasSubstr("put a reconstruction"));
  EXPECT_THAT(refusal(chain_of(gadget("TestToPaths") + gadget("TestGain"))), HasSubstr("move it up"));
}

TEST(ChainRefusal, two_gadgets_of_one_name_are_refused) {
  EXPECT_THAT(
      refusal(chain_of(gadget("TestGain") + gadget("TestGain"))),
      AllOf(StartsWith("chain.xml:5: a second gadget is called 'TestGain' (the first: chain.xml:4)"), HasSubstr("<name>")));
}

TEST(ChainRefusal, mixing_rule) {
  EXPECT_EQ(refusal(chain_of(named("TestGain", "gain") + gadget("TestNoAdjoint") + gadget("TestCalibrated") +
                                 gadget("TestToPaths") + gadget("TestFold"),
                             trained("gain") + kLoss)),
            "chain.xml:5: TestNoAdjoint has no adjoint but stands after the trained gain: move it up, train a later gadget, or "
            "write its "
            "adjoint (docs/gadgets.md)");
  EXPECT_EQ(refusal(chain_of(gadget("TestNoAdjoint") + kWhole, trained("gain") + kLoss)), "accepted");
  EXPECT_EQ(refusal(chain_of(kWhole + gadget("TestObserver"), trained("gain") + kLoss)), "accepted");
}

TEST(ChainRefusal, a_trained_gadget_before_one_that_calibrates) {
  EXPECT_THAT(refusal(chain_of(named("TestGain", "gain") + gadget("TestCalibrated") + gadget("TestToPaths") + gadget("TestFold"),
                               trained("gain") + kLoss)),
              AllOf(StartsWith("chain.xml:5: TestCalibrated is calibrated with views that pass through the trained gain"),
                    HasSubstr("move TestCalibrated before gain")));
}

TEST(ChainRefusal, training_without_a_loss_behind_it) {
  EXPECT_THAT(refusal(chain_of(kWhole, trained("fold"))), HasSubstr("add a <loss>"));
  const std::string early = "<loss after=\"paths\"><dll>counterflow_test_gadgets</dll><classname>TestPathLoss</classname></loss>";
  EXPECT_THAT(refusal(chain_of(kWhole, trained("fold") + early)), HasSubstr("no loss sees what it does"));
  EXPECT_EQ(refusal(chain_of(kWhole, trained("gain") + early)), "accepted");
  EXPECT_THAT(refusal(chain_of(kWhole, "<loss><dll>counterflow_test_gadgets</dll><classname>TestScale</classname></loss>")),
              HasSubstr("Map without a loss"));
}

TEST(Chain, losses_have_weights_and_trained_parameters_priors) {
  std::string weighted = kLoss;
  weighted.insert(weighted.find('>'), " weight=\"0.25\"");
  const auto chain = parse(chain_of(kWhole, "<parameter gadget=\"gain\" sigma=\"0.5\" weight=\"0.01\" min=\"-3\"/>" + weighted));
  EXPECT_EQ(chain.places[4].weight, 0.25);
  EXPECT_EQ(parse(print_chain(chain)).places[4].weight, 0.25);
  const TrainedParameter& gain = chain.places[1].trained.at(0);
  EXPECT_EQ(gain.sigma, 0.5);
  EXPECT_EQ(gain.weight, 0.01);
  EXPECT_EQ(gain.min, -3);
  std::string blocks = chain_of(kWhole, trained("gain") + kLoss);
  blocks.replace(blocks.find("<training>"), 10, "<training rows_per_block=\"4\">");
  EXPECT_EQ(parse(blocks).rows_per_block, 4);
  EXPECT_EQ(parse(print_chain(parse(blocks))).rows_per_block, 4);
}

TEST(ChainRefusal, wrong_settings_of_training) {
  const auto parameter = [](const std::string& attributes) { return "<parameter gadget=\"gain\" " + attributes + "/>" + kLoss; };
  EXPECT_THAT(refusal(chain_of(kWhole, parameter("sigam=\"1\""))), HasSubstr("did you mean 'sigma'"));
  EXPECT_THAT(refusal(chain_of(kWhole, parameter("sigma=\"-1\""))), HasSubstr("got '-1'"));
  EXPECT_THAT(refusal(chain_of(kWhole, parameter("min=\"1\" max=\"1\""))), HasSubstr("expected min < max"));
  for (const char* weight : {"0", "-1", "much", "nan"}) {
    std::string loss = kLoss;
    loss.insert(loss.find('>'), " weight=\"" + std::string(weight) + "\"");
    EXPECT_THAT(refusal(chain_of(kWhole, trained("gain") + loss)), HasSubstr("got '" + std::string(weight) + "'"));
  }
}

TEST(ChainRefusal, wrong_structure_is_refused_at_its_line) {
  EXPECT_THAT(refusal("<configuration>\n<streem/></configuration>"),
              AllOf(StartsWith("chain.xml:2:"), HasSubstr("did you mean 'stream'")));
  EXPECT_THAT(refusal("<configuation/>"), HasSubstr("did you mean 'configuration'"));
  EXPECT_THAT(refusal("<configuration><stream>"), AllOf(StartsWith("chain.xml:1:"), HasSubstr("not XML")));
  EXPECT_THAT(refusal(""), StartsWith("chain.xml:1:"));
  EXPECT_THAT(refusal(chain_of("")), HasSubstr("has no gadget"));
  EXPECT_THAT(refusal(chain_of("<gadget><classname>TestGain</classname></gadget>")), HasSubstr("needs a <dll>"));
  EXPECT_THAT(refusal(chain_of(gadget("TestGain", "", " name=\"x\""))), HasSubstr("no attribute 'name'"));
  EXPECT_THAT(refusal(chain_of(gadget("TestGain", "<name a=\"b\">x</name>"))),
              HasSubstr("chain.xml:4"));  // the schema's own words
  EXPECT_THAT(refusal("<configuration><version>3</version><stream/></configuration>"), HasSubstr("expected version 2, got '3'"));
  EXPECT_THAT(refusal(chain_of(gadget("TestGain", "<name>../x</name>"))), HasSubstr("without '/'"));
}

TEST(ChainRefusal, hostile_files_are_refused_quickly) {
  EXPECT_THAT(refusal("<!DOCTYPE x [<!ENTITY a \"b\">]>\n" + chain_of(gadget("TestGain"))), HasSubstr("DOCTYPE is refused"));
  EXPECT_THAT(refusal(chain_of(gadget("TestGain") + std::string(256 * 1024, ' '))), HasSubstr("at most 256 KiB"));
  std::string deep;
  for (int k = 0; k < 40; ++k) deep += "<a>";
  for (int k = 0; k < 40; ++k) deep += "</a>";
  EXPECT_THAT(refusal(chain_of(deep)), HasSubstr("deeper than 32"));
  for (const char* dll : {"/lib/x.so", "../counterflow_test_gadgets", "a b", "counterflow_test_gadgets.so", "~root"})
    EXPECT_THAT(refusal(chain_of("<gadget><dll>" + std::string(dll) + "</dll><classname>TestGain</classname></gadget>")),
                HasSubstr("never a path"))
        << dll;
}

TEST(ChainRefusal, files_that_are_none_are_named) {
  const auto refused = [](const char* file) {
    try {
      load_chain<float>(file, plugins());
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_THAT(refused("/nowhere/chain.xml"), AllOf(StartsWith("/nowhere/chain.xml: "), HasSubstr("cannot be read")));
  EXPECT_THAT(refused("/tmp"), HasSubstr("cannot be read"));
  EXPECT_THAT(refused("/dev/null"), StartsWith("/dev/null:1: not XML"));
  EXPECT_THAT(refused("/dev/zero"), HasSubstr("at most 256 KiB"));
}

TEST(Chain, a_scan_of_another_quantity_is_refused) {
  auto h = header();
  const auto chain = parse(chain_of(kWhole));
  EXPECT_NO_THROW(chain.check_scan(h));
  h.quantity = Quantity::line_integrals;
  EXPECT_THROW(chain.check_scan(h), ConfigError);
  EXPECT_NO_THROW(parse(chain_of(gadget("TestFold"))).check_scan(h));
}

TEST(Plan, memory_is_the_sum_of_messages_states_and_images) {
  const auto chain = parse(chain_of(kWhole));
  const std::size_t view = 3 * 5 * 7 * 4, path = 5 * 7 * 4, row = 7 * 4;
  const std::size_t expected = 4 * (view + view + view + path) + (view + 3 * 4 + 5 * row) + 6 * row;
  EXPECT_EQ(memory_bound(chain, header(), 4), expected);
}

TEST(Plan, tells_types_memory_and_the_gradient_path) {
  const auto h = header();
  const std::string text = plan_text(parse(chain_of(kWhole, trained("gain") + kLoss)), &h, 4);
  EXPECT_THAT(text, HasSubstr("Counts -> PathLengths"));
  EXPECT_THAT(text, HasSubstr("gradient path: TestMeanSquare -> fold -> paths -> gain [log_gain]\n"));
  EXPECT_THAT(text, HasSubstr("with 4 messages in flight"));
  EXPECT_THAT(plan_text(parse(chain_of(kWhole)), nullptr, 4),
              HasSubstr("nothing is trained; gadgets from TestCalibrated on could be"));
  EXPECT_EQ(bytes_text(1000), "1000 B");
  EXPECT_EQ(bytes_text(1536 * 1024), "1.5 MiB");
}

TEST(ChainSchema, is_a_schema_and_accepts_what_print_writes) {
  EXPECT_NO_THROW(parse_xml(print_chain(parse(chain_of(kWhole, trained("gain") + kLoss))), "printed.xml", chain_schema()));
  EXPECT_THROW(parse_xml("<configuration><stream><gadget><nam/></gadget></stream></configuration>", "x", chain_schema()),
               ConfigError);
}

}  // namespace
}  // namespace counterflow
