#include "gadgets/monoenergetic/virtual_non_contrast.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "core/physics/material.h"
#include "core/testing/gadget_with.h"
#include "core/testing/gradient_check.h"
#include "gadgets/monoenergetic/least_noise.h"
#include "gadgets/monoenergetic/monoenergetic.h"

namespace counterflow {
namespace {

using testing::gadget_with;

Image<double> random_image(std::mt19937_64& random) {
  Image<double> x;
  x.value = Array<double, 4>({3, 2, 3, 5});
  std::uniform_real_distribution<double> uniform(0.7, 1.3);
  for (std::size_t m = 0; m < 3; ++m)
    for (double& v : x.value.block(m)) v = uniform(random) * (m == 0 ? 1 : 0.01);
  x.grid = {.nx = 5, .ny = 3, .nz = 9};
  x.slice = 4;
  x.channels = std::make_shared<const Channels>(Channels{"density", "g/cm^3", {"water", "iodine", "gadolinium"}});
  return x;
}

TEST(VirtualNonContrast, of_contrast_agent_in_water_is_that_of_the_water) {
  std::mt19937_64 random(1);
  auto x = random_image(random);
  x.value(0, 1, 2, 3) = 1.03;
  const auto y =
      gadget_with<VirtualNonContrast<double>>({{"contrast", "iodine gadolinium"}, {"energies", "60 70"}}).forward({}, {}, x);
  EXPECT_NEAR(y.value(0, 1, 2, 3), 30, 1e-9);
  EXPECT_NEAR(y.value(1, 1, 2, 3), 30, 1e-9);
  EXPECT_EQ(*y.channels,
            (Channels{"virtual_non_contrast", "HU", {"60 keV without iodine, gadolinium", "70 keV without iodine, gadolinium"}}));
}

TEST(VirtualNonContrast, keeps_the_materials_that_are_no_contrast_agent) {
  std::mt19937_64 random(2);
  auto x = random_image(random);
  const auto y = gadget_with<VirtualNonContrast<double>>({{"energies", "80"}}).forward({}, {}, x);
  for (double& v : x.value.block(1)) v = 0;
  const auto expected = gadget_with<MonoenergeticImage<double>>({{"energies", "80"}}).forward({}, {}, x);
  for (std::size_t i = 0; i < y.value.size(); ++i) ASSERT_NEAR(y.value[i], expected.value[i], 1e-10);
}

TEST(VirtualNonContrast, has_the_noise_of_what_is_left) {
  std::mt19937_64 random(3);
  auto x = random_image(random);
  x.covariance = Array<double, 4>({6, 2, 3, 5});
  for (double& c : x.covariance) c = std::uniform_real_distribution<double>(-1, 1)(random);
  const auto y = gadget_with<VirtualNonContrast<double>>({{"contrast", "iodine gadolinium"}}).forward({}, {}, x);
  EXPECT_NEAR(y.covariance(0, 1, 2, 3), 1e6 * x.covariance(0, 1, 2, 3), 1e-8);
}

TEST(VirtualNonContrast, refuses_an_agent_that_the_image_does_not_show) {
  std::mt19937_64 random(4);
  try {
    gadget_with<VirtualNonContrast<double>>({{"contrast", "barium"}}).forward({}, {}, random_image(random));
    FAIL() << "accepted";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("VirtualNonContrast: expected images with barium, got water, iodine"));
  }
  EXPECT_THROW(gadget_with<VirtualNonContrast<double>>({{"contrast", ""}}).begin({}, {}), ConfigError);
  EXPECT_THROW(gadget_with<VirtualNonContrast<double>>({{"energies", ""}}).begin({}, {}), ConfigError);
}

TEST(VirtualNonContrast, adjoint_holds_against_differences_and_a_wrong_one_fails) {
  const auto gadget = gadget_with<VirtualNonContrast<double>>({{"energies", "50 90"}});
  const auto errors = testing::map_adjoint_errors(gadget, {}, random_image);
  EXPECT_LT(errors.right.value, 1e-8) << errors.right.block;
  EXPECT_GT(errors.wrong_most, 1e-6);
}

// With noise in one material only, the least HU is where that material's attenuation is least against water's.
TEST(LeastNoise, is_found_where_the_monoenergetic_images_say) {
  std::mt19937_64 random(5);
  auto x = random_image(random);
  EXPECT_THROW(gadget_with<LeastNoise<double>>().forward({}, {}, x), DataError);
  x.covariance = Array<double, 4>({6, 2, 3, 5});
  for (std::size_t i = 0; i < 30; ++i) {  // iodine against water, with a correlation of -0.9
    const double water = 0.05, iodine = 0.001 + 0.0001 * static_cast<double>(i);
    x.covariance.block(0)[i] = water * water, x.covariance.block(1)[i] = -0.9 * water * iodine;
    x.covariance.block(3)[i] = iodine * iodine;
  }
  x.covariance.block(0)[7] = x.covariance.block(1)[7] = x.covariance.block(3)[7] = 0;
  const auto gadget = gadget_with<LeastNoise<double>>({{"lowest", "45"}, {"highest", "120"}});
  const auto y = gadget.forward({}, {}, x);
  std::string energies;
  for (int e = 45; e <= 120; ++e) energies += std::to_string(e) + " ";
  const auto noise = noise_of(gadget_with<MonoenergeticImage<double>>({{"energies", energies}}).forward({}, {}, x));
  std::set<double> found;
  for (std::size_t i = 0; i < 30; ++i) {
    std::size_t least = 0;
    for (std::size_t e = 0; e < noise.extent(0); ++e)
      if (noise.block(e)[i] < noise.block(least)[i]) least = e;
    ASSERT_EQ(y.value[i], i == 7 ? 0 : 45 + static_cast<double>(least)) << i;
    found.insert(y.value[i]);
  }
  EXPECT_GT(found.size(), 5U);
  EXPECT_TRUE(y.covariance.empty());
  EXPECT_EQ(*y.channels, (Channels{"energy_of_least_noise", "keV", {"energy of least noise"}}));
  EXPECT_THROW(gadget_with<LeastNoise<double>>({{"lowest", "100"}, {"highest", "99"}}).begin({}, {}), ConfigError);
}

}  // namespace
}  // namespace counterflow
