// The bound that `check` prints holds for the process that runs the chain, and no view more costs memory, in training neither.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <map>
#include <sstream>

#include "core/testing/folder.h"
#include "tests/support.h"

namespace counterflow::testing {
namespace {

// Runs the command with its output in `log`; the most memory that it held [MiB].
double peak_memory(const std::vector<std::string>& arguments, const std::filesystem::path& log) {
  std::fflush(stdout);  // else the child would print what waits there too
  const pid_t child = fork();
  if (child == 0) {
    if (!std::freopen(log.c_str(), "w", stdout)) _exit(127);
    std::vector<char*> argv{const_cast<char*>(COUNTERFLOW_COMMAND)};
    for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    execv(COUNTERFLOW_COMMAND, argv.data());
    _exit(127);
  }
  int status = 0;
  rusage used{};
  wait4(child, &status, 0, &used);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << arguments[0];
  return static_cast<double>(used.ru_maxrss) / 1024;
}

// MiB in "live memory at most 454.6 MiB with ...".
double promised(const std::filesystem::path& log) {
  std::ifstream in(log);
  std::stringstream text;
  text << in.rdbuf();
  const std::string words = "live memory at most ";
  const auto at = text.str().find(words);
  EXPECT_NE(at, std::string::npos) << text.str();
  double value = 0;
  std::string unit;
  std::istringstream(text.str().substr(at + words.size())) >> value >> unit;
  EXPECT_EQ(unit, "MiB");
  return value;
}

// A shipped scenario with fewer air views and sub-rays, which nothing here depends on, so many views, and columns and voxels so
// many times as wide.
std::filesystem::path scan_of(const char* name, std::size_t views, std::size_t wider, const std::filesystem::path& folder) {
  Scenario s = scenario(name);
  auto& g = s.header.geometry;
  g.angle_step *= static_cast<double>(g.views) / static_cast<double>(views);
  g.views = g.views_per_rotation = views;
  ImageGrid& grid = s.header.grid;
  for (std::size_t* extent : {&g.columns, &grid.nx, &grid.ny}) *extent /= wider;
  for (double* width : {&g.column_pitch, &grid.voxel_x, &grid.voxel_y}) *width *= static_cast<double>(wider);
  s.acquisition.air_views = 4;
  s.sampling.column_rays = s.sampling.spot_rays = 1;
  const auto file = folder / ("scan_" + std::to_string(views) + ".h5");
  Workers workers;
  simulate_scan(SimulatedScan(s, response_cache()), workers, file);
  return file;
}

TEST(Memory, stays_within_what_check_promises_and_does_not_grow_with_views) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer's own memory is counted too";
  const Folder folder;
  const std::string chain = source_dir() / "xml" / "chains" / "material_images.xml";
  double peaks[2] = {};
  for (const std::size_t k : {0u, 1u}) {
    const auto scan = scan_of("gammex", k == 0 ? 40 : 160, 1, folder.path());
    const auto log = folder / "log", images = folder / "images.h5";
    peak_memory({"check", chain, scan, "--cache", response_cache()}, log);
    const double bound = promised(log);
    peaks[k] = peak_memory({"run", chain, scan, "-o", images, "--quiet", "--cache", response_cache()}, log);
    std::printf("%s: %.0f MiB, promised %.0f MiB\n", scan.filename().c_str(), peaks[k], bound);
    EXPECT_GT(peaks[k], 20);
    EXPECT_LT(peaks[k], bound);
    std::filesystem::remove(scan);
    std::filesystem::remove(images);
  }
  EXPECT_LT(peaks[1], 1.15 * peaks[0]);
}

TEST(Memory, of_training_that_computes_again_does_not_grow_with_views_and_of_one_that_keeps_does) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer's own memory is counted too";
  const Folder folder;
  const auto chain = folder / "chain.xml";
  std::string xml = read_file(source_dir() / "xml/chains/drift_training.xml");
  const std::string iterations = "iterations=\"60\"";
  ASSERT_NE(xml.find(iterations), std::string::npos);
  write_file(chain, xml.replace(xml.find(iterations), iterations.size(), "iterations=\"1\""));
  std::map<std::string, std::array<double, 2>> peaks;
  for (const std::size_t k : {0u, 1u}) {
    const auto scan = scan_of("drift_gammex", k == 0 ? 90 : 1440, 4, folder.path());
    for (const std::string memory : {"0", "4"})
      peaks[memory][k] = peak_memory(
          {"train", chain, scan, "-o", folder / "learned.h5", "--memory", memory, "--quiet", "--cache", response_cache()},
          folder / "log");
    std::filesystem::remove(scan);
  }
  for (const auto& [memory, peak] : peaks) std::printf("--memory %s: %.0f and %.0f MiB\n", memory.c_str(), peak[0], peak[1]);
  EXPECT_GT(peaks["0"][0], 20);
  EXPECT_LT(peaks["0"][1], 1.15 * peaks["0"][0]);
  EXPECT_GT(peaks["4"][1], 1.5 * peaks["0"][1]);
}

}  // namespace
}  // namespace counterflow::testing
