// Rays of a scan: straight lines from the focal spot to a place on the detector (conventions in scan_geometry.h).
#pragma once
#include <cmath>

#include "core/geometry/scan_geometry.h"

namespace counterflow {

struct Vector3 {
  double x = 0, y = 0, z = 0;
  friend Vector3 operator+(Vector3 a, Vector3 b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
  friend Vector3 operator-(Vector3 a, Vector3 b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
  friend Vector3 operator*(double s, Vector3 a) { return {s * a.x, s * a.y, s * a.z}; }
  bool operator==(const Vector3&) const = default;
};

inline double dot(Vector3 a, Vector3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
inline Vector3 cross(Vector3 a, Vector3 b) { return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x}; }
inline double norm(Vector3 a) { return std::sqrt(dot(a, a)); }

// The points origin + t direction, t in mm since the direction has length 1.
struct Ray {
  Vector3 origin, direction;
  Vector3 at(double t) const { return origin + t * direction; }
};

// The ray of a view at source angle `angle` [rad] to (column, row) of the detector, which may be fractional: k +- 1/2 are the
// edges of element k. `spot` moves the focal spot along (-sin, cos) of the angle [mm]; parallel beams have none.
// Fan and parallel rays lie in the plane of their row's slice; cone rays start at z = 0. All that in the scanner's system; the
// ray is given in the patient's, `table_position` higher [mm].
Ray ray_of(const ScanGeometry& geometry, double angle, double column, double row, double spot = 0, double table_position = 0);

}  // namespace counterflow
