// `counterflow train` killed (SIGKILL) at any moment goes on where it was.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipelines/counterflow/test_small_training.h"

namespace counterflow::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kKilled = 128 + SIGKILL;

// Goes on with a training that has been killed: to the same bits, without a step that the killed one had told of.
void expect_resumed(const SmallTraining& training, const std::string& name, const Result& killed,
                    const LearnedParameters& whole) {
  EXPECT_EQ(killed.code, kKilled) << killed.text;
  const Result resumed = run(training.train(name, "--resume"));
  ASSERT_EQ(resumed.code, 0) << resumed.text;
  EXPECT_EQ(training.learned(name), whole);
  const int done = last_step(killed.text), first = first_step(resumed.text);
  EXPECT_TRUE(first == 0 || first == done + 1 || first == done + 2) << "last " << done << ", then " << first;
  EXPECT_FALSE(std::filesystem::exists(training.output(name).string() + ".checkpoints"));
}

TEST(Train, killed_within_a_step_ends_with_the_same_bits) {
  const SmallTraining training;
  const Result whole = run(training.train("whole"));
  ASSERT_EQ(whole.code, 0) << whole.text;
  ASSERT_EQ(last_step(whole.text), 6);
  for (int step : {0, 1, 4}) {
    const std::string name = "killed_after_" + std::to_string(step);
    Running running("exec " COUNTERFLOW_COMMAND " " + training.train(name), training.folder() / "log");
    ASSERT_TRUE(running.says(step == 0 ? "messages are kept" : "\nstep " + std::to_string(step) + ":"));
    running.kill();
    expect_resumed(training, name, running.wait(), training.learned("whole"));
  }
}

// While a checkpoint is written, before it has its name, before its name is on the disk; while the result is written; while the
// checkpoints are removed.
TEST(Train, killed_while_it_writes_ends_with_the_same_bits) {
  const SmallTraining training;
  ASSERT_EQ(run(training.train("whole", "--quiet")).code, 0);
  for (const std::string moment : {"pwrite 3", "rename 1", "pwrite 50", "rename 3", "fsync 6", "rename 7", "remove 5"}) {
    SCOPED_TRACE(moment);
    std::string name = moment;
    name.replace(name.find(' '), 1, "_");
    const std::string preloaded = "ASAN_OPTIONS=verify_asan_link_order=0 LD_PRELOAD=" COUNTERFLOW_KILL_AT_CALL;
    const Result killed =
        run_line(preloaded + " COUNTERFLOW_KILL_AT='" + moment + "' " COUNTERFLOW_COMMAND " " + training.train(name));
    expect_resumed(training, name, killed, training.learned("whole"));
  }
}

TEST(Train, resumed_without_a_checkpoint_begins_and_with_another_scan_is_refused) {
  const SmallTraining training;
  const Result begun = run(training.train("new", "--resume"));
  EXPECT_EQ(begun.code, 0) << begun.text;
  EXPECT_EQ(first_step(begun.text), 1);

  Running running("exec " COUNTERFLOW_COMMAND " " + training.train("killed"), training.folder() / "log");
  ASSERT_TRUE(running.says("\nstep 1:"));
  running.kill();
  ASSERT_EQ(running.wait().code, kKilled);
  std::filesystem::copy(training.scan(), training.folder() / "other.h5");
  const Result other = run("train " + training.chain().string() + " " + (training.folder() / "other.h5").string() +
                           " --resume -o " + training.output("killed").string());
  EXPECT_EQ(other.code, 1);
  EXPECT_THAT(other.text, HasSubstr("the checkpoints are of other scans (scan.h5)"));
  EXPECT_THAT(other.text, Not(HasSubstr("step ")));
}

}  // namespace
}  // namespace counterflow::testing
