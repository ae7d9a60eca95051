// A cone-beam scan from scenario to quantitative volumes, and its middle slice beside a fan's.
#include <gtest/gtest.h>

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
