// The same scan gives the same bits: for 1 to 4 threads, over many runs, from a file and from a pipe.
#include <gtest/gtest.h>

#include <sstream>

#include "core/archive/archive.h"
#include "core/physics/detector_response.h"
#include "core/server/pipe.h"
#include "core/testing/folder.h"
#include "tests/support.h"

namespace counterflow::testing {
namespace {

Scenario small_scenario() {
  Scenario s = scenario("iodine_rods");
  auto& g = s.header.geometry;
  g.rows = 2;
  g.views = g.views_per_rotation = 48;
  g.angle_step = 2 * M_PI / 48;
  g.column_pitch *= static_cast<double>(g.columns) / 96;
  g.columns = 96;
  s.header.modules = 4;
  s.header.grid = {.nx = 64, .ny = 64, .nz = 2, .voxel_x = 5.6, .voxel_y = 5.6, .voxel_z = g.slice_spacing()};
  s.acquisition.air_views = 3;
  return s;
}

std::string chain() {
  return chain_of(
      gadget("air_calibration", "AirCalibration", {}) +
      gadget("decomposition", "MaximumLikelihood", {{"materials", "water iodine"}, {"bias_correction", "cox-snell"}}) +
      gadget("fbp", "FilteredBackprojection", {}) + gadget("monoenergetic", "MonoenergeticImage", {{"energies", "50 70"}}));
}

bool same_bits(const std::vector<Image<float>>& a, const std::vector<Image<float>>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t k = 0; k < a.size(); ++k)
    if (a[k].value != b[k].value) return false;
  return !a.empty();
}

TEST(Determinism, one_to_four_threads_over_a_hundred_runs) {
  const Scan scan = simulate(small_scenario());
  const auto once = reconstruct(chain(), scan, 1);
  ASSERT_EQ(once.size(), 2u);
  const int runs = kSanitized ? 8 : 100;
  for (int run = 0; run < runs; ++run) ASSERT_TRUE(same_bits(reconstruct(chain(), scan, 1 + run % 4), once)) << run;
}

TEST(Determinism, a_changed_count_is_seen) {
  Scan scan = simulate(small_scenario());
  const auto once = reconstruct(chain(), scan);
  auto changed = std::make_shared<Counts<float>>(*std::get<Sent<Counts<float>>>(scan.views.back()));
  changed->counts[changed->counts.size() / 2] += 1;
  scan.views.back() = Sent<Counts<float>>(std::move(changed));
  EXPECT_FALSE(same_bits(reconstruct(chain(), scan), once));
}

TEST(Determinism, file_and_pipe_give_the_same_bits_for_one_to_four_threads_over_a_hundred_runs) {
  const Scan scan = simulate(small_scenario());

  std::ostringstream stream;
  PipeScanWriter pipe_writer(stream, scan.header);
  const Folder folder;
  const auto file = folder / "scan.h5";
  ArchiveWriter file_writer(file, scan.header);
  for (const auto& view : scan.views) {
    pipe_writer.write(*std::get<Sent<Counts<float>>>(view));
    file_writer.write(*std::get<Sent<Counts<float>>>(view));
  }
  pipe_writer.finish();
  file_writer.finish();

  const auto read_back = [&](auto&& reader, int threads) {
    Scan again;
    again.header = reader.header();
    prepare_response(again.header.system, response_cache());
    for (auto m = reader.template next<float>(); m.index() != 0; m = reader.template next<float>()) again.views.push_back(m);
    return reconstruct(chain(), again, threads);
  };
  const auto from_file = read_back(ArchiveReader(file), 1);
  ASSERT_EQ(from_file.size(), 2u);
  const int runs = kSanitized ? 8 : 100;
  for (int run = 0; run < runs; ++run) {
    std::istringstream in(stream.str());
    ASSERT_TRUE(same_bits(read_back(PipeReader(in), 1 + run % 4), from_file)) << "pipe, run " << run;
    ASSERT_TRUE(same_bits(read_back(ArchiveReader(file), 1 + run % 4), from_file)) << "file, run " << run;
  }
}

}  // namespace
}  // namespace counterflow::testing
