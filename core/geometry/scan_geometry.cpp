#include "core/geometry/scan_geometry.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "core/text.h"

namespace counterflow {
namespace {

constexpr std::array<std::pair<Beam, std::string_view>, 5> kBeams{{{Beam::fan_arc, "fan-arc"},
                                                                   {Beam::fan_flat, "fan-flat"},
                                                                   {Beam::parallel, "parallel"},
                                                                   {Beam::cone_arc, "cone-arc"},
                                                                   {Beam::cone_flat, "cone-flat"}}};

void require(bool holds, const std::string& expected, double got) {
  if (!holds) throw ConfigError("scan geometry: expected " + expected + ", got " + number_text(got));
}

}  // namespace

std::string_view beam_name(Beam beam) {
  for (const auto& [b, name] : kBeams)
    if (b == beam) return name;
  return "";
}

Beam beam_of(std::string_view name) {
  std::vector<std::string> names;
  for (const auto& [b, known] : kBeams) {
    if (known == name) return b;
    names.emplace_back(known);
  }
  throw ConfigError("geometry: no beam '" + std::string(name) + "'" + did_you_mean(std::string(name), names));
}

double ScanGeometry::field_radius() const {
  const double left = std::abs(column_position(-0.5)), right = std::abs(column_position(static_cast<double>(columns) - 0.5));
  if (beam == Beam::parallel) return std::min(left, right);
  const double angle = std::min(std::abs(fan_angle(-0.5)), std::abs(fan_angle(static_cast<double>(columns) - 0.5)));
  return source_to_isocenter * std::sin(angle);
}

ScanGeometry ScanGeometry::summed(std::size_t row_factor, std::size_t column_factor) const {
  const auto divide = [](std::size_t n, std::size_t factor, const char* what) {
    if (factor == 0 || n % factor != 0)
      throw ConfigError("cannot sum " + std::to_string(factor) + " " + what + " of " + std::to_string(n) +
                        ": choose a divisor of " + std::to_string(n));
    return n / factor;
  };
  // The central ray keeps its place: with n elements at (n-1)/2 + offset, groups of f lie at (that - (f-1)/2) / f.
  ScanGeometry s = *this;
  s.rows = divide(rows, row_factor, "rows");
  s.columns = divide(columns, column_factor, "columns");
  s.row_pitch *= static_cast<double>(row_factor);
  s.column_pitch *= static_cast<double>(column_factor);
  s.row_offset /= static_cast<double>(row_factor);
  s.column_offset /= static_cast<double>(column_factor);
  return s;
}

void ScanGeometry::check() const {
  require(columns > 0, "at least one column", static_cast<double>(columns));
  require(rows > 0, "at least one row", static_cast<double>(rows));
  require(views > 0, "at least one view", static_cast<double>(views));
  require(views_per_rotation > 0, "at least one view per rotation", static_cast<double>(views_per_rotation));
  require(column_pitch > 0, "a positive column pitch [mm]", column_pitch);
  require(row_pitch > 0, "a positive row pitch [mm]", row_pitch);
  require(std::abs(column_offset) <= static_cast<double>(columns), "a column offset within the detector [element]",
          column_offset);
  require(angle_step != 0 && std::isfinite(angle_step), "an angle step other than 0 [rad]", angle_step);
  require(std::isfinite(first_angle), "a finite first angle [rad]", first_angle);
  require(std::isfinite(table_feed), "a finite table feed [mm a turn]", table_feed);
  require(std::isfinite(first_table_position), "a finite first table position [mm]", first_table_position);
  if (is_helical() && beam != Beam::cone_arc && beam != Beam::cone_flat)
    throw ConfigError("scan geometry: a moving table needs true cone rays: expected cone-arc or cone-flat, got " +
                      std::string(beam_name(beam)));
  require(rotation_time >= 0 && std::isfinite(rotation_time), "a rotation time of at least 0 [s]", rotation_time);
  if (beam == Beam::parallel) return;
  require(source_to_isocenter > 0, "a positive source-to-isocenter distance [mm]", source_to_isocenter);
  require(source_to_detector > source_to_isocenter, "a source-to-detector distance beyond the isocenter [mm]",
          source_to_detector);
}

void ScanGeometry::require_standing_table() const {
  if (is_helical())
    throw ConfigError("expected a standing table, got a helical scan (table feed " + number_text(table_feed) +
                      " mm a turn); use HelicalReconstruction (docs/helical.md)");
}

}  // namespace counterflow
