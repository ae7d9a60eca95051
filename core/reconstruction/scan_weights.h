// Weights of the rays before filtering: cosine, step, units, and the share of a ray among all that measure its line.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "core/geometry/scan_geometry.h"

namespace counterflow::fbp {

// Share of the ray (alpha, g) among the rays of a scan that measure the same line; the shares of a line sum to 1.
//
// alpha >= 0 is the angle that the source has turned since the scan's first edge, A the whole range (views |step|, each view
// in the middle of its step), g the fan angle, counted in the sense of rotation. A line is met again at
// (alpha + pi + 2 g, -g) and a turn later. With the period P = 2 pi (fan) or pi (parallel):
//   A = m P + e, m >= 1   c(alpha) pi / (m P): m periods averaged; c is 1, but fades in and out over e as sin^2
//   A < 2 pi (fan)        Parker (1982), for the virtual fan A - pi >= fan (Silver 2000), so that an over-scan fades smoothly
class Redundancy {
 public:
  // Throws ConfigError where some line through the field of view is never measured.
  explicit Redundancy(const ScanGeometry& geometry);
  double operator()(double alpha, double fan_angle) const;
  bool uniform() const { return periods_ > 0 && excess_ == 0; }
  double range() const { return range_; }

 private:
  double range_;         // A
  double periods_ = 0;   // m; 0: Parker
  double excess_ = 0;    // e
  double share_ = 1;     // of a ray where every period counts
  double half_fan_ = 0;  // of the virtual fan (A - pi) / 2
};

// Everything that multiplies a row before the filter, whose kernel is that of a spacing of 1:
//   arc       10 |step| share R cos g / dg          dg = pitch / source_to_detector [rad]
//   flat      10 |step| share cos g / ds            ds = pitch R / source_to_detector, the spacing at the isocenter [mm]
//   parallel  10 |step| share / pitch
// Cones as fans: what a row's angle adds (cos of the cone angle) is left to the caller.
// 10 mm a cm: g/cm^2 become g/cm^3, line integrals become 1/cm.
class ScanWeights {
 public:
  explicit ScanWeights(const ScanGeometry& geometry);
  // For the view at `angle` [rad]; throws DataError where no view of this scan can stand there.
  void of_view(double angle, std::span<double> weights) const;

 private:
  Redundancy redundancy_;
  double first_angle_, step_;
  std::vector<double> fan_angle_, column_weight_;  // [column]
};

}  // namespace counterflow::fbp
