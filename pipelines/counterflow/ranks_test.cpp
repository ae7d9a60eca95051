// `mpirun -n N counterflow train`: the same bits for any number of processes, and an end worth its name where one of them fails.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <complex>
#include <fstream>
#include <limits>

#include "core/archive/archive.h"
#include "pipelines/counterflow/test_small_training.h"

namespace counterflow::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// As root in a container that forbids processes to read each other's memory, and with more processes than cores. Without the leak
// checker of the sanitized build: OpenMPI keeps 0.1 MB in plugins that it has unloaded, which no suppression can name.
std::string mpirun(int n, const std::string& arguments) {
  return "exec env OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 ASAN_OPTIONS=detect_leaks=0 " COUNTERFLOW_MPIRUN
         " --oversubscribe --mca btl self,vader --mca btl_vader_single_copy_mechanism none -n " +
         std::to_string(n) + " " + arguments;
}
std::string trained(int n, const std::string& arguments) { return mpirun(n, COUNTERFLOW_COMMAND " " + arguments); }

std::size_t times(const std::string& words, const std::string& text) {
  std::size_t n = 0;
  for (std::size_t at = 0; (at = text.find(words, at)) != std::string::npos; ++at) ++n;
  return n;
}

// Processes of the command that were started with this file.
std::vector<pid_t> processes_with(const std::filesystem::path& file) {
  std::vector<pid_t> out;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string line = read_file(entry.path() / "cmdline");
    if (line.find(file.string()) != std::string::npos && line.starts_with(COUNTERFLOW_COMMAND)) out.push_back(std::stoi(name));
  }
  return out;
}
// Its number among the processes of mpirun.
int rank_of(pid_t process) {
  const std::string environment = read_file("/proc/" + std::to_string(process) + "/environ"), name = "OMPI_COMM_WORLD_RANK=";
  const auto at = environment.find(name);
  return at == std::string::npos ? -1 : std::stoi(environment.substr(at + name.size()));
}

class Ranks : public ::testing::Test {
 protected:
  void SetUp() override {
    const Result start = run_line(mpirun(1, "true"));
    if (start.code != 0) GTEST_SKIP() << "mpirun does not start here: " << start.text;
  }
  const SmallTraining training_;
};

TEST_F(Ranks, any_number_of_processes_learns_the_same_bits) {
  ASSERT_EQ(run(training_.train("1")).code, 0);
  for (int n : {2, 3, 5}) {
    const Result result = run_line(trained(n, training_.train(std::to_string(n), "--threads 1")));
    ASSERT_EQ(result.code, 0) << result.text;
    EXPECT_EQ(training_.learned(std::to_string(n)), training_.learned("1")) << n;
    EXPECT_EQ(times("step 3:", result.text), 1U) << result.text;
    EXPECT_THAT(result.text, HasSubstr(std::to_string(n) + " processes share 4 units"));
    EXPECT_EQ(result.text.find("1 have nothing to do") != std::string::npos, n == 5) << result.text;
  }
}

TEST_F(Ranks, observability_is_that_of_one_process) {
  const std::string look =
      "train " + training_.chain().string() + " " + training_.scan().string() + " --observability --quiet -o ";
  ASSERT_EQ(run(look + training_.output("one").string()).code, 0);
  const Result two = run_line(trained(2, look + training_.output("two").string()));
  ASSERT_EQ(two.code, 0) << two.text;
  EXPECT_EQ(read_file(training_.folder() / "two.modes.csv"), read_file(training_.folder() / "one.modes.csv"));
}

