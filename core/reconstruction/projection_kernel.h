// Sums along rays through lines of voxels, and their exact transpose, where all slices and channels see the same rays: for many
// of them at once, and for one.
//
//   sums[ray][s] += sum over lines i of (1-f) v[i][j][s] + f v[i][j+1][s],   j + f = place + slope i
//
// The slice-material s is innermost in memory, so that index and weights are found once for all of them.
// This header is included by sources compiled for other instruction sets: plain data only.
#pragma once
#include <cstddef>

#include "core/reconstruction/view_rays.h"

namespace counterflow::projection {

inline constexpr std::size_t kGuard =
    2;  // zeros before the first and behind the last place of a line: a ray's ends, and rounding
inline constexpr std::size_t kRoom = 64;  // numbers before the first and behind the last line that are read, and not used

// Lines [begin, end) of a volume and the rays that may cross them. A voxel's numbers are [block]; line i, place j is at
// i line_stride + (j + kGuard) block.
struct Lines {
  std::size_t begin = 0, end = 0;
  std::size_t line_stride = 0;
  std::size_t block = 1;  // a power of two up to a cache line, or whole cache lines
  const Crossing* crossings = nullptr;
  std::size_t rays = 0;
};

// sums[ray][block] += sums of volume along the rays.
template <class Real>
using AddLines = void(const Lines&, const Real* volume, Real* sums);
// volume += its transpose.
template <class Real>
using SpreadLines = void(const Lines&, const Real* sums, Real* volume);

}  // namespace counterflow::projection

namespace counterflow::kernel_baseline {
projection::AddLines<float> add_lines;
projection::AddLines<double> add_lines;
projection::SpreadLines<float> spread_lines;
projection::SpreadLines<double> spread_lines;
}  // namespace counterflow::kernel_baseline

namespace counterflow::kernel_avx2 {
projection::AddLines<float> add_lines;
projection::AddLines<double> add_lines;
projection::SpreadLines<float> spread_lines;
projection::SpreadLines<double> spread_lines;
}  // namespace counterflow::kernel_avx2

namespace counterflow::kernel_avx512 {
projection::AddLines<float> add_lines;
projection::AddLines<double> add_lines;
projection::SpreadLines<float> spread_lines;
projection::SpreadLines<double> spread_lines;
}  // namespace counterflow::kernel_avx512
