// The FORBILD head from scenario to monoenergetic images: no shading between thick bones.
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/support.h"

namespace counterflow::testing {
namespace {

// The shipped scenario without noise, one row of it.
Scenario head() {
  Scenario s = scenario("forbild_head");
  s.acquisition.noise = false;
  s.truth.materials = {"water", "bone"};
  if (kSanitized) return s;
  s.header.geometry.rows = 1;
  s.header.grid.nz = 1;
  return s;
}

// Windows of (2 half + 1)^2 voxels in which, and `margin` voxels around which, the truth is one density of soft tissue.
struct Shading {
  double worst = 0, x = 0, y = 0;  // mean error of a window [HU], and where
  double mean = 0;                 // of all windows
  std::size_t windows = 0;
};

Shading shading(const Truth& truth, const Image<float>& image, long half, long margin) {
  const auto n = static_cast<long>(image.grid.nx);
  const auto at = [](long i) { return static_cast<std::size_t>(i); };
  Shading s;
  const long reach = half + margin;
  for (long j = reach; j < n - reach; j += half)
    for (long i = reach; i < n - reach; i += half) {
      const float density = truth.density(0u, 0u, at(j), at(i));
      bool soft = density > 0.9f;
      for (long y = -reach; soft && y <= reach; ++y)
        for (long x = -reach; soft && x <= reach; ++x)
          soft = std::abs(truth.density(0u, 0u, at(j + y), at(i + x)) - density) < 1e-3f &&
                 truth.density(1u, 0u, at(j + y), at(i + x)) < 1e-3f;
      if (!soft) continue;
      double sum = 0;
      for (long y = -half; y <= half; ++y)
        for (long x = -half; x <= half; ++x) sum += static_cast<double>(image.value(0u, 0u, at(j + y), at(i + x)));
      const double error = sum / static_cast<double>((2 * half + 1) * (2 * half + 1)) - 1000 * (static_cast<double>(density) - 1);
      s.mean += error;
      ++s.windows;
      if (std::abs(error) > std::abs(s.worst))
        s = {error, image.grid.x(static_cast<double>(i)), image.grid.y(static_cast<double>(j)), s.mean, s.windows};
    }
  s.mean /= static_cast<double>(std::max<std::size_t>(s.windows, 1));
  return s;
}

TEST(ForbildHead, has_no_shading_beyond_5_HU_at_70_keV) {
  const Scan scan = simulate(head());
  for (const std::string basis : {"water bone", "water calcium", "water iodine"}) {
    auto images = reconstruct(chain_of(gadget("air_calibration", "AirCalibration", {}) +
                                       gadget("decomposition", "MaximumLikelihood", {{"materials", basis}}) +
                                       gadget("fbp", "FilteredBackprojection", {{"window", "hann"}}) +
                                       gadget("monoenergetic", "MonoenergeticImage", {{"energies", "70"}})),
                              scan);
    std::erase_if(images, [](const Image<float>& image) { return image.channels->quantity != "monoenergetic"; });
    ASSERT_GE(images.size(), 1u);
    // 6.8 mm wide, 4 mm from any edge: narrow streaks from the lattice of the ear average out.
    const Shading s = shading(scan.truth, images[0], 6, 8);
    std::printf("  %-14s %zu windows of soft tissue: worst %+.2f HU at (%.0f, %.0f) mm, mean %+.2f HU\n", basis.c_str(),
                s.windows, s.worst, s.x, s.y, s.mean);
    if (kSanitized) continue;
    EXPECT_GT(s.windows, 1000u);
    EXPECT_LT(std::abs(s.worst), 5) << basis;
  }
}

}  // namespace
}  // namespace counterflow::testing
