#include "core/geometry/helix.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/text.h"

namespace counterflow {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr double kMarginViews = 2;  // at each end, for interpolation between views

double largest_fan_angle(const ScanGeometry& g) {
  return std::max(std::abs(g.fan_angle(0)), std::abs(g.fan_angle(static_cast<double>(g.columns) - 1)));
}

// use(asin(t/R), sqrt(R^2 - t^2)/R, along/R) for points of the field.
template <class Use>
void over_field(const ScanGeometry& g, double radius, Use&& use) {
  constexpr int kRadii = 16, kDirections = 180;
  for (int i = 0; i <= kRadii; ++i)
    for (int j = 0; j < kDirections; ++j) {
      const double r = std::min(radius / g.source_to_isocenter, 0.99) * i / kRadii, phase = 2 * kPi * j / kDirections;
      const double fan = std::asin(r * std::sin(phase));
      use(fan, std::cos(fan), r * std::cos(phase));
    }
}

// Half the detector's height at the isocenter, and how far its middle lies off the central plane, seen along the table's way
// [mm].
struct Reach {
  explicit Reach(const ScanGeometry& g)
      : half(static_cast<double>(g.rows) * g.slice_spacing() / 2),
        middle(-g.row_offset * g.slice_spacing() * (g.table_feed < 0 ? -1 : 1)) {}
  double half, middle;
};

}  // namespace

HelixRange complete_slices(const ScanGeometry& g, double radius) {
  if (!g.is_helical()) throw ConfigError("expected a helical scan, got one with a standing table (table_feed 0)");
  const double step = std::abs(g.angle_step), turned = (static_cast<double>(g.views) - 1) * step;
  const double lost = largest_fan_angle(g) + kMarginViews * step;  // at each end, until all fan angles of one theta are there
  if (turned < kPi + 2 * lost)
    throw ConfigError("a helical scan needs views over at least " + number_text(std::ceil((kPi + 2 * lost) * 180 / kPi)) +
                      " degrees (180 and twice the fan), got " + std::to_string(g.views) + " views over " +
                      number_text(std::floor(turned * 180 / kPi)));
  const double largest = largest_pitch(g, radius);
  if (g.pitch() > largest)
    throw ConfigError("a pitch of " + number_text(std::round(1e3 * g.pitch()) / 1e3) +
                      " leaves gaps between the turns: expected at most " + number_text(std::floor(1e3 * largest) / 1e3) +
                      " for a field of " + number_text(std::round(radius)) +
                      " mm about the axis; move the table slower, or ask for a smaller image");
  // In the table's direction: the slices begin where the last theta of the first half turn begins to see all points.
  const Reach reach(g);
  const double feed = std::abs(g.table_feed) / (2 * kPi);  // [mm/rad]
  double begin = -1e300, end = -1e300;
  over_field(g, radius, [&](double fan, double cosine, double along) {
    const double table = feed * (lost + kPi + std::abs(fan)), distance = cosine - along;
    begin = std::max(begin, table - (reach.half - reach.middle) * distance);
    end = std::max(end, table - (reach.half + reach.middle) * distance);
  });
  const double length = feed * turned, sense = g.table_feed < 0 ? -1 : 1;
  const double from = g.first_table_position + sense * begin, to = g.first_table_position + sense * (length - end);
  return sense > 0 ? HelixRange{from, to} : HelixRange{to, from};
}

double largest_pitch(const ScanGeometry& g, double radius) {
  // Successive half turns lie feed (1/2 +- fan/pi) apart, and cover half of L/R and half of that from the other side.
  double largest = 1e300;
  const double off = 2 * std::abs(g.row_offset) / static_cast<double>(g.rows);
  over_field(g, radius, [&](double fan, double cosine, double along) {
    largest = std::min(largest, (cosine - off * std::abs(along)) / (0.5 + std::abs(fan) / kPi));
  });
  return largest;
}

}  // namespace counterflow
