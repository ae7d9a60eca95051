// Sums along the rays of cones through lines of voxel columns, and their exact transpose.
//
//   sums[c][ray][r] += sum over lines i of (1-g) w[k] + g w[k+1],   w[k] = (1-f) v[c][i][j][k] + f v[c][i][j+1][k]
//   j + f = place + slope i,   k + g = (height + height_slope i) + (step + step_slope i) r
//
// The rays of a detector column lie above each other, so on a line they have two voxel columns in common. These are first blended
// into one line along z, and this is sampled at the rows' even steps: both read and write contiguous pieces.
// This header is included by sources compiled for other instruction sets: plain data only.
#pragma once
#include "core/reconstruction/projection_kernel.h"

namespace counterflow::projection {

template <class Real>
struct ConeLines {
  Lines lines;                    // a voxel column is a block: slices rounded up to cache lines, with zeros
  std::size_t slices = 0;         // voxels of a column
  std::size_t channels = 1;       //
  std::size_t volume_stride = 0;  // elements a channel
  std::size_t rows = 0;           // of the detector
  std::size_t row_stride = 0;     // elements a ray: rows rounded up to cache lines
  std::size_t sums_stride = 0;    // elements a channel
  Real* room = nullptr;           // two lines of fbp::cone_line(rows, slices), zeros
};

// sums += sums of volume along the rays.
template <class Real>
using AddConeLines = void(const ConeLines<Real>&, const Real* volume, Real* sums);
// volume += its transpose; behind the last slice it leaves numbers without meaning.
template <class Real>
using SpreadConeLines = void(const ConeLines<Real>&, const Real* sums, Real* volume);

}  // namespace counterflow::projection

namespace counterflow::kernel_baseline {
projection::AddConeLines<float> add_cone_lines;
projection::AddConeLines<double> add_cone_lines;
projection::SpreadConeLines<float> spread_cone_lines;
projection::SpreadConeLines<double> spread_cone_lines;
}  // namespace counterflow::kernel_baseline

namespace counterflow::kernel_avx2 {
projection::AddConeLines<float> add_cone_lines;
projection::AddConeLines<double> add_cone_lines;
projection::SpreadConeLines<float> spread_cone_lines;
projection::SpreadConeLines<double> spread_cone_lines;
}  // namespace counterflow::kernel_avx2

namespace counterflow::kernel_avx512 {
projection::AddConeLines<float> add_cone_lines;
projection::AddConeLines<double> add_cone_lines;
projection::SpreadConeLines<float> spread_cone_lines;
projection::SpreadConeLines<double> spread_cone_lines;
}  // namespace counterflow::kernel_avx512
