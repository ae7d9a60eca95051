#include "core/training/learning.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/testing/folder.h"
#include "core/testing/refusal.h"
#include "core/training/test_training.h"

namespace counterflow {
namespace {

using namespace training_testing;
using ::testing::ElementsAre;
using testing::Folder;
using ::testing::HasSubstr;
using testing::refusal;

const std::string kTrained = "<parameter gadget=\"gain\" weight=\"0.01\"/><parameter gadget=\"fold\"/>";
const std::map<std::string, Setting> kSteps = {{"iterations", {"12", ""}}, {"decrease", {"0", ""}}};

// A training of the toy chain, stopped after so many new steps.
struct Training {
  Chain<float> chain = chain_of<float>(kTrained);
  ParameterSpace space{chain, toy_header(), initial_parameters(chain, toy_header())};
  Workers workers{2};
  Team team;
  Objective<float> objective{chain, toy_scans<float>(2), space, workers, {}, team, nullptr};
  std::vector<std::size_t> steps;

  LearnedParameters run(const LearningSettings& settings, std::size_t stop_after = 1000) {
    const auto method = make_optimiser({"lbfgs", kSteps});
    return learn(objective, space, *method, settings, [&](const Step& step) {
      steps.push_back(step.number);
      if (steps.size() == stop_after) throw Error("killed");
    });
  }
};

LearningSettings settings_of(const Checkpoints* checkpoints, bool resume) {
  return {"the chain", {"a.h5", "b.h5"}, {"level", "path_level"}, checkpoints, resume};
}

TEST(Learning, lowers_the_loss_and_keeps_its_history) {
  Training training;
  const LearnedParameters learned = training.run(settings_of(nullptr, false));
  const std::size_t columns = learned.columns.size();
  ASSERT_EQ(columns, 8U);
  ASSERT_GT(learned.history.size(), 4 * columns);
  const double first = learned.history[2], last = learned.history[learned.history.size() - columns + 2];
  EXPECT_LT(last, 0.9 * first);
  ASSERT_EQ(learned.blocks.size(), 2U);
  EXPECT_EQ(learned.blocks[0].gadget, "gain");
  EXPECT_EQ(learned.blocks[0].values.size(), kBins);
  const auto parameters = with_learned(training.chain, toy_header(), learned, "learned.h5");
  EXPECT_EQ(parameters[1], learned.blocks[0].values);
  EXPECT_EQ(training.objective.evaluate(std::vector<double>(4, 0.0), {}).losses.size(), 2U);
}

TEST(Learning, resumed_after_any_step_ends_with_the_bits_of_an_uninterrupted_one) {
  const LearnedParameters whole = Training().run(settings_of(nullptr, false));
  ASSERT_GT(whole.history.size(), 6 * whole.columns.size());
  for (std::size_t after : {1, 3, 5}) {
    const Folder folder;
    const Checkpoints checkpoints(folder / "learned.h5");
    EXPECT_THROW(Training().run(settings_of(&checkpoints, false), after), Error);
    Training again;
    const LearnedParameters resumed = again.run(settings_of(&checkpoints, true));
    EXPECT_EQ(resumed, whole) << after;
    ASSERT_FALSE(again.steps.empty());
    EXPECT_EQ(again.steps.front(), after + 1);
  }
}

TEST(Learning, keeps_the_last_three_checkpoints_and_takes_the_newest_that_can_be_read) {
  const Folder folder;
  const Checkpoints checkpoints(folder / "learned.h5");
  EXPECT_FALSE(checkpoints.newest());
  EXPECT_THROW(Training().run(settings_of(&checkpoints, false), 6), Error);
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(checkpoints.folder())) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  EXPECT_THAT(names, ElementsAre("step-00000004.h5", "step-00000005.h5", "step-00000006.h5"));
  testing::write_file(checkpoints.folder() / "step-00000006.h5", "lost");
  EXPECT_EQ(checkpoints.newest()->history[checkpoints.newest()->history.size() - 8], 5);
  checkpoints.remove();
  EXPECT_FALSE(std::filesystem::exists(checkpoints.folder()));
}

TEST(Learning, checkpoints_of_another_training_are_refused) {
  const Folder folder;
  const Checkpoints checkpoints(folder / "learned.h5");
  EXPECT_THROW(Training().run(settings_of(&checkpoints, false), 2), Error);
  auto other = settings_of(&checkpoints, true);
  other.chain = "another chain";
  EXPECT_THAT(refusal([&] { Training().run(other); }), HasSubstr("of another chain"));
  other = settings_of(&checkpoints, true);
  other.archives = {"c.h5"};
  EXPECT_THAT(refusal([&] { Training().run(other); }), HasSubstr("of other scans (a.h5, b.h5)"));
}

TEST(LearnedParameters, come_back_bit_for_bit_and_their_hash_tells_them_apart) {
  const Folder folder;
  LearnedParameters p = Training().run(settings_of(nullptr, false), 1000);
  p.blocks.push_back({"training", "TestGain", "log_gain", "keV", {"node", "threshold"}, {1, 2}, {0.1, -1e-300}});
  p.search = {1, 2, 3};
  write_parameters(folder / "p.h5", p);
  auto again = read_parameters(folder / "p.h5");
  const auto by_name = [](const LearnedBlock& a, const LearnedBlock& b) { return a.gadget < b.gadget; };
  std::ranges::sort(p.blocks, by_name);
  std::ranges::sort(again.blocks, by_name);
  EXPECT_EQ(again, p);
  EXPECT_EQ(parameters_hash(again), parameters_hash(p));
  EXPECT_EQ(parameters_hash(p).size(), 64U);
  again.blocks[0].values[0] = std::nextafter(again.blocks[0].values[0], 1e9);
  EXPECT_NE(parameters_hash(again), parameters_hash(p));
  EXPECT_THAT(folder.names(), ElementsAre("p.h5"));
}

TEST(LearnedParameters, that_do_not_fit_are_refused) {
  Training t;
  LearnedParameters p = t.run(settings_of(nullptr, false), 1000);
  const auto refused = [&](auto&& change) {
    LearnedParameters wrong = p;
    change(wrong);
    return refusal<ConfigError>([&] { with_learned(t.chain, toy_header(), wrong, "p.h5"); });
  };
  EXPECT_EQ(refused([](auto&) {}), "accepted");
  EXPECT_THAT(refused([](auto& w) { w.blocks[0].gadget = "gian"; }), HasSubstr("which toy.xml has not; did you mean 'gain'?"));
  EXPECT_THAT(refused([](auto& w) { w.blocks[0].name = "gain"; }), HasSubstr("a TestGain without it"));
  EXPECT_THAT(refused([](auto& w) { w.blocks[0].shape = {5}, w.blocks[0].values.resize(5); }),
              HasSubstr("has the shape [5] 1, but this chain on this scan takes [3] 1"));
  EXPECT_THAT(refused([](auto& w) { w.blocks[0].unit = "keV"; }), HasSubstr("[3] keV, but"));
}

TEST(LearnedParameters, what_is_no_such_file_is_refused) {
  const Folder folder;
  testing::write_file(folder / "text.h5", "no HDF5");
  EXPECT_THAT(refusal([&] { read_parameters(folder / "text.h5"); }), HasSubstr("text.h5"));
  EXPECT_THAT(refusal([&] { read_parameters(folder / "none.h5"); }), HasSubstr("there is no such file"));
}

}  // namespace
}  // namespace counterflow
