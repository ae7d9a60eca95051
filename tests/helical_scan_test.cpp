// A helical scan from scenario to quantitative images, beside a circular scan of the same phantom.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "tests/support.h"

namespace counterflow::testing {
namespace {

// Rods of iodine in water, seen by 8 rows; `geometry` says how.
Scenario rods(const std::string& geometry) {
  const std::string columns = kSanitized ? "48" : "192", pitch = kSanitized ? "12.8" : "3.2", nx = kSanitized ? "40" : "160";
  Scenario s = parse_scenario(parse_xml("<scenario><geometry columns='" + columns + "' column_pitch='" + pitch +
                                            "' rows='8' row_pitch='2.2' source_to_isocenter='570' source_to_detector='1040' " +
                                            geometry + R"(/>
    <tube filters='Al 3'/><detector thresholds='30 55 75'/>
    <acquisition open_beam_counts='1e6' air_views='1' seed='3'/><sampling column_rays='2' energy_step='1'/>
    <phantom name='water_cylinder' diameter='200'>
      <ellipse name='iodine 5' x='50' y='20' rx='20' material='water+5mg/mL*iodine'/>
      <ellipse name='iodine 10' x='-45' y='-30' rx='20' material='water+10mg/mL*iodine'/>
      <ellipse name='water' x='-20' y='60' rx='20' material='water'/>
    </phantom><image nx=')" + nx + "'/></scenario>",
                                        "rods.xml"));
  s.header.system.detector = "ideal";
  return s;
}

std::string shipped_chain() {
  std::ifstream in(source_dir() / "xml" / "chains" / "helical.xml");
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<Image<float>> materials_of(std::vector<Image<float>> images) {
  std::erase_if(images, [](const Image<float>& image) { return image.channels->quantity != "density"; });
  return images;
}

TEST(HelicalScan, shows_the_same_as_a_circular_one_and_the_truth) {
  const std::string views = kSanitized ? "48" : "240";
  const std::string turns = kSanitized ? "views='96'" : "views='480'";  // two turns
  const Scan helix = simulate(rods("beam='cone-arc' pitch='1.1' views_per_rotation='" + views + "' " + turns));
  const Scan circle = simulate(rods("beam='fan-arc' views='" + views + "'"));
  const auto a = materials_of(reconstruct(shipped_chain(), helix));
  const auto b = reconstruct(material_chain({{"materials", "water iodine"}, {"bias_correction", "cox-snell"}}, {}), circle);
  ASSERT_EQ(a.size(), helix.header.grid.nz);
  ASSERT_GE(a.size(), 8u);
  ASSERT_EQ(helix.truth.density.extent(1), a.size());
  for (const auto& region : helix.truth.regions) {
    if (region.radius > 40) continue;
    for (std::size_t channel : {0u, 1u}) {
      const double truth = region.densities[channel].second;
      const auto x = disc(a, channel, region.x, region.y, 0.7 * region.radius);
      const auto y = disc(b, channel, region.x, region.y, 0.7 * region.radius);
      std::printf("  %-10s %-7s true %8.3f, helical %8.3f (noise %6.3f), circular %8.3f (noise %6.3f) mg/mL\n",
                  region.name.c_str(), region.densities[channel].first.c_str(), 1000 * truth, 1000 * x.mean, 1000 * x.deviation,
                  1000 * y.mean, 1000 * y.deviation);
      if (kSanitized) continue;
      EXPECT_NEAR(x.mean, truth, channel == 0 ? 0.001 : 0.0001) << region.name;
      EXPECT_NEAR(x.mean, y.mean, channel == 0 ? 0.001 : 0.0001) << region.name;
    }
  }
  // Slices from first to last: complete ones are all alike.
  for (const auto& image : a) {
    const auto water = disc({image}, 0, 0, 0, 25);
    if (!kSanitized) {
      EXPECT_NEAR(water.mean, 1, 0.004) << "slice " << image.slice;
    }
  }
}

TEST(HelicalScan, is_refused_by_circular_reconstructions_by_name) {
  const Scan helix = simulate(rods("beam='cone-flat' pitch='0.8' views_per_rotation='24' views='48'"));
  try {
    reconstruct(material_chain({{"materials", "water iodine"}}, {}), helix);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("use HelicalReconstruction"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace counterflow::testing
