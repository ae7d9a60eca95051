// The centre of rotation from the data: a ray and its conjugate, which runs the same way backwards, measure the same.
//
//   p(b, g) = p(b + pi + 2 g, -g)      b source angle, g fan angle; parallel: p(b, u) = p(b + pi, -u)
//
// The column offset is where the disagreement sum (p - p')^2 / sum (p^2 + p'^2) is least.
#pragma once
#include "core/array.h"
#include "core/geometry/scan_geometry.h"

namespace counterflow {

struct Center {
  double offset = 0;        // [element]
  double disagreement = 0;  // there; 0 = the rays agree
};

// `sinogram` [view,column] line integrals of the central row. Searches offsets up to a quarter of the columns. Throws DataError
// where the views have no opposite rays, or the best offset lies at the border.
Center find_center(const Array<float, 2>& sinogram, const ScanGeometry& geometry);

}  // namespace counterflow
