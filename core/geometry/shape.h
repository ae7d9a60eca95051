// Convex bodies with exact chords: ellipsoid, elliptic cylinder, box and cone frustum, each turned anyhow and cut by half-spaces.
#pragma once
#include <limits>
#include <vector>

#include "core/geometry/ray.h"

namespace counterflow {

// The part of a ray inside a body: begin < end in mm along the ray; empty where it misses.
struct Chord {
  double begin = 0, end = 0;
  bool empty() const { return !(begin < end); }
  double length() const { return empty() ? 0 : end - begin; }
};

// A body's own axes in the scanner's coordinates, orthonormal and right-handed.
struct Frame {
  Vector3 x{1, 0, 0}, y{0, 1, 0}, z{0, 0, 1};
  // z along `axis`, x along the part of `across` that is normal to it. Throws ConfigError where they are zero or parallel.
  static Frame of(Vector3 axis, Vector3 across);
  // Turned about z, counter-clockwise seen from +z [rad].
  static Frame turned(double angle);
};

class Shape {
 public:
  static constexpr double kInfinite = std::numeric_limits<double>::infinity();

  // |x/rx|^2 + |y/ry|^2 + |z/rz|^2 <= 1 in the body's frame.
  static Shape ellipsoid(Vector3 center, Vector3 radii, const Frame& frame = {});
  // |x/rx|^2 + |y/ry|^2 <= 1, |z| <= half_length.
  static Shape cylinder(Vector3 center, double rx, double ry, double half_length = kInfinite, const Frame& frame = {});
  // |x| <= half.x, ...; any may be infinite.
  static Shape box(Vector3 center, Vector3 half, const Frame& frame = {});
  // x^2 + y^2 <= r(z)^2 with r linear from radius_below at z = -half_length to radius_above at +half_length.
  static Shape cone(Vector3 center, double radius_below, double radius_above, double half_length, const Frame& frame = {});
  // What is left where normal . point <= offset (scanner coordinates).
  Shape& clip(Vector3 normal, double offset);

  Chord chord(const Ray& ray) const;
  bool contains(Vector3 point) const;
  // The same for every z.
  bool z_invariant() const;
  // No point of the body is farther than this from the z axis [mm].
  double reach() const;
  Vector3 center() const { return center_; }
  // Square of the radius of a sphere about the center that holds the body [mm^2]; may be infinite.
  double bound_squared() const { return bound_squared_; }
  // False only where no point within `radius` of `point` lies in the body.
  bool may_touch(Vector3 point, double radius) const;

 private:
  enum class Kind { ellipsoid, cylinder, box, cone };
  struct HalfSpace {
    Vector3 normal;
    double offset;
  };
  Shape(Kind kind, Vector3 center, Vector3 half, const Frame& frame);
  Vector3 to_local(Vector3 v) const { return {dot(row_x_, v), dot(row_y_, v), dot(row_z_, v)}; }
  double girth() const;
  Chord local_chord(Vector3 start, Vector3 way) const;

  Kind kind_;
  Vector3 center_, half_;
  Frame frame_;
  Vector3 row_x_, row_y_, row_z_;  // axes divided by half sizes where these are finite: the body becomes a unit body
  Vector3 limit_{1, 1, 1};         // half sizes in those coordinates: 1 or infinite
  double middle_ = 0, slant_ = 0;  // cone: r = middle_ + slant_ z
  double bound_squared_ = 0;       // of a sphere about the center [mm^2]
  std::vector<HalfSpace> clips_;
};

}  // namespace counterflow
