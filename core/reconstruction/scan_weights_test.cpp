#include "core/reconstruction/scan_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <random>

namespace counterflow {
namespace {

using fbp::Redundancy;
constexpr double kPi = std::numbers::pi;

ScanGeometry scan_over(Beam beam, double range) {
  ScanGeometry g;
  g.beam = beam;
  g.columns = 64, g.views = g.views_per_rotation = 500;
  g.source_to_isocenter = 541, g.source_to_detector = 949;
  g.column_pitch = 250. / 64 * (beam == Beam::parallel ? 1 : g.source_to_detector / g.source_to_isocenter), g.row_pitch = 1;
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
  for (Beam beam : {Beam::fan_arc, Beam::fan_flat, Beam::parallel, Beam::cone_arc, Beam::cone_flat})
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

TEST(ScanWeights, of_a_cone_are_those_of_its_fan) {
  for (auto [fan, cone] : {std::pair(Beam::fan_arc, Beam::cone_arc), std::pair(Beam::fan_flat, Beam::cone_flat)}) {
    const ScanGeometry g = scan_over(fan, 4);
    std::vector<double> of_fan(g.columns), of_cone(g.columns);
    fbp::ScanWeights(g).of_view(0.3, of_fan);
    fbp::ScanWeights(scan_over(cone, 4)).of_view(0.3, of_cone);
    EXPECT_EQ(of_fan, of_cone);
    EXPECT_GT(of_fan[40], 0);
  }
}

TEST(ScanWeights, a_view_outside_a_short_scan_is_refused) {
  const ScanGeometry g = scan_over(Beam::fan_arc, 4);
  std::vector<double> w(g.columns);
  const fbp::ScanWeights weights(g);
  weights.of_view(3.9, w);
  EXPECT_THROW(weights.of_view(5, w), DataError);
  EXPECT_THROW(weights.of_view(std::nan(""), w), DataError);
}

}  // namespace
}  // namespace counterflow
