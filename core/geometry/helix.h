// What a helical scan can show: how far along z every line is measured, and how fast the table may move.
//
// A view at parallel angle theta (source angle plus fan angle) shows a point of the plane at the offset t with the source at
// z_s = table position at the source angle theta - asin(t/R), at the distance L = sqrt(R^2 - t^2) - along in the plane; the
// detector covers z_s +- H L / 2R there, H its height at the isocenter. A slice is complete where every theta in a half turn
// has such a view, at theta or at theta + k pi (the ray from the other side), for every point of the field.
#pragma once
#include "core/geometry/scan_geometry.h"

namespace counterflow {

// Positions along the patient's z [mm]; empty where low > high.
struct HelixRange {
  double low = 0, high = 0;
};

// The slices that are complete within `radius` of the axis [mm]. Throws ConfigError for a scan that is not helical, is shorter
// than half a turn and twice the fan, or whose pitch is larger than largest_pitch.
HelixRange complete_slices(const ScanGeometry& geometry, double radius);

// The largest pitch at which no point within `radius` of the axis is missed by two successive half turns [1].
double largest_pitch(const ScanGeometry& geometry, double radius);

}  // namespace counterflow
