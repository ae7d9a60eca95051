// Images of scans behind a bowtie: flat where the model knows of it, cupped where it does not, and of flatter noise.
#include <gtest/gtest.h>

#include <cstdio>
#include <numbers>

#include "tests/support.h"

namespace counterflow::testing {
namespace {

// The shipped scenario on a smaller scan.
Scenario small(bool with_bowtie) {
  Scenario s = scenario("bowtie");
  ScanGeometry& g = s.header.geometry;
  const std::size_t columns = kSanitized ? 64 : 128, views = kSanitized ? 60 : 180, nx = kSanitized ? 48 : 128;
  g.column_pitch *= static_cast<double>(g.columns) / static_cast<double>(columns);
  g.columns = columns;
  g.views = g.views_per_rotation = views;
  g.angle_step = 2 * std::numbers::pi / static_cast<double>(views);
  ImageGrid& grid = s.header.grid;
  grid.voxel_x = grid.voxel_y = grid.voxel_x * static_cast<double>(grid.nx) / static_cast<double>(nx);
  grid.nx = grid.ny = nx;
  s.header.modules = 1;
  s.sampling.energy_step = 1;
  if (!with_bowtie) s.header.system.bowtie.clear();
  return s;
}

// Mean over rings of 10 mm, out to 130 mm, of what `value` says of a voxel.
template <class Value>
std::vector<double> rings(const Image<float>& image, Value&& value) {
  std::vector<double> sum(13, 0.0), n(13, 0.0);
  for (std::size_t j = 0; j < image.grid.ny; ++j)
    for (std::size_t i = 0; i < image.grid.nx; ++i) {
      const double radius = std::hypot(image.grid.x(static_cast<double>(i)), image.grid.y(static_cast<double>(j)));
      if (radius >= 130) continue;
      const auto ring = static_cast<std::size_t>(radius / 10);
      sum[ring] += static_cast<double>(value(j, i));
      n[ring] += 1;
    }
  for (std::size_t k = 0; k < sum.size(); ++k) sum[k] /= n[k];
  return sum;
}
double spread(const std::vector<double>& values) {
  return *std::max_element(values.begin(), values.end()) / *std::min_element(values.begin(), values.end());
}

Image<float> image_of(const Scan& scan) {
  return reconstruct(
             material_chain({{"materials", "water iodine"}, {"covariance", "true"}}, {{"window", "hann"}, {"noise", "true"}}),
             scan)
      .at(0);
}

double departure(const Image<float>& image, std::size_t channel, double truth) {
  double worst = 0;
  for (double mean : rings(image, [&](std::size_t j, std::size_t i) { return image.value(channel, 0u, j, i); }))
    worst = std::max(worst, std::abs(mean - truth));
  return worst;
}

TEST(Bowtie, water_is_flat_behind_it_and_is_not_where_it_is_ignored) {
  const Scan scan = simulate(small(true));
  const Image<float> known = image_of(scan);
  Scan ignorant = scan;
  ignorant.header.system.bowtie.clear();
  const Image<float> ignored = image_of(ignorant);
  const double water = departure(known, 0, 1), iodine = 1000 * departure(known, 1, 0);
  const double water_ignored = departure(ignored, 0, 1), iodine_ignored = 1000 * departure(ignored, 1, 0);
  std::printf("rings within 130 mm: water off by %.3f %%, iodine by %.3f mg/mL; bowtie ignored: %.2f %%, %.2f mg/mL\n",
              100 * water, iodine, 100 * water_ignored, iodine_ignored);
  EXPECT_LT(water, kSanitized ? 0.03 : 0.001);
  EXPECT_GT(water_ignored, 0.01);
  EXPECT_LT(iodine, kSanitized ? 0.2 : 0.02);
  EXPECT_GT(iodine_ignored, 0.5);
}

// Calcium is not of the basis: the truth of its rods is what the likelihood gives to them behind the bowtie's middle.
TEST(Bowtie, rods_of_other_materials_show_the_truth_that_is_written_for_a_scan_behind_it) {
  Scenario s = small(true);
  s.phantom = parse_scenario(parse_xml(R"(<scenario>
    <geometry columns="64" rows="1" views="8" source_to_isocenter="570" source_to_detector="1040" column_pitch="8"/>
    <tube/><detector thresholds="30 60"/>
    <phantom name="water_cylinder" diameter="200">
      <ellipse name="calcium, in the middle" rx="18" material="water+100mg/mL*calcium"/>
      <ellipse name="calcium, aside" x="55" y="20" rx="18" material="water+100mg/mL*calcium"/>
    </phantom></scenario>)",
                                       "rods.xml"))
                  .phantom;
  const Scan scan = simulate(s);
  const Image<float> image = image_of(scan);
  Scenario without = s;
  without.header.system.bowtie.clear();
  const Truth open = simulate(without).truth;
  std::size_t rods = 0;
  for (std::size_t r = 0; r < scan.truth.regions.size(); ++r) {
    const Region& region = scan.truth.regions[r];
    if (region.name.find("calcium") == std::string::npos) continue;
    ++rods;
    for (const std::size_t channel : {0u, 1u}) {
      const double truth = 1000 * region.densities[channel].second;
      const double measured = 1000 * disc({image}, channel, region.x, region.y, 0.6 * region.radius).mean;
      std::printf("  %-24s %-7s true %9.3f mg/mL (%.3f without the bowtie), measured %+.3f from it\n", region.name.c_str(),
                  region.densities[channel].first.c_str(), truth, 1000 * open.regions[r].densities[channel].second,
                  measured - truth);
      if (kSanitized) continue;
      EXPECT_LT(std::abs(measured - truth), channel == 0 ? 2 : 0.1) << region.name;
      EXPECT_NE(open.regions[r].densities[channel].second, region.densities[channel].second);
    }
  }
  EXPECT_EQ(rods, 2u);
}

TEST(Bowtie, makes_the_noise_flatter_in_the_map_of_the_bound) {
  const auto noise = [](bool with_bowtie) {
    const Image<float> image = image_of(simulate(small(with_bowtie)));
    const Array<float, 4> map = noise_of(image);
    return rings(image, [&](std::size_t j, std::size_t i) { return map(0u, 0u, j, i); });
  };
  const auto behind = noise(true), open = noise(false);
  std::printf(
      "noise of water by the bound, largest over smallest ring within 130 mm: %.2f behind the bowtie, %.2f without; "
      "middle %.2f and %.2f, edge %.2f and %.2f mg/mL\n",
      spread(behind), spread(open), 1000 * behind.front(), 1000 * open.front(), 1000 * behind.back(), 1000 * open.back());
  EXPECT_LT(spread(behind) - 1, 0.75 * (spread(open) - 1));
  EXPECT_NEAR(behind.front() / open.front(), 1, 0.1);  // the same counts on the central ray
}

}  // namespace
}  // namespace counterflow::testing
