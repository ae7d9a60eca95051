// Backprojection of filtered rows into pixels, and its exact transpose, for many slice-materials at once.
//
//   image[y][x][s] += sum over views of a(v,x,y) [ (1-f) row[v][i][s] + f row[v][i+1][s] ]
//
// where i + f is the column that the pixel's ray meets and a the distance weight. The slice-material s (material and row) is
// innermost in memory, so that index and weights are found once for all of them and every access is contiguous.
// This header is included by sources compiled for other instruction sets: plain data only.
#pragma once
#include <cstddef>

#include "core/reconstruction/padding.h"
#include "core/reconstruction/ray_hit.h"

namespace counterflow::fbp {

// Ways in which a batch of rows is spread over pixels. Columns are counted with one empty guard on the left: column k of the
// detector is k + 1 here, and 0 and columns + 1 are zero, so that pixels beyond the detector fade to nothing.
template <class Real>
struct Backprojection {
  Rays rays = Rays::arc;
  Real radius = 0;               // source to isocenter [mm]
  Real scale = 0;                // columns per radian (arc), per unit tangent (flat), per mm (parallel)
  Real centre = 0;               // place of the central ray [guarded column]
  Real last = 0;                 // columns + 1
  const Real* cosine = nullptr;  // [view] of the source angle; readable up to a multiple of kLanes
  const Real* sine = nullptr;
  std::size_t views = 0;
  std::size_t block = 1;       // slice-materials, padded (padded_block)
  std::size_t row_stride = 0;  // elements a view: (columns + 3) block
  const Real* x = nullptr;     // [nx] of pixels [mm]; readable for kLanes beyond
  const Real* y = nullptr;     // [ny]
  std::size_t nx = 0;
};

// A rectangle of pixels.
struct Tile {
  std::size_t x_begin = 0, x_end = 0, y_begin = 0, y_end = 0;
};

inline constexpr std::size_t kLanes = 32;  // views (or pixels) whose indices and weights are computed together
inline constexpr std::size_t kTile = 8;    // pixels on a side: few enough that the rows' columns that it sees stay in cache

// image += rows.
template <class Real>
using Gather = void(const Backprojection<Real>&, const Tile&, const Real* rows, Real* image);
// image += variances of the same sums, from rows of variances V_k and of covariances C_k of neighbours k, k+1:
// a^2 [ (1-f)^2 V_i + f^2 V_{i+1} + 2 f (1-f) C_i ].
template <class Real>
using GatherVariance = void(const Backprojection<Real>&, const Tile&, const Real* v, const Real* c, Real* image);
// Row of view 0 += transpose of image.
template <class Real>
using Scatter = void(const Backprojection<Real>&, const Tile&, const Real* image, Real* row);

}  // namespace counterflow::fbp

namespace counterflow::kernel_baseline {
fbp::Gather<float> gather;
fbp::Gather<double> gather;
fbp::GatherVariance<float> gather_variance;
fbp::GatherVariance<double> gather_variance;
fbp::Scatter<float> scatter;
fbp::Scatter<double> scatter;
}  // namespace counterflow::kernel_baseline

namespace counterflow::kernel_avx2 {
fbp::Gather<float> gather;
fbp::Gather<double> gather;
fbp::GatherVariance<float> gather_variance;
fbp::GatherVariance<double> gather_variance;
fbp::Scatter<float> scatter;
fbp::Scatter<double> scatter;
}  // namespace counterflow::kernel_avx2

namespace counterflow::kernel_avx512 {
fbp::Gather<float> gather;
fbp::Gather<double> gather;
fbp::GatherVariance<float> gather_variance;
fbp::GatherVariance<double> gather_variance;
fbp::Scatter<float> scatter;
fbp::Scatter<double> scatter;
}  // namespace counterflow::kernel_avx512
