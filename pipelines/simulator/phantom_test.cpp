#include "pipelines/simulator/phantom.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "core/physics/material.h"
#include "pipelines/simulator/phantom_library.h"

namespace counterflow {
namespace {

Phantom painted(const std::string& name, const std::map<std::string, std::string>& values = {}) {
  const auto ready = ready_phantom(name);
  std::map<std::string, Setting> settings;
  for (const auto& [key, value] : values) settings[key] = {value, "test:1"};
  PropertyReader reader(settings, name);
  ready->describe(reader);
  reader.finish();
  Phantom phantom;
  ready->paint(phantom);
  return phantom;
}

double density_at(const Phantom& phantom, Vector3 point) {
  const auto shape = phantom.painting.at(point);
  return shape ? phantom.painting.shapes()[*shape].density : 0;
}

std::string material_at(const Phantom& phantom, Vector3 point) {
  const auto shape = phantom.painting.at(point);
  return shape ? phantom.materials[phantom.painting.shapes()[*shape].material] : "";
}

TEST(Phantom, every_ready_one_is_painted_with_regions_that_hold_what_they_say) {
  for (const std::string& name : ready_phantoms()) {
    const Phantom phantom = painted(name);
    EXPECT_FALSE(phantom.painting.shapes().empty()) << name;
    EXPECT_FALSE(phantom.regions.empty()) << name;
    std::set<std::string> names;
    for (const auto& r : phantom.regions) {
      EXPECT_TRUE(names.insert(r.name).second) << name << ": " << r.name << " stands twice";
      for (double f : {0.0, 0.5, 0.97})
        for (double a = 0; a < 6.28; a += 0.31) {
          const Vector3 point{r.x + f * r.radius * std::cos(a), r.y + f * r.radius * std::sin(a), 0};
          ASSERT_EQ(material_at(phantom, point), r.material) << name << ": " << r.name;
          ASSERT_DOUBLE_EQ(density_at(phantom, point), r.density) << name << ": " << r.name;
        }
    }
  }
}

TEST(Phantom, gammex_has_all_rods_of_the_catalogue_at_both_radii) {
  const Phantom phantom = painted("gammex_472");
  EXPECT_EQ(phantom.painting.shapes().size(), 17u);
  EXPECT_EQ(phantom.regions.size(), 17u);
  for (const char* material : {"gammex_472_i2_0", "gammex_472_i2_5", "gammex_472_i5_0", "gammex_472_i7_5", "gammex_472_i10_0",
                               "gammex_472_i15_0", "gammex_472_i20_0", "gammex_472_ca50_0", "gammex_472_ca100_0",
                               "gammex_472_ca200_0", "gammex_472_ca300_0", "gammex_472_ca400_0", "water", "solid_water"})
    EXPECT_THAT(phantom.materials, ::testing::Contains(material));
  EXPECT_TRUE(phantom.painting.z_invariant());
  EXPECT_NEAR(phantom.painting.reach(), 165, 1e-12);
  EXPECT_EQ(painted("gammex_472", {{"inserts", "iodine"}}).painting.shapes().size(), 12u);
}

TEST(Phantom, the_basis_gammex_is_made_of_water_iodine_and_calcium_alone) {
  for (const std::string& material : painted("gammex_basis").materials)
    EXPECT_THAT(material, ::testing::MatchesRegex("water|water[+][0-9.]+mg/mL[*](iodine|calcium)"));
}

TEST(Phantom, shepp_logan_has_the_values_of_its_table) {
  const Phantom phantom = painted("shepp_logan");
  EXPECT_EQ(density_at(phantom, {0, 91, 0}), 2.0);
  EXPECT_EQ(density_at(phantom, {50, -20, 5}), 1.02);
  EXPECT_EQ(density_at(phantom, {22, 0, 0}), 1.0);
  EXPECT_EQ(density_at(phantom, {0, 35, 0}), 1.03);
  EXPECT_EQ(density_at(phantom, {0, -60.5, 0}), 1.03);
}

// The central slice as tabulated in two dimensions by Yu et al., "Simulation tools for two-dimensional experiments in x-ray
// computed tomography using the FORBILD head phantom" (2012), where the disc 14 shows as a rectangle.
TEST(Phantom, forbild_head_has_the_published_central_slice) {
  const Phantom phantom = painted("forbild_head");
  const auto at_cm = [&](double x, double y) { return density_at(phantom, {10 * x, 10 * y, 0}); };
  EXPECT_EQ(at_cm(0, 0), 1.045);
  EXPECT_EQ(at_cm(-5, 0), 1.05);
  EXPECT_EQ(at_cm(0, 11.7), 1.8);
  EXPECT_EQ(at_cm(0, 7), 0);  // sinus
  for (double side : {-1.0, 1.0}) {
    EXPECT_EQ(at_cm(side * 1.19, 3.6 + side * 0.278), 1.8);  // plate 14: |x| < 1.2, |y - 3.6| < 0.27884
    EXPECT_NE(at_cm(side * 1.19, 3.6 + side * 0.280), 1.8);
    EXPECT_NE(at_cm(side * 1.21, 3.6), 1.8);
    EXPECT_EQ(at_cm(side * 0.19, 9.6 + side * 0.59), 1.8);  // plate 15: |x| < 0.2, |y - 9.6| < 0.600
    EXPECT_EQ(at_cm(side * 0.19, 9.6 + side * 0.61), 0);
    EXPECT_EQ(at_cm(side * 0.21, 9.6), 0);
    EXPECT_EQ(at_cm(side * 4.7, 4.3 + 1.79), 1.06);  // eye: radius 1.79989 in this slice
    EXPECT_NE(at_cm(side * 4.7, 4.3 + 1.81), 1.06);
  }
  EXPECT_EQ(at_cm(0, -10.42), 1.8);  // tip of the occipital bone at -10.402
  EXPECT_EQ(at_cm(0, -10.38), 1.05);
  EXPECT_EQ(at_cm(6.394, -6.394), 1.055);
  EXPECT_EQ(at_cm(5.6, 0), 0);  // the innermost hole of the ear
  EXPECT_EQ(at_cm(5.4, 0), 1.8);
  EXPECT_EQ(material_at(phantom, {0, 117, 0}), "bone");
  EXPECT_EQ(painted("forbild_head", {{"bone", "water"}}).materials, std::vector<std::string>{"water"});
}

TEST(Phantom, forbild_ear_has_the_holes_of_the_published_file) {
  const char* folder = std::getenv("COUNTERFLOW_DATA");
  const std::filesystem::path data = folder ? folder : COUNTERFLOW_SOURCE_DIR "/../shared/data";
  std::ifstream file(data / "forbild/FORBILD_head.pd");
  if (!file) GTEST_SKIP() << "no forbild/FORBILD_head.pd in " << data;
  const Phantom phantom = painted("forbild_head");
  std::size_t holes = 0;
  for (std::string line; std::getline(file, line);) {
    Vector3 cm;
    if (std::sscanf(line.c_str(), "{type=ball; x=%lf; y=%lf; z=%lf; r=0.15", &cm.x, &cm.y, &cm.z) != 3) continue;
    ++holes;
    EXPECT_EQ(density_at(phantom, 10 * cm), 0);
  }
  std::size_t painted_holes = 0;
  for (const auto& shape : phantom.painting.shapes()) painted_holes += shape.density == 0 ? 1 : 0;
  EXPECT_EQ(painted_holes, holes + 1);  // and the sinus
  EXPECT_EQ(holes, 317u);
}

TEST(Phantom, a_random_one_is_its_seed) {
  const Phantom a = painted("random", {{"seed", "5"}}), b = painted("random", {{"seed", "5"}}),
                c = painted("random", {{"seed", "6"}});
  EXPECT_EQ(a.materials, b.materials);
  EXPECT_NE(a.materials, c.materials);
  for (double x = -150; x < 150; x += 13)
    for (double y = -150; y < 150; y += 13) EXPECT_EQ(density_at(a, {x, y, 0}), density_at(b, {x, y, 0}));
  EXPECT_GE(a.regions.size(), 6u);
  EXPECT_LE(a.painting.reach(), 160);
}

TEST(Phantom, wrong_names_and_unknown_densities_are_refused) {
  const auto message = [](auto act) -> std::string {
    try {
      act();
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(message([] { ready_phantom("gammex_427"); }), ::testing::HasSubstr("did you mean 'gammex_472'?"));
  EXPECT_THAT(message([] { painted("wire", {{"diametre", "2"}}); }), ::testing::HasSubstr("did you mean 'diameter'?"));
  Phantom phantom;
  EXPECT_THAT(message([&] {
                phantom.paint(Shape::ellipsoid({}, {1, 1, 1}), "CaCO3");
              }),
              ::testing::HasSubstr("the density of 'CaCO3' is not known: give density"));
}

}  // namespace
}  // namespace counterflow
