// How the rays of a view cross the lines of voxels of a grid.
//
// A ray that runs mostly along x crosses, for each index i along x, the line of the voxels (i, j): at the place j = place + slope
// i, between voxels. So does a ray that runs mostly along y, with x and y exchanged. In between voxels are interpolated (Joseph
// 1982). This header is included by sources compiled for other instruction sets: plain data only.
#pragma once
#include <cstddef>

namespace counterflow::projection {

// A ray, or in a cone the rays of all rows of a column: they lie above each other. It crosses the lines [begin, end) between its
// source and its detector, at places in (-1, voxels of a line). Cone: on line i the ray to row r passes the slice
// (height + height_slope i) + (step + step_slope i) r.
struct Crossing {
  double place = 0, slope = 0;
  double height = 0, height_slope = 0, step = 0, step_slope = 0;
  int begin = 0, end = 0;
};

}  // namespace counterflow::projection
