#include "core/training/parameter_space.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "core/training/test_training.h"

namespace counterflow {
namespace {

using ::testing::HasSubstr;
using training_testing::chain_of;
using training_testing::toy_header;

ParameterSpace space_of(const std::string& attributes) {
  const auto chain = chain_of("<parameter gadget=\"gain\" " + attributes + "/>");
  return {chain, toy_header(), initial_parameters(chain, toy_header())};
}

TEST(ParameterSpace, starts_at_the_values_before_training_and_moves_by_the_scale) {
  for (const char* attributes : {"", "min=\"-1\" max=\"0.5\""}) {
    const ParameterSpace space = space_of(attributes);
    ASSERT_EQ(space.size(), training_testing::kBins);
    std::vector<double> u(space.size(), 0.0);
    EXPECT_EQ(block_text(space.blocks()[0]), "gain/log_gain [1]: bin 3");
    for (double v : space.values(space.blocks()[0], u)) EXPECT_NEAR(v, 0.1, 1e-12);
    u[1] = 1e-4;
    const auto moved = space.values(space.blocks()[0], u);
    EXPECT_NEAR(moved[0], 0.1, 1e-12);
    EXPECT_GT(moved[1], 0.1 + 0.5e-5);  // the scale is 0.1; less of it near a bound
    EXPECT_LT(moved[1], 0.1 + 1.01e-5);
  }
}

TEST(ParameterSpace, keeps_within_bounds_however_far_the_search_goes) {
  const ParameterSpace space = space_of("min=\"-1\" max=\"0.5\"");
  for (double far : {-1e6, -30., 30., 1e6})
    for (double v : space.values(space.blocks()[0], std::vector<double>(space.size(), far))) {
      EXPECT_GE(v, -1);
      EXPECT_LE(v, 0.5);
    }
}

TEST(ParameterSpace, gradients_and_products_of_the_prior_agree_with_differences) {
  for (const char* attributes : {"sigma=\"0.3\" weight=\"2\"", "sigma=\"0.3\" weight=\"2\" smooth=\"bin\" smooth_sigma=\"0.1\"",
                                 "weight=\"2\" smooth=\"bin\" min=\"-2\" max=\"2.5\""}) {
    const ParameterSpace space = space_of(attributes);
    std::mt19937_64 random(3);
    std::normal_distribution<double> normal;
    std::vector<double> u(space.size()), v(space.size());
    for (double& x : u) x = normal(random);
    for (double& x : v) x = normal(random);
    std::vector<double> gradient(space.size()), ignored(space.size());
    EXPECT_GT(space.prior(u, gradient), 0);
    const auto along = [&](double t) {
      std::vector<double> w = u;
      for (std::size_t i = 0; i < w.size(); ++i) w[i] += t * v[i];
      return space.prior(w, ignored);
    };
    const double h = 1e-3;
    const double numeric = (8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h);
    double analytic = 0;
    for (std::size_t i = 0; i < u.size(); ++i) analytic += gradient[i] * v[i];
    EXPECT_NEAR(analytic / numeric, 1, 1e-8) << attributes;
    EXPECT_GT(std::abs(analytic * (1 + 1e-4) / numeric - 1), 1e-5);
  }
}

// v^T product = weight sum of the squares of what residuals move by: Gauss and Newton's part of the second derivative.
TEST(ParameterSpace, products_of_the_prior_are_those_of_its_residuals) {
  const double weight = 2, sigma = 0.3, smooth_sigma = 0.1;
  const ParameterSpace space = space_of("weight=\"2\" sigma=\"0.3\" smooth=\"bin\" smooth_sigma=\"0.1\" min=\"-2\" max=\"2.5\"");
  const std::vector<double> u = {0.5, -2, 3}, v = {1, -0.7, 0.2};
  const auto values = [&](double t) {
    return space.values(space.blocks()[0], std::vector<double>{u[0] + t * v[0], u[1] + t * v[1], u[2] + t * v[2]});
  };
  const double h = 1e-4;
  const auto up = values(h), down = values(-h);
  std::vector<double> dp;
  for (std::size_t i = 0; i < 3; ++i) dp.push_back((up[i] - down[i]) / (2 * h));
  double expected = 0;
  for (std::size_t i = 0; i < 3; ++i) expected += weight * dp[i] * dp[i] / (sigma * sigma);
  for (std::size_t i = 0; i < 2; ++i)
    expected += weight * (dp[i + 1] - dp[i]) * (dp[i + 1] - dp[i]) / (smooth_sigma * smooth_sigma);
  std::vector<double> product(3);
  space.add_prior_product(u, v, product);
  EXPECT_NEAR((product[0] * v[0] + product[1] * v[1] + product[2] * v[2]) / expected, 1, 1e-7);
}

TEST(ParameterSpace, contradictions_are_refused) {
  const auto refusal = [](const std::string& attributes) {
    try {
      space_of(attributes);
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_THAT(refusal("smooth=\"bni\""), HasSubstr("has no axis 'bni'; did you mean 'bin'?"));
  EXPECT_THAT(refusal("min=\"5\""), HasSubstr("expected bounds within -3 to 3"));
  EXPECT_THAT(refusal("min=\"0.2\""), HasSubstr("it starts at 0.1"));
}

}  // namespace
}  // namespace counterflow
