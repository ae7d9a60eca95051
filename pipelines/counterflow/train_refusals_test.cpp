// What `counterflow train` cannot do it says before the first pass, in one sentence that names what came, where, and the way out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/archive/archive.h"
#include "pipelines/counterflow/test_small_training.h"

namespace counterflow::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

class TrainRefuses : public ::testing::Test {
 protected:
  // The small training with its chain or its scenario changed.
  void expect_refused(const std::string& from, const std::string& to, const std::string& said, const std::string& more = "") {
    SCOPED_TRACE(from + " -> " + to);
    const auto changed = training_.folder() / "changed.xml";
    write_file(changed, from.empty() ? chain_ : replaced(chain_, from, to));
    expect_refusal("train " + changed.string() + " " + training_.scan().string() + " -o " + training_.output("none").string() +
                       " --cache \"\" " + more,
                   said);
  }
  std::string scan_of(const std::string& name, const std::string& from, const std::string& to) {
    write_file(training_.folder() / (name + ".xml"), replaced(read_file(training_.folder() / "scenario.xml"), from, to));
    const auto file = training_.folder() / (name + ".h5");
    const Result made =
        run("simulate " + (training_.folder() / (name + ".xml")).string() + " --quiet --cache \"\" -o " + file.string());
    EXPECT_EQ(made.code, 0) << made.text;
    return file.string();
  }
  void expect_refusal(const std::string& arguments, const std::string& said) {
    const Result result = run(arguments);
    EXPECT_EQ(result.code, 1);
    EXPECT_THAT(result.text, AllOf(HasSubstr("counterflow: "), HasSubstr(said), Not(HasSubstr("step "))));
    EXPECT_EQ(std::count(result.text.begin(), result.text.end(), '\n'), 1) << result.text;
    EXPECT_FALSE(std::filesystem::exists(training_.output("none")));
    EXPECT_FALSE(std::filesystem::exists(training_.output("none").string() + ".checkpoints"));
  }

  const SmallTraining training_;
  const std::string chain_ = read_file(training_.chain());
  const std::string optimiser_ = R"(<optimiser name="lbfgs" iterations="6" decrease="0" tolerance="0"/>)";
};

TEST_F(TrainRefuses, a_chain_that_cannot_be_trained) {
  const std::string air = "<gadget><dll>counterflow_air_calibration</dll><classname>AirCalibration</classname></gadget>";
  std::string drift_first = replaced(chain_, air, "");
  drift_first =
      replaced(drift_first, "<classname>BinDrift</classname></gadget>", "<classname>BinDrift</classname></gadget>" + air);
  write_file(training_.folder() / "drift_first.xml", drift_first);
  expect_refusal("train " + (training_.folder() / "drift_first.xml").string() + " " + training_.scan().string() + " -o " +
                     training_.output("none").string(),
                 "AirCalibration is calibrated with views that pass through the trained drift");
  expect_refused("<parameter gadget=\"drift\" weight=\"1e-6\"/>", "", "nothing is trained");
  expect_refused("<parameter gadget=\"drift\"", "<parameter gadget=\"drifts\"",
                 "no gadget is called 'drifts'; did you mean 'drift'?");
  expect_refused("<parameter gadget=\"drift\"", "<parameter gadget=\"drift\" name=\"shift\"", "drift has no parameter 'shift'");
  expect_refused("<parameter gadget=\"drift\"", "<parameter gadget=\"drift\" smooth=\"modul\"",
                 "changed.xml: <training>: parameter");
  expect_refused("rows_per_block=\"1\"", "rows_per_block=\"3\"", "expected rows_per_block to divide the 4 detector rows, got 3");
}

TEST_F(TrainRefuses, a_search_that_cannot_move) {
  expect_refused(optimiser_, R"(<optimiser name="adam" rate="0"/>)", "rate");
  expect_refused(optimiser_, R"(<optimiser name="lbfsg"/>)",
                 "changed.xml:13: <optimiser>: there is no method 'lbfsg'; did you mean 'lbfgs'?");
  expect_refused(optimiser_, R"(<optimiser name="adam" iterations="-1"/>)", "changed.xml:13");
  write_file(training_.folder() / "wrong.xml", replaced(chain_, optimiser_, R"(<optimiser name="lbfsg"/>)"));
  expect_refusal("check " + (training_.folder() / "wrong.xml").string(), "there is no method 'lbfsg'");
}

TEST_F(TrainRefuses, scans_that_lack_what_is_asked_of_them) {
  const std::string blind = (training_.folder() / "blind.h5").string();
  {
    ArchiveReader reader(training_.scan());
    ArchiveWriter writer(blind, reader.header());
    for (auto view = reader.next<float>(); view.index() != 0; view = reader.next<float>())
      writer.write(*std::get<Sent<Counts<float>>>(view));
    writer.finish();
  }
  const std::string what = "train " + training_.chain().string() + " ", to = " -o " + training_.output("none").string();
  for (const std::string& scans : {blind, training_.scan().string() + " " + blind})
    expect_refusal(what + scans + to, "blind.h5: the chain's losses compare with the truth, but this archive has none");
  expect_refusal(what + scan_of("whole", "modules=\"4\"", "") + to, "the scan's header knows no modules");
  expect_refusal(what + (training_.folder() / "no.h5").string() + to, "no.h5");
}

TEST_F(TrainRefuses, parameters_that_do_not_fit) {
  ASSERT_EQ(run(training_.train("learned", "--quiet")).code, 0);
  const std::string begin = "--parameters " + training_.output("learned").string();
  expect_refused("<name>drift</name>", "<name>moved</name>", "no gadget is called 'drift'", begin);
  const std::string moved =
      replaced(replaced(chain_, "<name>drift</name>", "<name>moved</name>"), "gadget=\"drift\"", "gadget=\"moved\"");
  write_file(training_.folder() / "moved.xml", moved);
  const std::string what = (training_.folder() / "moved.xml").string() + " " + training_.scan().string() + " -o ";
  for (const char* verb : {"train ", "run "})
    expect_refusal(verb + what + training_.output("none").string() + " " + begin,
                   "holds parameters of the gadget 'drift', which " + (training_.folder() / "moved.xml").string() + " has not");
  const std::string other = scan_of("other", "modules=\"4\"", "modules=\"8\"");
  expect_refusal("run " + training_.chain().string() + " " + other + " -o " + training_.output("none").string() + " " + begin,
                 "it was trained for another detector");
}

}  // namespace
}  // namespace counterflow::testing
