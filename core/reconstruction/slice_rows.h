// From a volume that keeps the slices of a voxel together to images of one slice each.
#pragma once
#include <algorithm>
#include <cstddef>
#include <vector>

#include "core/array.h"
#include "core/parallel.h"

namespace counterflow::fbp {

// `n` images of zeros, [channel,1,y,x].
template <class Real>
std::vector<Array<Real, 4>> empty_slices(std::size_t n, const typename Array<Real, 4>::Shape& shape) {
  std::vector<Array<Real, 4>> slices(n);
  parallel_chunks(n, 1, [&](std::size_t z, std::size_t) { slices[z] = Array<Real, 4>(shape); });
  return slices;
}

// One row of one channel: slices[z](channel, 0, y, x) = from[x step + z]. In tiles, so that a cache line is read and written
// once: rows of images that lie a power of two apart would throw each other out of the cache.
template <class Real>
void deal_row(const Real* from, std::size_t step, std::size_t channel, std::size_t y, std::vector<Array<Real, 4>>& slices) {
  constexpr std::size_t kSide = 16;
  const std::size_t nx = slices.empty() ? 0 : slices[0].extent(3);
  Real tile[kSide][kSide];  // [z,x]
  for (std::size_t z0 = 0; z0 < slices.size(); z0 += kSide)
    for (std::size_t x0 = 0; x0 < nx; x0 += kSide) {
      const std::size_t nz = std::min(kSide, slices.size() - z0), n = std::min(kSide, nx - x0);
      for (std::size_t x = 0; x < n; ++x)
        for (std::size_t z = 0; z < nz; ++z) tile[z][x] = from[(x0 + x) * step + z0 + z];
      for (std::size_t z = 0; z < nz; ++z) std::copy_n(tile[z], n, &slices[z0 + z](channel, 0u, y, x0));
    }
}

}  // namespace counterflow::fbp
