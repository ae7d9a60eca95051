// A cone-beam scan from scenario to quantitative volumes, and its middle slice beside a fan's.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <random>
#include <sstream>

#include "tests/support.h"

namespace counterflow::testing {
namespace {

std::string shipped_chain() {
  std::ifstream in(source_dir() / "xml" / "chains" / "cone_beam.xml");
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// Rods of iodine in water, the same for every z.
Scenario rods(const std::string& beam) {
  const std::string columns = kSanitized ? "48" : "192", pitch = kSanitized ? "12.8" : "3.2", nx = kSanitized ? "40" : "160";
  Scenario s = parse_scenario(
      parse_xml("<scenario><geometry beam='" + beam + "' columns='" + columns + "' column_pitch='" + pitch + "' views='" +
                    (kSanitized ? "48" : "240") +
                    R"(' rows='12' row_pitch='8' row_offset='0.3' source_to_isocenter='570' source_to_detector='1040'/>
    <tube filters='Al 3'/><detector thresholds='30 55 75'/>
    <acquisition open_beam_counts='1e6' air_views='1' seed='3'/><sampling column_rays='2' energy_step='1'/>
    <phantom name='water_cylinder' diameter='200'>
      <ellipse name='iodine 5' x='50' y='20' rx='20' material='water+5mg/mL*iodine'/>
      <ellipse name='iodine 10' x='-45' y='-30' rx='20' material='water+10mg/mL*iodine'/>
      <ellipse name='water' x='-20' y='60' rx='20' material='water'/>
    </phantom><image nx=')" +
                    nx + "' nz='7' thickness='5'/></scenario>",
                "rods.xml"));
  s.header.system.detector = "ideal";
  return s;
}

TEST(ConeScan, shows_the_true_materials_at_every_height) {
  for (const std::string beam : {"cone-flat", "cone-arc"}) {
    const Scan scan = simulate(rods(beam));
    auto images = reconstruct(shipped_chain(), scan);
    std::erase_if(images, [](const Image<float>& image) { return image.channels->quantity != "density"; });
    ASSERT_EQ(images.size(), 7u);
    for (const auto& region : scan.truth.regions)
      for (std::size_t channel : {0u, 1u}) {
        if (region.radius > 40) continue;
        const double truth = region.densities[channel].second;
        const auto all = disc(images, channel, region.x, region.y, 0.7 * region.radius);
        std::printf("  %s %-10s %-7s true %8.3f, measured %8.3f (noise %6.3f) mg/mL\n", beam.c_str(), region.name.c_str(),
                    region.densities[channel].first.c_str(), 1000 * truth, 1000 * all.mean, 1000 * all.deviation);
        for (const auto& image : images) {
          const auto slice = disc({image}, channel, region.x, region.y, 0.7 * region.radius);
          if (!kSanitized) {
            EXPECT_NEAR(slice.mean, truth, channel == 0 ? 0.003 : 0.0003) << region.name << " slice " << image.slice;
          }
        }
        if (!kSanitized) {
          EXPECT_NEAR(all.mean, truth, channel == 0 ? 0.001 : 0.0001) << region.name;
        }
      }
  }
}

// Line integrals of any kind, all rows alike.
Scan random_scan(Beam beam, std::size_t rows) {
  Scan scan;
  ScanHeader& h = scan.header;
  h.geometry = {.beam = beam,
                .columns = 61,
                .rows = rows,
                .views = 45,
                .views_per_rotation = 45,
                .source_to_isocenter = 500,
                .source_to_detector = 900,
                .column_pitch = 5,
                .row_pitch = 4,
                .column_offset = 0.25,
                .angle_step = -2 * M_PI / 45};
  h.grid = {.nx = 30, .ny = 28, .nz = 1, .voxel_x = 4, .voxel_y = 4, .voxel_z = 1};
  h.quantity = Quantity::line_integrals;
  h.system.bins = 1;
  std::mt19937_64 random(5);
  for (std::size_t v = 0; v < 45; ++v) {
    auto x = std::make_shared<PathLengths<float>>();
    x->view = {.index = v, .angle = h.geometry.angle_step * static_cast<double>(v)};
    x->channels = std::make_shared<Channels>(Channels{"line_integral", "1", {"bin 0"}});
    x->areal_density = Array<float, 3>({1, rows, 61});
    for (std::size_t k = 0; k < 61; ++k) {
      const float value = std::uniform_real_distribution<float>(0, 3)(random);
      for (std::size_t r = 0; r < rows; ++r) x->areal_density(0u, r, k) = value;
    }
    scan.views.push_back(Sent<PathLengths<float>>(std::move(x)));
  }
  return scan;
}

// The shipped scenario without noise, in half its pixels.
Scenario head() {
  Scenario s = scenario("cone_head");
  s.acquisition.noise = false;
  s.sampling.energy_step = 2;
  if (kSanitized) return s;
  ScanGeometry& g = s.header.geometry;
  g.columns /= 2, g.rows /= 2, g.column_pitch *= 2, g.row_pitch *= 2;
  g.views /= 2, g.views_per_rotation /= 2, g.angle_step *= 2;
  s.header.modules /= 2;
  ImageGrid& grid = s.header.grid;
  grid.nx /= 2, grid.ny /= 2, grid.nz /= 2, grid.voxel_x *= 2, grid.voxel_y *= 2, grid.voxel_z *= 2;
  return s;
}

// Mean departure of channel 0 from the truth over voxels of one slice about which, `margin` voxels far, the truth is soft tissue.
double soft_tissue_error(const Truth& truth, const Image<float>& image, long margin) {
  const auto at = [](long i) { return static_cast<std::size_t>(i); };
  double sum = 0;
  std::size_t n = 0;
  for (long j = margin; j < static_cast<long>(image.grid.ny) - margin; ++j)
    for (long i = margin; i < static_cast<long>(image.grid.nx) - margin; ++i) {
      bool soft = true;
      for (long y = -margin; soft && y <= margin; ++y)
        for (long x = -margin; soft && x <= margin; ++x)
          for (long z = -1; z <= 1; ++z) {
            const long slice = std::clamp<long>(static_cast<long>(image.slice) + z, 0, static_cast<long>(image.grid.nz) - 1);
            const float density = truth.density(0u, at(slice), at(j + y), at(i + x));
            soft = soft && density > 0.95f && density < 1.15f;
          }
      if (!soft) continue;
      sum += static_cast<double>(image.value(0u, 0u, at(j), at(i)) - truth.density(0u, image.slice, at(j), at(i)));
      ++n;
    }
  return n > 0 ? sum / static_cast<double>(n) : 0;
}

TEST(ConeScan, the_shipped_head_comes_out_of_the_shipped_chain) {
  const Scan scan = simulate(head());
  auto images = reconstruct(shipped_chain(), scan);
  std::erase_if(images, [](const Image<float>& image) { return image.channels->quantity != "density"; });
  ASSERT_EQ(images.size(), scan.header.grid.nz);
  double middle = 0, worst = 0;
  for (const auto& image : images) {
    const double error = soft_tissue_error(scan.truth, image, 2), z = image.grid.z(static_cast<double>(image.slice));
    worst = std::max(worst, std::abs(error));
    if (std::abs(z) < 5) middle = std::max(middle, std::abs(error));
  }
  std::printf("  soft tissue of a slice, mean: %.4f g/cm^3 off within 5 mm of the source's plane, %.4f at most\n", middle, worst);
  if (kSanitized) return;
  EXPECT_LT(middle, 0.005);
  EXPECT_LT(worst, 0.015);
}

TEST(ConeScan, the_middle_slice_is_that_of_a_fan) {
  for (auto [cone, fan] : {std::pair(Beam::cone_flat, Beam::fan_flat), std::pair(Beam::cone_arc, Beam::fan_arc)}) {
    const auto a = reconstruct(chain_of(gadget("fdk", "FeldkampReconstruction", {})), random_scan(cone, 5));
    const auto b = reconstruct(chain_of(gadget("fbp", "FilteredBackprojection", {})), random_scan(fan, 1));
    ASSERT_EQ(a.size(), 1u);
    double largest = 0, scale = 0;
    for (std::size_t i = 0; i < a[0].value.size(); ++i) {
      largest = std::max(largest, static_cast<double>(std::abs(a[0].value[i] - b[0].value[i])));
      scale = std::max(scale, static_cast<double>(std::abs(b[0].value[i])));
    }
    EXPECT_LT(largest, 1e-5 * scale) << beam_name(cone);
    EXPECT_GT(scale, 0.01);
  }
}

}  // namespace
}  // namespace counterflow::testing
