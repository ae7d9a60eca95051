// Maps made of material images, from simulated scans, against the truth and the bound. Figures are printed; docs/maps.md quotes
// them.
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/support.h"

namespace counterflow::testing {
namespace {

// A small noisy scan of rods of iodine in water: a quarter of the columns and views, 12 rows.
Scan small_scan() {
  Scenario s = scenario("iodine_rods");
  if (!kSanitized) {
    auto& g = s.header.geometry;
    g.columns /= 2, g.column_pitch *= 2, g.column_offset /= 2;
    g.views /= 2, g.views_per_rotation /= 2, g.angle_step *= 2;
    g.rows = 12;
    s.header.grid.nx /= 2, s.header.grid.ny /= 2;
    s.header.grid.voxel_x *= 2, s.header.grid.voxel_y *= 2;
    s.header.grid.nz = g.rows;
  }
  s.header.modules = 1;
  s.acquisition.open_beam_counts = 4e5;
  return simulate(s);
}

std::string chain_with(const std::string& maps) {
  return chain_of(gadget("air_calibration", "AirCalibration", {}) +
                  gadget("decomposition", "MaximumLikelihood",
                         {{"materials", "water iodine"}, {"covariance", "true"}, {"bias_correction", "cox-snell"}}) +
                  "<gadget><name>fbp</name><dll>counterflow_fbp</dll><classname>FilteredBackprojection</classname>" +
                  "<property name=\"noise\" value=\"true\"/></gadget>" + maps);
}

// Images of one quantity.
std::vector<Image<float>> of_quantity(const std::vector<Image<float>>& images, const std::string& quantity) {
  std::vector<Image<float>> out;
  for (const auto& image : images)
    if (image.channels->quantity == quantity) out.push_back(image);
  return out;
}

// Noise over the bound, mean over the rods.
double noise_over_bound(const std::vector<Image<float>>& images, std::size_t channel, const Truth& truth) {
  std::vector<Image<float>> bound = images;
  for (Image<float>& image : bound) image.value = noise_of(image);
  double sum = 0, rods = 0;
  for (const Region& r : truth.regions) {
    if (r.radius > 40) continue;
    const double noise = disc(images, channel, r.x, r.y, 0.8 * r.radius).deviation;
    const double limit = disc(bound, channel, r.x, r.y, 0.8 * r.radius).mean;
    sum += noise / limit, rods += 1;
  }
  return sum / rods;
}

TEST(Maps, monoenergetic_images_have_the_noise_that_the_bound_of_all_materials_says) {
  const Scan scan = small_scan();
  const auto images =
      reconstruct(chain_with(gadget("monoenergetic", "MonoenergeticImage", {{"energies", "50 70 120"}}, "fbp")), scan);
  const auto hu = of_quantity(images, "monoenergetic"), materials = of_quantity(images, "density");
  ASSERT_EQ(hu.size(), materials.size());
  const auto expect_bound = [&](const std::vector<Image<float>>& of, std::size_t channel) {
    const double ratio = noise_over_bound(of, channel, scan.truth);
    std::printf("  %-8s noise / bound %.3f\n", of[0].channels->names[channel].c_str(), ratio);
    EXPECT_GT(ratio, 0.1);
    if (!kSanitized) {
      EXPECT_GT(ratio, 0.97);
      EXPECT_LT(ratio, 1.02);
    }
  };
  for (std::size_t k : {0u, 1u, 2u}) expect_bound(hu, k);
  for (std::size_t k : {0u, 1u}) expect_bound(materials, k);
}

}  // namespace
}  // namespace counterflow::testing
