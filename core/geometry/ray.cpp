#include "core/geometry/ray.h"

namespace counterflow {
namespace {

Ray parallel_ray(const ScanGeometry& geometry, double angle, double column, double row, double table_position) {
  const double u = geometry.column_position(column), c = std::cos(angle), s = std::sin(angle);
  return {{u * s, -u * c, geometry.slice_position(row) + table_position}, {-c, -s, 0}};
}

}  // namespace

Ray ray_of(const ScanGeometry& geometry, double angle, double column, double row, double spot, double table_position) {
  if (geometry.beam == Beam::parallel) return parallel_ray(geometry, angle, column, row, table_position);
  const double c = std::cos(angle), s = std::sin(angle), distance = geometry.source_to_isocenter;
  const double fan = geometry.fan_angle(column), cos_fan = std::cos(fan), sin_fan = std::sin(fan);
  // -(cos, sin) turned by the fan angle, counter-clockwise.
  const Vector3 towards{-c * cos_fan + s * sin_fan, -c * sin_fan - s * cos_fan, 0};
  const double reach = geometry.is_arc() ? geometry.source_to_detector : geometry.source_to_detector / cos_fan;
  const Vector3 source{distance * c, distance * s, 0};
  Vector3 origin = source + Vector3{-spot * s, spot * c, 0};
  Vector3 target = source + reach * towards;
  if (geometry.is_fan()) {
    origin.z = target.z = geometry.slice_position(row);
  } else {
    target.z = (row - (static_cast<double>(geometry.rows) - 1) / 2 - geometry.row_offset) * geometry.row_pitch;
  }
  const Vector3 way = target - origin;
  origin.z += table_position;
  return {origin, (1 / norm(way)) * way};
}

}  // namespace counterflow
