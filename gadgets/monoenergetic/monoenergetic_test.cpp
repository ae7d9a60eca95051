#include "gadgets/monoenergetic/monoenergetic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/physics/material.h"
#include "core/testing/gadget_with.h"
#include "core/testing/gradient_check.h"

namespace counterflow {
namespace {

MonoenergeticImage<double> with(const std::string& energies, const std::string& unit) {
  return testing::gadget_with<MonoenergeticImage<double>>({{"energies", energies}, {"unit", unit}});
}

Image<double> random_image(std::mt19937_64& random) {
  Image<double> x;
  x.value = Array<double, 4>({2, 3, 5, 7});
  x = testing::random_like(x, random);
  x.grid = {.nx = 7, .ny = 5, .nz = 9};
  x.slice = 4;
  x.channels = std::make_shared<const Channels>(Channels{"density", "g/cm^3", {"water", "iodine"}});
  return x;
}

// mu of water and iodine at 60 keV: 0.20587 and 7.577 cm^2/g (xraylib).
TEST(MonoenergeticImage, of_water_is_0_and_iodine_adds_its_attenuation) {
  std::mt19937_64 random(1);
  const auto gadget = with("60", "HU");
  auto x = random_image(random);
  x.value(0, 0, 0, 0) = 1, x.value(1, 0, 0, 0) = 0;
  x.value(0, 1, 2, 3) = 1, x.value(1, 1, 2, 3) = 0.01;
  x.value(0, 2, 4, 6) = 0, x.value(1, 2, 4, 6) = 0;
  const auto y = gadget.forward({}, {}, x);
  EXPECT_NEAR(y.value(0, 0, 0, 0), 0, 1e-10);
  EXPECT_NEAR(y.value(0, 1, 2, 3), 1000 * 0.01 * 7.577 / 0.20587, 0.2);
  EXPECT_EQ(y.value(0, 2, 4, 6), -1000);
}

TEST(MonoenergeticImage, in_inverse_centimetres_is_the_linear_attenuation) {
  std::mt19937_64 random(2);
  const auto gadget = with("60 100", "1/cm");
  auto x = random_image(random);
  x.value(0, 1, 2, 3) = 1.02, x.value(1, 1, 2, 3) = 0.01;
  const auto y = gadget.forward({}, {}, x);
  EXPECT_NEAR(y.value(0, 1, 2, 3), 1.02 * 0.20587 + 0.01 * 7.577, 1e-4);
  EXPECT_NEAR(y.value(1, 1, 2, 3), 1.02 * 0.17072 + 0.01 * 1.9422, 1e-4);
}

TEST(MonoenergeticImage, names_its_energies_and_keeps_its_place) {
  std::mt19937_64 random(3);
  const auto x = random_image(random);
  const auto y = with("40 66.5", "HU").forward({}, {}, x);
  EXPECT_EQ(*y.channels, (Channels{"monoenergetic", "HU", {"40 keV", "66.5 keV"}}));
  EXPECT_EQ(y.grid, x.grid);
  EXPECT_EQ(y.slice, 4U);
  EXPECT_EQ(y.value.shape(), (std::array<std::size_t, 4>{2, 3, 5, 7}));
}

// Var of the sum over materials; the off-diagonal pair counts twice, and between energies each way once.
TEST(MonoenergeticImage, carries_the_covariance_of_its_materials) {
  std::mt19937_64 random(7);
  auto x = random_image(random);
  EXPECT_TRUE(with("50 70", "1/cm").forward({}, {}, x).covariance.empty());
  x.covariance = Array<double, 4>({3, 3, 5, 7});
  for (double& c : x.covariance) c = std::uniform_real_distribution<double>(-1, 1)(random);
  const auto y = with("50 70", "1/cm").forward({}, {}, x);
  const std::vector<double> water = mass_attenuation(find_material("water"), {50, 70}),
                            iodine = mass_attenuation(find_material("iodine"), {50, 70});
  const double vw = x.covariance(0, 2, 3, 4), c = x.covariance(1, 2, 3, 4), vi = x.covariance(2, 2, 3, 4);
  const auto expected = [&](std::size_t a, std::size_t b) {
    return water[a] * water[b] * vw + (water[a] * iodine[b] + iodine[a] * water[b]) * c + iodine[a] * iodine[b] * vi;
  };
  EXPECT_NEAR(y.covariance(0, 2, 3, 4), expected(0, 0), 1e-12);
  EXPECT_NEAR(y.covariance(1, 2, 3, 4), expected(0, 1), 1e-12);
  EXPECT_NEAR(y.covariance(2, 2, 3, 4), expected(1, 1), 1e-12);
  x.covariance = Array<double, 4>({2, 3, 5, 7});
  EXPECT_THROW(with("50", "HU").forward({}, {}, x), DataError);
}

TEST(MonoenergeticImage, refuses_what_is_no_density_and_energies_out_of_range) {
  std::mt19937_64 random(4);
  auto x = random_image(random);
  x.channels = std::make_shared<const Channels>(Channels{"attenuation", "1/cm", {"bin 0", "bin 1"}});
  try {
    with("70", "HU").forward({}, {}, x);
    FAIL() << "accepted";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("got attenuation"));
  }
  EXPECT_THROW(with("39.9", "HU"), ConfigError);
  EXPECT_THROW(with("70", "hu"), ConfigError);
  EXPECT_THROW(with("", "HU").begin({}, {}), ConfigError);
}

// The image is affine; A is its linear part.
TEST(MonoenergeticImage, adjoint_is_the_transpose) {
  std::mt19937_64 random(5);
  const auto gadget = with("45 70 140", "HU");
  const auto x = random_image(random);
  auto ax = gadget.forward({}, {}, x);
  const auto nothing = gadget.forward({}, {}, zero_like(x));
  for (std::size_t i = 0; i < ax.value.size(); ++i) ax.value[i] -= nothing.value[i];
  const auto y = testing::random_like(ax, random);
  None none;
  const double left = testing::inner_product(ax, y), right = testing::inner_product(x, gadget.adjoint({}, {}, x, ax, y, none));
  EXPECT_NEAR(left, right, 1e-11 * std::abs(left));
  EXPECT_GT(std::abs(left), 1.0);
}

TEST(MonoenergeticImage, adjoint_holds_against_differences_and_a_wrong_one_fails) {
  const auto errors = testing::map_adjoint_errors(with("45 70 140", "HU"), {}, random_image);
  EXPECT_LT(errors.right.value, 1e-8) << errors.right.block;
  EXPECT_GT(errors.wrong_most, 1e-6);
}

}  // namespace
}  // namespace counterflow