TEST_F(Ranks, one_that_is_killed_ends_all_within_seconds_and_any_number_resumes) {
  ASSERT_EQ(run(training_.train("whole")).code, 0);
  for (int killed : {0, 2}) {
    const std::string name = "killed_" + std::to_string(killed);
    Running running(trained(3, training_.train(name, "--threads 1")), training_.folder() / "log");
    ASSERT_TRUE(running.says("\nstep 2:"));
    for (pid_t process : processes_with(training_.output(name)))
      if (rank_of(process) == killed) ::kill(process, SIGKILL);
    const auto from = std::chrono::steady_clock::now();
    const Result result = running.wait();
    EXPECT_LT(std::chrono::steady_clock::now() - from, std::chrono::seconds(20));
    EXPECT_NE(result.code, 0);
    EXPECT_THAT(result.text, AllOf(HasSubstr("rank " + std::to_string(killed)), HasSubstr("signal 9")));
    EXPECT_FALSE(std::filesystem::exists(training_.output(name)));

    const std::string again = training_.train(name, "--resume");
    const Result resumed = killed == 0 ? run_line(trained(2, again)) : run(again);
    ASSERT_EQ(resumed.code, 0) << resumed.text;
    EXPECT_EQ(training_.learned(name), training_.learned("whole"));
    EXPECT_GT(first_step(resumed.text), last_step(result.text));
  }
}

// Where the values of the last view stand in the file of a scan (complex numbers, docs/format.md).
std::size_t place_of_values(const std::filesystem::path& scan) {
  ArchiveReader reader(scan);
  std::array<std::complex<float>, 8> values;
  for (Message<float> m = reader.next<float>(); m.index() != 0; m = reader.next<float>())
    std::copy_n(std::get<Sent<Counts<float>>>(m)->counts.data(), values.size(), values.begin());
  return read_file(scan).rfind({reinterpret_cast<const char*>(values.data()), sizeof values});
}
void damage(const std::filesystem::path& scan, std::size_t place) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::fstream file(scan, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(place)).write(reinterpret_cast<const char*>(&nan), sizeof nan);
}

TEST_F(Ranks, an_archive_that_cannot_be_read_is_one_error) {
  const std::string scan = training_.scan().string(), cut = (training_.folder() / "cut.h5").string();
  const std::string damaged = (training_.folder() / "damaged.h5").string();
  std::filesystem::copy(scan, cut);
  std::filesystem::resize_file(cut, std::filesystem::file_size(scan) / 2);
  std::filesystem::copy(scan, damaged);
  damage(damaged, place_of_values(damaged));
  const auto train = [&](const std::string& scans) {
    return run_line(trained(2, "train " + training_.chain().string() + " " + scans + " -o " + training_.output("x").string()));
  };
  const Result for_all = train(scan + " " + cut);
  EXPECT_NE(for_all.code, 0);
  EXPECT_EQ(times("counterflow: ", for_all.text), 1U) << for_all.text;
  EXPECT_THAT(for_all.text, AllOf(HasSubstr("counterflow: " + cut + ": "), Not(HasSubstr("step "))));

  const Result for_the_second = train(scan + " " + damaged);  // which has all units of it
  EXPECT_NE(for_the_second.code, 0);
  EXPECT_EQ(times("counterflow: ", for_the_second.text), 1U) << for_the_second.text;
  EXPECT_THAT(for_the_second.text, AllOf(HasSubstr("counterflow: process 1 of 2: " + damaged + ": view 23"), HasSubstr("nan")));
}

TEST_F(Ranks, an_archive_that_goes_bad_on_the_way_is_one_error_and_the_training_resumes) {
  ASSERT_EQ(run(training_.train("whole")).code, 0);
  const std::string sound = read_file(training_.scan());
  const std::size_t place = place_of_values(training_.scan());
  ASSERT_NE(place, std::string::npos);
  Running running(trained(2, training_.train("bad", "--threads 1")), training_.folder() / "log");
  ASSERT_TRUE(running.says("\nstep 1:"));
  damage(training_.scan(), place);
  const Result result = running.wait();
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(times("counterflow: ", result.text), 1U) << result.text;
  EXPECT_THAT(result.text, HasSubstr("view 23"));

  write_file(training_.scan(), sound);
  const Result resumed = run_line(trained(3, training_.train("bad", "--resume")));
  ASSERT_EQ(resumed.code, 0) << resumed.text;
  EXPECT_EQ(training_.learned("bad"), training_.learned("whole"));
  EXPECT_GT(first_step(resumed.text), last_step(result.text));
}

}  // namespace
}  // namespace counterflow::testing
