#include "core/reconstruction/ramp_filter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <numbers>
#include <random>

namespace counterflow {
namespace {

constexpr double kPi = std::numbers::pi;

template <class Real>
void expect_direct_sums(double arc_spacing, double tolerance) {
  constexpr std::size_t n = 23;
  const fbp::RampFilter<Real> filter({n, arc_spacing, "ram-lak", 1, true});
  const auto h = [&](std::ptrdiff_t lag) -> double {
    if (lag == 0) return 0.25;
    if (lag % 2 == 0) return 0;
    const double g = static_cast<double>(lag) * arc_spacing, arc = arc_spacing > 0 ? g / std::sin(g) : 1;
    return -arc * arc / std::pow(kPi * static_cast<double>(lag), 2);
  };
  std::mt19937_64 random(5);
  std::uniform_real_distribution<double> unit(0, 1);
  auto rows = filter.rows(), variance = filter.rows(), neighbour = filter.rows();
  std::vector<std::complex<double>> in(n);
  for (std::size_t k = 0; k < n; ++k) {
    in[k] = {unit(random), unit(random)};
    rows.value[k] = variance.value[k] = std::complex<Real>(in[k]);
  }
  filter.filter(rows);
  filter.variances(variance, neighbour);
  for (std::ptrdiff_t k = 0; k < static_cast<std::ptrdiff_t>(n); ++k) {
    std::complex<double> q, v, c;
    for (std::ptrdiff_t j = 0; j < static_cast<std::ptrdiff_t>(n); ++j) {
      const auto p = in[static_cast<std::size_t>(j)];
      q += h(k - j) * p, v += h(k - j) * h(k - j) * p, c += h(k - j) * h(k + 1 - j) * p;
    }
    const auto at = static_cast<std::size_t>(k);
    EXPECT_NEAR(std::abs(std::complex<double>(rows.value[at]) - q), 0, tolerance);
    EXPECT_NEAR(std::abs(std::complex<double>(variance.value[at]) - v), 0, tolerance);
    if (at + 1 < n) {
      EXPECT_NEAR(std::abs(std::complex<double>(neighbour.value[at]) - c), 0, tolerance);
    }
  }
}

TEST(RampFilter, is_the_direct_convolution_with_kak_and_slaneys_kernel) {
  expect_direct_sums<double>(0, 1e-14);
  expect_direct_sums<double>(0.02, 1e-14);
  expect_direct_sums<float>(0.02, 1e-6);
}

TEST(RampFilter, windows_have_their_textbook_gains) {
  EXPECT_DOUBLE_EQ(fbp::window_gain("ram-lak", 1, 0.7), 1);
  EXPECT_DOUBLE_EQ(fbp::window_gain("shepp-logan", 1, 1), 2 / kPi);
  EXPECT_DOUBLE_EQ(fbp::window_gain("cosine", 1, 2.0 / 3), 0.5);
  EXPECT_DOUBLE_EQ(fbp::window_gain("hann", 0.5, 0.25), 0.5);
  EXPECT_DOUBLE_EQ(fbp::window_gain("hamming", 1, 1), 0.08);
  for (const auto& name : fbp::windows()) {
    EXPECT_DOUBLE_EQ(fbp::window_gain(name, 0.8, 0), 1) << name;
    EXPECT_DOUBLE_EQ(fbp::window_gain(name, 0.8, 0.81), 0) << name;
  }
}

}  // namespace
}  // namespace counterflow
