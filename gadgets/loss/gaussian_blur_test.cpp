#include "gadgets/loss/gaussian_blur.h"

#include <gtest/gtest.h>

#include <cmath>

namespace counterflow::losses {
namespace {

TEST(GaussianBlur, spreads_a_point_by_its_standard_deviations) {
  constexpr std::size_t kNx = 41, kNy = 31;
  std::vector<double> plane(kNx * kNy);
  plane[15 * kNx + 20] = 2;
  GaussianBlur(3, 1.5)(plane, kNx);
  double sum = 0, xx = 0, yy = 0;
  for (std::size_t i = 0; i < plane.size(); ++i) {
    sum += plane[i];
    xx += plane[i] * std::pow(static_cast<double>(i % kNx) - 20, 2);
    yy += plane[i] * std::pow(static_cast<double>(i / kNx) - 15, 2);
  }
  EXPECT_NEAR(sum, 2, 1e-12);
  EXPECT_NEAR(std::sqrt(xx / sum), 3, 0.01);
  EXPECT_NEAR(std::sqrt(yy / sum), 1.5, 0.01);
}

TEST(GaussianBlur, lets_what_passes_the_border_go) {
  std::vector<double> plane(35, 1.0);
  GaussianBlur(1, 0)(plane, 7);
  EXPECT_LT(plane[0], 0.75);
  EXPECT_GT(plane[0], 0.65);
  EXPECT_NEAR(plane[3], 1, 2e-3);
  EXPECT_EQ(plane[0], plane[34]);
}

}  // namespace
}  // namespace counterflow::losses
