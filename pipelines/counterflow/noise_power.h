// Noise power spectrum of an image in uniform regions (docs/evaluation.md).
#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "core/array.h"
#include "core/geometry/scan_geometry.h"

namespace counterflow {

// Lower corner of a square [pixel].
struct Corner {
  std::size_t x = 0, y = 0;
};

struct NoisePower {
  std::size_t side = 0, squares = 0;  // pixels; squares of all slices
  std::vector<double> frequency{};    // [1/mm], mean of the ring; without 0
  std::vector<double> power{};        // [unit^2 mm^2], mean over the ring
  double variance = 0;                // integral over the plane of frequencies [unit^2]
  double peak() const;                // frequency of the largest power [1/mm]
  double mean() const;                // mean frequency weighted by the power [1/mm]
};

// Squares of `side` pixels that lie wholly on the given pixels (indices y nx + x), half a side apart.
std::vector<Corner> squares_on(std::span<const std::size_t> pixels, const ImageGrid& grid, std::size_t side);

// NPS(f) = dx dy / n^2 < |DFT of a square|^2 > over squares and slices, each less its quadratic trend (AAPM TG-233, Samei et al.
// 2019; Friedman et al. 2013; IEC 62220-1), averaged over rings of a width of 1 / (n dx). The integral is the variance of the
// squares.
NoisePower noise_power(const Array<float, 4>& value, std::size_t channel, const ImageGrid& grid, std::span<const Corner> corners,
                       std::size_t side);

}  // namespace counterflow
