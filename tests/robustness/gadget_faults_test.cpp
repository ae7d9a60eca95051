// A gadget that fails, wherever it stands and whenever it does, gives one named error and harms no later scan.
#include <gmock/gmock.h>

#include "core/testing/refusal.h"
#include "tests/robustness/toy.h"

namespace counterflow::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string faulty(const std::string& type, const std::string& moment, int at, const std::string& fault = "throw") {
  return test_gadget("Faulty" + type, property("moment", moment) + property("at", std::to_string(at)) + property("fault", fault),
                     "faulty");
}

constexpr std::size_t kFirstOfPaths = 4, kFirstOfImages = 5;  // places that path lengths and images come to

std::string type_at(std::size_t place) { return place < kFirstOfPaths ? "Counts" : place < kFirstOfImages ? "Paths" : "Images"; }

// The chain with a faulty gadget of the right type put before each of its gadgets, and behind the last.
std::vector<std::string> chains_with(const std::string& moment, int at, const std::string& fault = "throw") {
  std::vector<std::string> chains;
  const auto gadgets = toy_gadgets();
  for (std::size_t place = 0; place <= gadgets.size(); ++place) {
    auto with = gadgets;
    with.insert(with.begin() + static_cast<std::ptrdiff_t>(place), faulty(type_at(place), moment, at, fault));
    chains.push_back(toy_chain(with));
  }
  return chains;
}

TEST(GadgetFault, thrown_at_any_view_and_place_is_named_and_harms_no_later_scan) {
  const int last = static_cast<int>(toy_header().geometry.views) - 1;
  for (std::size_t place = 0; place <= toy_gadgets().size(); ++place) {
    const bool image = place >= kFirstOfImages;  // they carry the last view's number, and fail at a slice
    for (const int at : image ? std::vector{0, 1, 2} : std::vector{0, last / 2, last}) {
      const auto came = run_toy<float>(chains_with("view", at)[place], toy_views<float>());
      const std::string where = "place " + std::to_string(place) + " at " + std::to_string(at);
      EXPECT_THAT(came.error, HasSubstr("faulty, view " + std::to_string(image ? last : at) + ": asked to fail")) << where;
      EXPECT_EQ(came.images.size(), static_cast<std::size_t>(image ? at : 0)) << where;  // what was finished is delivered
      expect_unharmed(where);
    }
  }
}

TEST(GadgetFault, thrown_while_it_is_made_or_begun_is_named) {
  for (const char* moment : {"make", "begin"})
    for (const auto& chain : chains_with(moment, -1)) {
      const auto came = run_toy<float>(chain, toy_views<float>());
      EXPECT_THAT(came.error, AllOf(HasSubstr("toy.xml:"), HasSubstr("faulty"), HasSubstr("asked to fail"))) << moment;
      expect_unharmed(moment);
    }
}

TEST(GadgetFault, thrown_by_folds_sinks_and_calibrations_is_named) {
  const auto replaced = [](std::size_t place, const std::string& gadget) {
    auto with = toy_gadgets();
    with[place] = gadget;
    return toy_chain(with);
  };
  auto with_sink = toy_gadgets();
  with_sink.insert(with_sink.begin() + 1, faulty("Sink", "view", 7));
  auto reporting = toy_gadgets();
  reporting.insert(reporting.begin() + 1, faulty("Sink", "end", -1));
  const std::vector<std::pair<std::string, std::string>> cases = {
      {replaced(4, faulty("Fold", "view", 0)), "faulty, view 0"},
      {replaced(4, faulty("Fold", "view", 23)), "faulty, view 23"},
      {replaced(4, faulty("Fold", "begin", -1)), "faulty"},
      {replaced(4, faulty("Fold", "end", -1)), "faulty"},
      {replaced(1, faulty("Calibrated", "calibrate", 0)), "faulty, view 0"},
      {replaced(1, faulty("Calibrated", "calibrate", 2)), "faulty, view 2"},
      {toy_chain(with_sink), "faulty, view 7"},
      {toy_chain(reporting), "faulty"}};
  for (const auto& [chain, words] : cases) {
    const auto came = run_toy<float>(chain, toy_views<float>());
    EXPECT_THAT(came.error, AllOf(HasSubstr(words + ": asked to fail"), HasSubstr("toy.xml:")));
    expect_unharmed(words);
  }
}

