#include "pipelines/counterflow/statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <sstream>

#include "core/error.h"
#include "core/physics/material.h"

namespace counterflow {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A body of water with two rods of iodine and a grid that is neither square nor centred.
struct Scene {
  ImageGrid grid{.nx = 80, .ny = 72, .nz = 3, .voxel_x = 0.5, .voxel_y = 0.5, .voxel_z = 1, .centre_x = 1, .centre_y = -0.5};
  Truth truth;
  ImageSeries images{0, {"density", "g/cm^3", {"water", "iodine"}}, grid, Array<float, 4>({2, 3, 72, 80}), {}};
  ImageSeries noise{1, {"noise", "g/cm^3", {"water", "iodine"}}, grid, Array<float, 4>({2, 3, 72, 80}), {}};

  Scene() {
    truth.materials = {"water", "iodine"};
    truth.regions = {{"body", 0, 0, 16, {{"water", 1.0}, {"iodine", 0.0}}},
                     {"iodine 5 mg/mL", 6, 0, 4, {{"water", 1.0}, {"iodine", 0.005}}},
                     {"iodine 10 mg/mL", 0, -7, 4, {{"water", 0.9}, {"iodine", 0.010}}}};
    for (std::size_t z = 0; z < 3; ++z)
      for (std::size_t j = 0; j < grid.ny; ++j)
        for (std::size_t i = 0; i < grid.nx; ++i)
          for (const Region& r : truth.regions)
            if (std::hypot(grid.x(static_cast<double>(i)) - r.x, grid.y(static_cast<double>(j)) - r.y) <= r.radius) {
              images.value(0, z, j, i) = static_cast<float>(r.densities[0].second);
              images.value(1, z, j, i) = static_cast<float>(r.densities[1].second);
            }
  }
};

TEST(Statistics, of_known_numbers_are_theirs) {
  Array<float, 4> value({2, 2, 1, 3});
  value.values() = {9, 9, 9, 9, 9, 9, 1, 2, 9, 4, 5, 9};
  const std::vector<std::size_t> pixels{0, 1};
  const Statistics s = statistics(value, 1, pixels);
  EXPECT_EQ(s.count, 4u);
  EXPECT_DOUBLE_EQ(s.mean, 3);
  EXPECT_DOUBLE_EQ(s.deviation, std::sqrt(10.0 / 3));
  EXPECT_DOUBLE_EQ(s.root_mean_square, std::sqrt(46.0 / 4));
}

TEST(Regions, are_measured_within_four_fifths_of_their_radius) {
  const Scene scene;
  const double pixels = static_cast<double>(pixels_of(scene.truth.regions[1], scene.truth.regions, scene.grid).size());
  EXPECT_NEAR(pixels * 0.25, M_PI * 3.2 * 3.2, 0.06 * M_PI * 3.2 * 3.2);
}

TEST(Regions, leave_out_smaller_regions_inside_them) {
  const Scene scene;
  const auto pixels = pixels_of(scene.truth.regions[0], scene.truth.regions, scene.grid);
  EXPECT_GT(pixels.size(), 1000u);
  for (std::size_t pixel : pixels) EXPECT_EQ(scene.images.value.block(1u, 0u)[pixel], 0);
}

TEST(Evaluation, of_perfect_images_has_no_error) {
  const Scene scene;
  const auto e = evaluate_images({scene.images}, scene.truth);
  ASSERT_EQ(e.size(), 3u);
  EXPECT_EQ(e[0].quantity, "water");
  EXPECT_EQ(e[0].unit, "g/cm^3");
  EXPECT_EQ(e[1].unit, "mg/mL");
  EXPECT_EQ(e[2].quantity, "70 keV");
  for (const auto& quantity : e)
    for (const auto& m : quantity.regions) {
      ASSERT_TRUE(m.truth);
      EXPECT_NEAR(m.mean, *m.truth, 1e-4);
      EXPECT_FALSE(m.bound);
    }
  EXPECT_NEAR(e[1].regions[2].mean, 10, 1e-5);
  EXPECT_NEAR(e[2].regions[0].mean, 0, 1e-3);
  const double water = mass_attenuation(find_material("water"), {70})[0],
               iodine = mass_attenuation(find_material("iodine"), {70})[0];
  EXPECT_NEAR(*e[2].regions[2].truth, 1000 * (0.9 + 0.010 * iodine / water) - 1000, 1e-9);
}

TEST(Evaluation, finds_bias_and_error_of_the_inserts_only) {
  Scene scene;
  for (float& v : scene.images.value.block(1u))
    v += v > 0.007F ? 0.0003F : v > 0.003F ? -0.0001F : 0.002F;  // the body is far off
  const auto e = evaluate_images({scene.images}, scene.truth);
  EXPECT_THAT(e[1].inserts, ElementsAre(1, 2));
  EXPECT_NEAR(e[1].bias, 0.1, 1e-5);
  EXPECT_NEAR(e[1].root_mean_square_error, std::sqrt((0.09 + 0.01) / 2), 1e-5);
  EXPECT_NEAR(e[1].regions[0].mean - *e[1].regions[0].truth, 2, 1e-5);
}

TEST(Evaluation, compares_noise_with_the_bound) {
  Scene scene;
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;
  for (float& v : scene.images.value.block(1u)) v += 0.0012F * normal(random);
  for (float& v : scene.noise.value.block(1u)) v = 0.001F;
  const auto e = evaluate_images({scene.images, scene.noise}, scene.truth);
  const Measurement& body = e[1].regions[0];
  ASSERT_TRUE(body.bound);
  EXPECT_NEAR(*body.bound, 1, 1e-6);
  EXPECT_NEAR(body.noise / *body.bound, 1.2, 0.05);
}

TEST(Evaluation, takes_the_monoenergetic_images_of_the_file_where_there_are_some) {
  const Scene scene;
  ImageSeries hu{1050, {"monoenergetic", "HU", {"50 keV"}}, scene.grid, Array<float, 4>({1, 3, 72, 80}, 12), {}};
  const auto e = evaluate_images({scene.images, hu}, scene.truth);
  ASSERT_EQ(e.size(), 3u);
  EXPECT_EQ(e[2].quantity, "50 keV");
  EXPECT_NEAR(e[2].regions[0].mean, 12, 1e-6);
  EXPECT_NEAR(*e[2].regions[0].truth, 0, 1e-9);
}

// Densities of the second rod: 0.9 g/cm^3 of water, 10 mg/mL of iodine.
TEST(Evaluation, holds_maps_against_what_the_true_densities_make_of_them) {
  const Scene scene;
  const auto map = [&](int number, const std::string& quantity, const std::string& unit, const std::string& name, float value) {
    return ImageSeries{number, {quantity, unit, {name}}, scene.grid, Array<float, 4>({1, 3, 72, 80}, value), {}};
  };
  const auto e =
      evaluate_images({map(10, "concentration", "mg/mL", "iodine map", 9), map(11, "noise", "mg/mL", "iodine map", 0.5F),
                       map(20, "electron_density", "1", "electron density", 1), map(30, "effective_z", "1", "effective Z", 7),
                       map(40, "energy_of_least_noise", "keV", "energy of least noise", 65),
                       map(3070, "virtual_non_contrast", "HU", "70 keV without iodine", -90)},
                      scene.truth);
  ASSERT_EQ(e.size(), 5u);
  EXPECT_NEAR(*e[0].regions[2].truth, 10, 1e-9);
  EXPECT_NEAR(*e[0].regions[2].bound, 0.5, 1e-6);
  EXPECT_THAT(e[0].inserts, ElementsAre(1, 2));  // as of iodine itself
  EXPECT_NEAR(*e[1].regions[0].truth, 1, 1e-9);
  EXPECT_NEAR(*e[1].regions[2].truth, 0.9 + 0.01 * (53 / 126.904) / (10 / 18.015), 1e-5);
  EXPECT_NEAR(*e[2].regions[0].truth, 7.42, 0.01);
  EXPECT_GT(*e[2].regions[2].truth, 11);
  EXPECT_FALSE(e[3].regions[0].truth);
  EXPECT_NEAR(*e[4].regions[2].truth, -100, 1e-9);
  std::ostringstream table;
  print_table(e, table);
  EXPECT_THAT(table.str(), HasSubstr("electron density [1]"));
  EXPECT_THAT(table.str(), ::testing::Not(HasSubstr(" 1\n")));
  EXPECT_THAT(table.str(), HasSubstr("it says nothing of energy of least noise"));
}

TEST(Evaluation, says_no_truth_of_a_material_that_the_truth_does_not_know) {
  Scene scene;
  scene.images.channels.names[1] = "gadolinium";
  const auto e = evaluate_images({scene.images}, scene.truth);
  EXPECT_FALSE(e[1].regions[0].truth);
  std::ostringstream table;
  print_table(e, table);
  EXPECT_THAT(table.str(), HasSubstr("gadolinium [mg/mL]"));
  EXPECT_THAT(table.str(), HasSubstr("  the scan's truth is in water, iodine: it says nothing of gadolinium\n"));
}

TEST(Evaluation, says_no_truth_of_a_region_that_holds_a_material_outside_the_images_basis) {
  Scene scene;
  scene.truth.materials.push_back("calcium");
  scene.truth.regions[2].densities.emplace_back("calcium", 0.1);
  const auto water = evaluate_images({scene.images, scene.noise}, scene.truth).front();
  EXPECT_TRUE(water.regions[1].truth.has_value());
  EXPECT_FALSE(water.regions[2].truth.has_value());
}

TEST(Evaluation, without_regions_or_outside_the_images_is_refused) {
  Scene scene;
  for (Region& r : scene.truth.regions) r.x += 1000;
  EXPECT_THROW(evaluate_images({scene.images}, scene.truth), DataError);
  scene.truth.regions.clear();
  EXPECT_THROW(evaluate_images({scene.images}, scene.truth), DataError);
}

TEST(Evaluation, prints_one_aligned_table_a_quantity_and_a_line_a_region_as_csv) {
  Scene scene;
  scene.truth.regions[1].name = "iodine, 5 mg/mL";
  const auto e = evaluate_images({scene.images}, scene.truth);
  std::ostringstream table, csv;
  print_table(e, table);
  EXPECT_THAT(table.str(), HasSubstr("  iodine 10 mg/mL     10.000     10.000     +0.000      0.000          -            -\n"));
  EXPECT_THAT(table.str(), HasSubstr("  2 inserts: mean bias +0.000, root mean square error 0.000 mg/mL\n"));
  print_csv(e, csv);
  EXPECT_THAT(csv.str(), HasSubstr("\niodine,mg/mL,\"iodine, 5 mg/mL\",6,0,4,"));
  EXPECT_EQ(std::ranges::count(csv.str(), '\n'), 1 + 3 * 3);
}

}  // namespace
}  // namespace counterflow
