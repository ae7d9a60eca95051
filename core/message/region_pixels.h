// Which pixels of an image show a region of the truth.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "core/geometry/scan_geometry.h"
#include "core/message/truth.h"

namespace counterflow {

// Part of a region's radius that is measured, so that blurred edges stay out; and part of the radius of smaller regions inside it
// that is left out.
constexpr double kMeasuredPart = 0.8, kLeftOutPart = 1.2;

// Indices y nx + x of the pixels whose centres lie in the measured part of a region.
inline std::vector<std::size_t> pixels_of(const Region& region, const std::vector<Region>& all, const ImageGrid& grid,
                                          double part = kMeasuredPart) {
  const auto within = [](const Region& r, double of, double x, double y) {
    return std::hypot(x - r.x, y - r.y) <= of * r.radius;
  };
  std::vector<std::size_t> out;
  for (std::size_t j = 0; j < grid.ny; ++j)
    for (std::size_t i = 0; i < grid.nx; ++i) {
      const double x = grid.x(static_cast<double>(i)), y = grid.y(static_cast<double>(j));
      if (!within(region, part, x, y)) continue;
      const bool in_smaller = std::ranges::any_of(all, [&](const Region& other) {
        return other.radius < region.radius && within(region, 1, other.x, other.y) && within(other, kLeftOutPart, x, y);
      });
      if (!in_smaller) out.push_back(j * grid.nx + i);
    }
  return out;
}

}  // namespace counterflow