TEST(GadgetFault, what_was_finished_before_it_has_been_delivered) {
  std::size_t delivered = 0;
  const auto chain = parse_chain<float>(toy_chain({faulty("Counts", "view", 17)}), "toy.xml", test_plugins());
  Workers workers(2);
  ScanRun<float> run(chain, toy_header(), workers);
  run.output = [&](const auto&, const auto&) { ++delivered; };
  const auto views = toy_views<float>();
  EXPECT_THROW(run.forward(source_of(views)), GadgetError);
  EXPECT_EQ(delivered, 17u);  // views 0 to 16
}

TEST(GadgetFault, a_terabyte_asked_for_is_a_named_error) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer ends a program that asks for so much";
#endif
  for (const char* moment : {"begin", "view"})
    for (const auto& chain : chains_with(moment, -1, "allocate")) {
      EXPECT_THAT(run_toy<float>(chain, toy_views<float>()).error, AllOf(HasSubstr("faulty"), HasSubstr("out of memory")));
      expect_unharmed("a terabyte");
    }
}

const char* const kTraining = R"(<training><parameter gadget="gain" name="log_gain"/>
<loss><dll>counterflow_test_gadgets</dll><classname>TestMeanSquare</classname></loss></training>)";

TEST(GadgetFault, thrown_by_an_adjoint_at_any_place_and_view_is_named) {
  std::vector<std::string> trained = toy_gadgets();
  std::swap(trained[0], trained[1]);  // calibrated before what is trained
  for (std::size_t place = 2; place <= trained.size(); ++place)
    for (const int at : place < kFirstOfImages ? std::vector{0, 11, 23} : std::vector{0, 1, 2}) {
      auto with = trained;
      with.insert(with.begin() + static_cast<std::ptrdiff_t>(place), faulty(type_at(place), "adjoint", at));
      const auto chain = parse_chain<float>(toy_chain(with, kTraining), "toy.xml", test_plugins());
      const auto views = toy_views<float>();
      Workers workers(2);
      for (const Tape tape : {Tape::keep, Tape::recompute}) {
        ScanRun<float> run(chain, toy_header(), workers);
        run.forward(source_of(views), tape);
        const std::string error = refusal<GadgetError>([&] { run.backward(source_of(views), tape); });
        EXPECT_THAT(error, HasSubstr("faulty, view " + std::to_string(place < kFirstOfImages ? at : 23) + ": asked to fail"))
            << place;
      }
      expect_unharmed("an adjoint");
    }
}

TEST(GadgetFault, missing_and_foreign_plugins_are_named) {
  const PluginFolders folders({COUNTERFLOW_TEST_PLUGIN_DIR, COUNTERFLOW_TEST_PLUGIN_DIR "/../broken_plugins"});
  for (const auto& [dll, words] :
       {std::pair{"counterflow_missing", "no plugin"}, std::pair{"counterflow_foreign_tag", "was built for"},
        std::pair{"counterflow_no_tag", "no symbol counterflow_abi_tag"}, std::pair{"counterflow_no_table", "no table"},
        std::pair{"counterflow_unresolved", "does not load"}}) {
    const std::string xml = "<configuration><version>2</version><stream><gadget><dll>" + std::string(dll) +
                            "</dll><classname>X</classname></gadget></stream></configuration>";
    EXPECT_THAT(refusal<ConfigError>([&] { parse_chain<float>(xml, "toy.xml", folders); }),
                AllOf(HasSubstr(dll), HasSubstr(words)));
    expect_unharmed(dll);
  }
}

}  // namespace
}  // namespace counterflow::testing
