// Backprojection of filtered cone-beam views into columns of voxels along z, and its exact transpose.
//
//   image[c][y][x][z] += sum over views of a [ (1-f) (1-g) q[i][r] + f (1-g) q[i+1][r] + (1-f) g q[i][r+1] + f g q[i+1][r+1] ]
//
// A pixel (x,y) and a view have one column i + f and one weight a for all z; the row r + g is affine in z. So the two columns,
// which lie along the rows in memory, are first blended into one line of rows, and this line is resampled along z: both steps
// read and write short contiguous pieces.
// This header is included by sources compiled for other instruction sets: plain data only.
#pragma once
#include <cstddef>

#include "core/reconstruction/padding.h"
#include "core/reconstruction/ray_hit.h"

namespace counterflow::fbp {

// Columns are counted with one empty guard on the left, as in the fan: 0 and columns + 1 are zero.
template <class Real>
struct ConeBackprojection {
  Rays rays = Rays::flat;        // flat or arc
  Real radius = 0;               // source to isocenter [mm]
  Real scale = 0, centre = 0;    // columns per unit tangent (flat) or radian (arc); place of the central ray [guarded column]
  Real last = 0;                 // columns + 1
  Real row_scale = 0;            // rows per unit tangent of the cone angle: source to detector / row pitch
  Real row_centre = 0;           // row that sees the height of the source
  Real z_first = 0, z_step = 0;  // of the voxels; z_step > 0 [mm]
  const Real* cosine = nullptr;  // [view] of the source angle; readable up to a multiple of kConeViews
  const Real* sine = nullptr;
  const Real* height = nullptr;  // [view] of the source [mm]
  std::size_t views = 0;
  std::size_t channels = 1;
  std::size_t rows = 0;           // of the detector
  std::size_t row_stride = 0;     // elements a column: rows rounded up (padded_line); what is beyond `rows` is zero
  std::size_t plane_stride = 0;   // elements a view and channel: (columns + 3) row_stride; rows [view][channel][column][row]
  const Real* x = nullptr;        // [nx] of pixels [mm]
  const Real* y = nullptr;        // [ny]
  std::size_t nx = 0, nz = 0;     // voxels
  std::size_t z_stride = 0;       // elements a pixel: nz rounded up (padded_line)
  std::size_t volume_stride = 0;  // elements a channel: ny nx z_stride; image [channel][y][x][z]
  Real* line = nullptr;           // room for two lines (cone_line) of zeros, of one thread
};

inline constexpr std::size_t kConeViews = 16;   // views whose columns and weights are computed together
inline constexpr std::size_t kConeTile = 4;     // pixels on a side
inline constexpr std::size_t kConeGuard = 128;  // zeros on either side of a line

// Room of one line of rows or voxels with its guards.
template <class Real>
constexpr std::size_t cone_line(std::size_t rows, std::size_t nz) {
  return padded_line<Real>(rows > nz ? rows : nz) + 2 * kConeGuard;
}

// A rectangle of pixels, at most kConeTile on a side.
struct Pixels {
  std::size_t x_begin = 0, x_end = 0, y_begin = 0, y_end = 0;
};

// image += rows.
template <class Real>
using ConeGather = void(const ConeBackprojection<Real>&, const Pixels&, const Real* rows, Real* image);
// image += variances of the same sums, from rows of variances V and of covariances C of columns i, i+1 (rows are independent):
// the weights of V squared, and 2 f (1-f) for C.
template <class Real>
using ConeVariance = void(const ConeBackprojection<Real>&, const Pixels&, const Real* v, const Real* c, Real* image);
// Rows of view 0 += transpose of image, whose padding along z is not read; rows[.][.][.][r >= rows] are left anyhow.
template <class Real>
using ConeScatter = void(const ConeBackprojection<Real>&, const Pixels&, const Real* image, Real* rows);

}  // namespace counterflow::fbp

namespace counterflow::kernel_baseline {
fbp::ConeGather<float> cone_gather;
fbp::ConeGather<double> cone_gather;
fbp::ConeVariance<float> cone_variance;
fbp::ConeVariance<double> cone_variance;
fbp::ConeScatter<float> cone_scatter;
fbp::ConeScatter<double> cone_scatter;
}  // namespace counterflow::kernel_baseline

namespace counterflow::kernel_avx2 {
fbp::ConeGather<float> cone_gather;
fbp::ConeGather<double> cone_gather;
fbp::ConeVariance<float> cone_variance;
fbp::ConeVariance<double> cone_variance;
fbp::ConeScatter<float> cone_scatter;
fbp::ConeScatter<double> cone_scatter;
}  // namespace counterflow::kernel_avx2

namespace counterflow::kernel_avx512 {
fbp::ConeGather<float> cone_gather;
fbp::ConeGather<double> cone_gather;
fbp::ConeVariance<float> cone_variance;
fbp::ConeVariance<double> cone_variance;
fbp::ConeScatter<float> cone_scatter;
fbp::ConeScatter<double> cone_scatter;
}  // namespace counterflow::kernel_avx512
