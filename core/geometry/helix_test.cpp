#include "core/geometry/helix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numbers>
#include <random>

namespace counterflow {
namespace {

constexpr double kPi = std::numbers::pi;

ScanGeometry helix(double pitch, Beam beam = Beam::cone_arc) {
  ScanGeometry g;
  g.beam = beam;
  g.columns = 200, g.rows = 16;
  g.views = 2000, g.views_per_rotation = 500;
  g.source_to_isocenter = 570, g.source_to_detector = 1040;
  g.column_pitch = 2.5, g.row_pitch = 2;
  g.angle_step = 2 * kPi / 500;
  g.table_feed = pitch * 16 * g.slice_spacing();
  g.first_table_position = -30;
  return g;
}

// True where every direction of a half turn sees the point, by its words: for each theta = theta0 + k pi of a complete
// parallel view, the ray through the point meets the detector. Found by brute force, with the source angle as unknown.
bool complete(const ScanGeometry& g, double x, double y, double z) {
  const double sense = g.angle_step > 0 ? 1 : -1, step = std::abs(g.angle_step);
  const double fan = std::max(std::abs(g.fan_angle(0)), std::abs(g.fan_angle(static_cast<double>(g.columns) - 1)));
  const double first = fan + 2 * step, last = static_cast<double>(g.views - 1) * step - fan - 2 * step;
  for (double phase = 0; phase < kPi; phase += kPi / 67) {
    bool seen = false;
    for (double turned = first + phase; turned <= last && !seen; turned += kPi) {
      const double theta = g.first_angle + sense * turned;
      const double t = x * std::sin(theta) - y * std::cos(theta), along = x * std::cos(theta) + y * std::sin(theta);
      const double view = (turned - sense * std::asin(t / g.source_to_isocenter)) / step;
      const double length = std::sqrt(g.source_to_isocenter * g.source_to_isocenter - t * t) - along;
      const double row = (z - g.table_position(view)) * g.source_to_detector / length / g.row_pitch + g.row_offset;
      seen = std::abs(row) <= static_cast<double>(g.rows) / 2;
    }
    if (!seen) return false;
  }
  return true;
}

double share_complete(const ScanGeometry& g, double radius, double z) {
  std::mt19937_64 random(5);
  std::uniform_real_distribution<double> unit(0, 1);
  int seen = 0;
  constexpr int kPoints = 300;
  for (int i = 0; i < kPoints; ++i) {
    const double r = radius * (i % 2 ? 1 : std::sqrt(unit(random))), a = 2 * kPi * unit(random);
    seen += complete(g, r * std::cos(a), r * std::sin(a), z);
  }
  return static_cast<double>(seen) / kPoints;
}

TEST(Helix, complete_slices_are_seen_from_every_side_and_those_beyond_are_not) {
  for (double pitch : {0.3, 0.9, 1.2, -1.2})
    for (double sense : {1.0, -1.0})
      for (double offset : {0.0, 1.5}) {
        ScanGeometry g = helix(pitch);
        g.angle_step *= sense;
        g.row_offset = offset;
        const HelixRange range = complete_slices(g, 200);
        ASSERT_LT(range.low, range.high);
        for (double z : {range.low, range.high, (range.low + range.high) / 2}) EXPECT_EQ(share_complete(g, 200, z), 1) << pitch;
        const double beyond = 0.15 * 16 * g.slice_spacing();
        EXPECT_LT(share_complete(g, 200, range.low - beyond), 1) << pitch;
        EXPECT_LT(share_complete(g, 200, range.high + beyond), 1) << pitch;
      }
}

TEST(Helix, the_largest_pitch_leaves_no_gap_and_a_larger_one_does) {
  const double radius = 200, largest = largest_pitch(helix(1), radius);
  EXPECT_NEAR(largest, std::cos(std::asin(200.0 / 570)) / (0.5 + std::asin(200.0 / 570) / kPi), 1e-9);
  EXPECT_GT(largest, 1.4);
  EXPECT_NEAR(largest_pitch(helix(1), 1e-9), 2, 1e-6);  // on the axis
  for (double factor : {0.999, 1.03}) {
    ScanGeometry g = helix(factor * largest);
    g.views = 4000;
    double least = 1;
    for (int i = 0; i < 12; ++i) least = std::min(least, share_complete(g, radius, g.table_position(2000 + 500. * i / 12)));
    EXPECT_EQ(least == 1, factor < 1) << factor;
  }
}

TEST(Helix, short_scans_fast_and_standing_tables_are_refused) {
  ScanGeometry g = helix(1);
  g.views = 285;
  EXPECT_THROW(complete_slices(g, 100), ConfigError);
  EXPECT_THROW(complete_slices(helix(1.6), 200), ConfigError);
  EXPECT_NO_THROW(complete_slices(helix(1.6), 50));
  g = helix(0);
  EXPECT_THROW(complete_slices(g, 100), ConfigError);
}

}  // namespace
}  // namespace counterflow
