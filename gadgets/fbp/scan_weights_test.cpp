#include "gadgets/fbp/scan_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <numbers>
#include <random>

#include "gadgets/fbp/ramp_filter.h"
#include "gadgets/fbp/test_scan.h"

namespace counterflow {
namespace {

using fbp::Redundancy;
constexpr double kPi = std::numbers::pi;

ScanGeometry scan_over(Beam beam, double range) {
  ScanGeometry g = fbp_testing::geometry(beam, 64, 500);
  g.angle_step = range / 500;
  return g;
}

// Sum of the shares of all rays of the scan on the line of (alpha, fan angle).
double shares_of_line(const Redundancy& share, double alpha, double fan) {
  double sum = 0;
  for (int turn = -6; turn <= 6; ++turn) {
    const double same = alpha + 2 * kPi * turn, opposite = same + kPi + 2 * fan;
    if (same >= 0 && same <= share.range()) sum += share(same, fan);
    if (opposite >= 0 && opposite <= share.range()) sum += share(opposite, -fan);
  }
  return sum;
}

TEST(Redundancy, shares_of_every_line_sum_to_one_for_any_range) {
  std::mt19937_64 random(3);
  for (Beam beam : {Beam::fan_arc, Beam::fan_flat, Beam::parallel})
    for (double range : {kPi + 0.52, 4.2, 5.0, 6.0, 2 * kPi, 6.9, 4 * kPi, 14.1}) {
      const ScanGeometry g = scan_over(beam, range);
      const Redundancy share(g);
      for (int i = 0; i < 400; ++i) {
        const double fan = g.fan_angle(std::uniform_real_distribution<double>(0, 63)(random));
        const double alpha = std::uniform_real_distribution<double>(0, range)(random);
        EXPECT_NEAR(shares_of_line(share, alpha, fan), 1, 1e-9) << beam_name(beam) << " range " << range << " alpha " << alpha;
      }
    }
}

TEST(Redundancy, turns_and_half_turns_are_averaged_evenly) {
  EXPECT_DOUBLE_EQ(Redundancy(scan_over(Beam::fan_arc, 2 * kPi))(1, 0.1), 0.5);
  EXPECT_DOUBLE_EQ(Redundancy(scan_over(Beam::fan_flat, 6 * kPi))(1, 0.1), 1.0 / 6);
  EXPECT_DOUBLE_EQ(Redundancy(scan_over(Beam::parallel, kPi))(1, 0), 1);
  EXPECT_DOUBLE_EQ(Redundancy(scan_over(Beam::parallel, 2 * kPi))(1, 0), 0.5);
}

TEST(Redundancy, a_short_scan_fades_in_and_out) {
  const Redundancy share(scan_over(Beam::fan_arc, 4));
  EXPECT_LT(share(1e-4, 0.1), 1e-6);
  EXPECT_LT(share(4 - 1e-4, 0.1), 1e-6);
  EXPECT_DOUBLE_EQ(share(2, 0.1), 1);
}

TEST(Redundancy, too_short_a_scan_is_refused_with_the_range_needed) {
  try {
    Redundancy share(scan_over(Beam::fan_arc, 3.3));
    FAIL() << "accepted";
  } catch (const ConfigError& e) {
    EXPECT_THAT(e.what(), ::testing::HasSubstr("expected views over at least 206."));
  }
  EXPECT_THROW(Redundancy(scan_over(Beam::parallel, 3.0)), ConfigError);
}

TEST(ScanWeights, a_view_outside_a_short_scan_is_refused) {
  const ScanGeometry g = scan_over(Beam::fan_arc, 4);
  std::vector<double> w(g.columns);
  const fbp::ScanWeights weights(g);
  weights.of_view(3.9, w);
  EXPECT_THROW(weights.of_view(5, w), DataError);
  EXPECT_THROW(weights.of_view(std::nan(""), w), DataError);
}

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
