// Backprojection of filtered parallel views of a helical scan into columns of voxels along z, and its exact transpose.
//
//   image[y][x][c][z] += sum over views of w(u) / N(z) [row of c at the voxel]
//
// The voxel at (x,y) is seen at the offset t = x sin b - y cos b, at the distance along = x cos b + y sin b towards the source,
// from L = sqrt(R^2 - t^2) - along, with the table at table - turn asin(t/R). u is its place on the detector in half heights from
// the detector's middle; w its weight, 1 up to the plateau, then fading to 0 at the detector's edge; N the sum of w over all
// views of the same line seen along z: this one and those k half turns away, where odd k see it from the other side. Columns and
// rows of the detector are interpolated linearly. This header is included by sources compiled for other instruction sets: plain
// data only.
#pragma once
#include <cstddef>

namespace counterflow::helical {

inline constexpr std::size_t kLanes = 16;  // views, and voxels along z, that are handled together
inline constexpr std::size_t kRows = 32;   // that kLanes voxels see, unless slices are much thicker than rows
inline constexpr std::size_t kTile = 8;    // pixels on a side: few enough that the columns that it sees stay in cache

// Lengths along z are in voxels, from the first slice. Columns are counted with one empty guard on the left: column i is i + 1
// here, and 0 and columns + 1 are zero, so that pixels beyond the detector fade to nothing.
template <class Real>
struct Helix {
  Real radius = 0;            // R [mm]
  Real columns_per_mm = 0;    // along t
  Real centre = 0;            // guarded column of t = 0
  Real last = 0;              // columns + 1
  const Real* fan = nullptr;  // [guarded column, columns + 3] asin(t/R) [rad]
  bool flat = false;          // detector: plane or cylinder
  Real slope = 0;             // half heights of the detector a voxel along z, times the distance in the plane [mm]
  Real offset = 0;            // half heights from the central ray to the detector's middle, downwards
  Real half_rows = 0;         // rows / 2
  Real fade = 0;              // 1 / (1 - plateau)
  Real half_turn = 0;         // table feed in half a turn, signed
  Real turn = 0;              // table feed a radian of fan angle, signed
  int reach = 0;              // views farther than this many half turns away never see the same voxel
  std::size_t rows = 0, row_stride = 0, channels = 0;  // filtered rows are [view][guarded column][channel][row_stride > rows],
                                                       // readable for kRows beyond
  std::size_t view_stride = 0;
  const Real* x = nullptr;                // [nx] of pixels [mm]
  const Real* y = nullptr;                // [ny]
  std::size_t nx = 0, nz = 0, depth = 0;  // image[y][x][channel][depth]; depth >= nz + kLanes - 1
};

// Of each view; arrays are readable up to a multiple of kLanes.
template <class Real>
struct Views {
  const Real* cosine = nullptr;  // of the parallel angle b
  const Real* sine = nullptr;
  const Real* table = nullptr;         // place of the table at source angle b
  const int* first_partner = nullptr;  // half turns to the first and the last view of the same line, at most 0, at least 0
  const int* last_partner = nullptr;
  std::size_t count = 0;
};

// A rectangle of pixels.
struct Tile {
  std::size_t x_begin = 0, x_end = 0, y_begin = 0, y_end = 0;
};

// image += rows.
template <class Real>
using Gather = void(const Helix<Real>&, const Views<Real>&, const Tile&, const Real* rows, Real* image);
// rows += transpose of image.
template <class Real>
using Scatter = void(const Helix<Real>&, const Views<Real>&, const Tile&, const Real* image, Real* rows);

}  // namespace counterflow::helical

namespace counterflow::kernel_baseline {
helical::Gather<float> gather;
helical::Gather<double> gather;
helical::Scatter<float> scatter;
helical::Scatter<double> scatter;
}  // namespace counterflow::kernel_baseline

namespace counterflow::kernel_avx2 {
helical::Gather<float> gather;
helical::Gather<double> gather;
helical::Scatter<float> scatter;
helical::Scatter<double> scatter;
}  // namespace counterflow::kernel_avx2

namespace counterflow::kernel_avx512 {
helical::Gather<float> gather;
helical::Gather<double> gather;
helical::Scatter<float> scatter;
helical::Scatter<double> scatter;
}  // namespace counterflow::kernel_avx512
