#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/physics/material.h"
#include "core/testing/gadget_with.h"
#include "core/testing/gradient_check.h"
#include "core/testing/refusal.h"
#include "gadgets/maps/effective_z.h"
#include "gadgets/maps/linear_maps.h"

namespace counterflow {
namespace {

using testing::gadget_with;
using testing::refusal;
using testing::Settings;

// Densities of `materials` in three voxels in a row; all of one voxel are `densities[voxel]`.
Image<double> image_of(const std::vector<std::string>& materials, const std::vector<std::vector<double>>& densities) {
  Image<double> x;
  x.value = Array<double, 4>({materials.size(), 1, 1, densities.size()});
  for (std::size_t i = 0; i < densities.size(); ++i)
    for (std::size_t m = 0; m < materials.size(); ++m) x.value(m, 0, 0, i) = densities[i][m];
  x.grid = {.nx = densities.size(), .ny = 1, .nz = 1};
  x.channels = std::make_shared<const Channels>(Channels{"density", "g/cm^3", materials});
  return x;
}

// About one g/cm^3 of water and 10 mg/mL of iodine and 50 of calcium, 2 x 3 x 5 voxels in slices 4 and 5 of 9.
Image<double> random_image(std::mt19937_64& random) {
  Image<double> x;
  x.value = Array<double, 4>({3, 2, 3, 5});
  std::uniform_real_distribution<double> uniform(0.7, 1.3);
  for (std::size_t m = 0; m < 3; ++m)
    for (double& v : x.value.block(m)) v = uniform(random) * (m == 0 ? 1 : m == 1 ? 0.01 : 0.05);
  x.grid = {.nx = 5, .ny = 3, .nz = 9};
  x.slice = 4;
  x.channels = std::make_shared<const Channels>(Channels{"density", "g/cm^3", {"water", "iodine", "calcium"}});
  return x;
}

TEST(ContrastMap, is_the_density_of_each_agent_in_milligrams_a_millilitre) {
  std::mt19937_64 random(1);
  const auto x = random_image(random);
  const auto y = gadget_with<ContrastMap<double>>({{"contrast", "calcium iodine"}}).forward({}, {}, x);
  EXPECT_EQ(*y.channels, (Channels{"concentration", "mg/mL", {"calcium map", "iodine map"}}));
  EXPECT_DOUBLE_EQ(y.value(0, 1, 2, 3), 1000 * x.value(2, 1, 2, 3));
  EXPECT_DOUBLE_EQ(y.value(1, 0, 1, 4), 1000 * x.value(1, 0, 1, 4));
  EXPECT_EQ(y.grid, x.grid);
  EXPECT_EQ(y.slice, 4U);
  EXPECT_THAT(refusal([&] {
                gadget_with<ContrastMap<double>>({{"contrast", "gadolinium"}}).forward({}, {}, x);
              }),
              ::testing::HasSubstr("ContrastMap: expected images with gadolinium, got water, iodine, calcium"));
  EXPECT_THROW(gadget_with<ContrastMap<double>>({{"contrast", ""}}).begin({}, {}), ConfigError);
}

// H2O: 10 electrons in 18.015 g/mol; calcium 20 in 40.078; iodine 53 in 126.904.
TEST(ElectronDensity, of_water_is_1_and_of_mixtures_the_count_of_their_electrons) {
  const auto x = image_of({"water", "iodine", "calcium"}, {{1, 0, 0}, {1.02, 0.01, 0}, {0.9, 0, 0.3}});
  const auto relative = gadget_with<ElectronDensity<double>>().forward({}, {}, x);
  const double water = 10 / 18.015, iodine = 53 / 126.904, calcium = 20 / 40.078;
  EXPECT_DOUBLE_EQ(relative.value[0], 1);
  EXPECT_NEAR(relative.value[1], 1.02 + 0.01 * iodine / water, 1e-6);
  EXPECT_NEAR(relative.value[2], 0.9 + 0.3 * calcium / water, 3e-5);
  const auto absolute = gadget_with<ElectronDensity<double>>({{"unit", "10^23/cm^3"}}).forward({}, {}, x);
  EXPECT_NEAR(absolute.value[0], 6.02214 * water, 3e-4);  // 3.343
  EXPECT_EQ(absolute.channels->unit, "10^23/cm^3");
}

// Mayneord's 7.42 for water. The others by hand: (sum of fraction Z/A Z^2.94 / sum of fraction Z/A)^(1/2.94).
TEST(EffectiveZ, of_water_is_7_42_and_of_elements_their_own) {
  const auto gadget = gadget_with<EffectiveZ<double>>();
  const auto x = image_of({"water", "iodine", "calcium"}, {{1, 0, 0}, {0, 0, 1.5}, {0, 4.9, 0}, {1, 0.01, 0}, {0.7, 0, 0.2}});
  const auto y = gadget.forward({}, {}, x);
  EXPECT_NEAR(y.value[0], 7.42, 0.01);
  EXPECT_NEAR(y.value[1], 20, 1e-9);
  EXPECT_NEAR(y.value[2], 53, 1e-9);
  const double hydrogen = 2 / 18.015, oxygen = 8 / 18.015;
  const auto expected = [&](double water, double z, double a, double density) {
    const double n = water * (hydrogen + oxygen) + density * z / a;
    return std::pow((water * (hydrogen + oxygen * std::pow(8, 2.94)) + density * z / a * std::pow(z, 2.94)) / n, 1 / 2.94);
  };
  EXPECT_NEAR(y.value[3], expected(1, 53, 126.904, 0.01), 1e-3);
  EXPECT_NEAR(y.value[4], expected(0.7, 20, 40.078, 0.2), 1e-3);
  EXPECT_EQ(*y.channels, (Channels{"effective_z", "1", {"effective Z"}}));
}

TEST(EffectiveZ, of_any_ready_material_as_a_basis_of_its_own_lies_among_its_elements) {
  for (const char* name : {"water", "adipose", "muscle", "bone", "pmma", "teflon"}) {
    const Material material = find_material(name);
    const double z = PowerLaw({name}, 2.94, 0.1).value(std::vector<double>{material.density}.data(), nullptr);
    EXPECT_GT(z, material.composition.front().first);
    EXPECT_LT(z, material.composition.back().first);
  }
}

TEST(EffectiveZ, is_0_in_air_and_never_below_hydrogen) {
  const auto gadget = gadget_with<EffectiveZ<double>>({{"threshold", "0.2"}});
  auto x = image_of({"water", "iodine"}, {{0.19, 0}, {0.21, 0}, {-1, -0.1}, {1, -0.02}, {NAN, 0}});
  x.covariance = Array<double, 4>({3, 1, 1, 5}, 1.0);
  const auto y = gadget.forward({}, {}, x);
  EXPECT_EQ(y.value[0], 0);
  EXPECT_NEAR(y.value[1], 7.42, 0.01);
  EXPECT_EQ(y.value[2], 0);
  EXPECT_EQ(y.value[3], 1);
  EXPECT_EQ(y.value[4], 0);
  EXPECT_EQ(y.covariance[0], 0);
  EXPECT_GT(y.covariance[1], 0);
  EXPECT_EQ(y.covariance[3], 0);
  None none;
  auto y_bar = y;
  for (double& v : y_bar.value) v = 1;
  const auto x_bar = gadget.adjoint({}, {}, x, y, y_bar, none);
  for (std::size_t i : {0, 2, 3}) EXPECT_EQ(x_bar.value[i], 0);
  EXPECT_NEAR(x_bar.value(0, 0, 0, 1), 0, 1e-12);  // as of any amount of pure water
  EXPECT_GT(x_bar.value(1, 0, 0, 1), 100);
}

TEST(EffectiveZ, noise_is_that_of_the_tangent) {
  auto x = image_of({"water", "iodine"}, {{1, 0.01}});
  x.covariance = Array<double, 4>({3, 1, 1, 1});
  x.covariance.values() = {4e-4, -2e-5, 3e-6};
  const auto gadget = gadget_with<EffectiveZ<double>>();
  const double variance = gadget.forward({}, {}, x).covariance[0];
  const auto z = [&](double water, double iodine) {
    return gadget.forward({}, {}, image_of({"water", "iodine"}, {{water, iodine}})).value[0];
  };
  const double h = 1e-6, by_water = (z(1 + h, 0.01) - z(1 - h, 0.01)) / (2 * h),
               by_iodine = (z(1, 0.01 + h) - z(1, 0.01 - h)) / (2 * h);
  EXPECT_NEAR(variance, by_water * by_water * 4e-4 - 2 * by_water * by_iodine * 2e-5 + by_iodine * by_iodine * 3e-6,
              1e-6 * variance);
}

TEST(LinearMaps, carry_the_covariance) {
  auto x = image_of({"water", "iodine", "calcium"}, {{1, 0.01, 0}});
  x.covariance = Array<double, 4>({6, 1, 1, 1});
  x.covariance.values() = {4e-4, -2e-5, 1e-5, 3e-6, -1e-6, 2e-5};
  const auto agents = gadget_with<ContrastMap<double>>({{"contrast", "iodine calcium"}}).forward({}, {}, x);
  EXPECT_THAT(agents.covariance.values(),
              ::testing::ElementsAre(::testing::DoubleEq(3), ::testing::DoubleEq(-1), ::testing::DoubleEq(20)));
  const double iodine = 53 / 126.904 * 1.8015, calcium = 20 / 40.078 * 1.8015;
  const double expected = 4e-4 + 2 * iodine * -2e-5 + 2 * calcium * 1e-5 + iodine * iodine * 3e-6 + 2 * iodine * calcium * -1e-6 +
                          calcium * calcium * 2e-5;
  EXPECT_NEAR(gadget_with<ElectronDensity<double>>().forward({}, {}, x).covariance[0], expected, 1e-8);
}

TEST(Maps, of_what_is_no_density_are_refused) {
  std::mt19937_64 random(4);
  auto x = random_image(random);
  x.channels = std::make_shared<const Channels>(Channels{"attenuation", "1/cm", {"bin 0", "bin 1", "bin 2"}});
  EXPECT_THAT(refusal([&] { gadget_with<ElectronDensity<double>>().forward({}, {}, x); }),
              ::testing::HasSubstr("ElectronDensity: expected images of densities (g/cm^3), got attenuation"));
  EXPECT_THAT(refusal([&] { gadget_with<EffectiveZ<double>>().forward({}, {}, x); }),
              ::testing::HasSubstr("EffectiveZ: expected images of densities"));
}

// The step is small against the little iodine.
template <class Gadget>
void check_adjoint(const Settings& settings, testing::DifferenceStep step = {}) {
  const auto errors = testing::map_adjoint_errors(gadget_with<Gadget>(settings), {}, random_image, step);
  EXPECT_LT(errors.right.value, 1e-8) << errors.right.block;
  EXPECT_GT(errors.wrong_most, 1e-6);
}

TEST(MapAdjoints, hold_against_differences_and_wrong_ones_fail) {
  check_adjoint<ContrastMap<double>>({{"contrast", "iodine calcium"}});
  check_adjoint<ElectronDensity<double>>({{"unit", "10^23/cm^3"}});
  check_adjoint<EffectiveZ<double>>({}, {.relative = 1e-4});
  check_adjoint<EffectiveZ<double>>({{"exponent", "3.5"}}, {.relative = 1e-4});
}

}  // namespace
}  // namespace counterflow
