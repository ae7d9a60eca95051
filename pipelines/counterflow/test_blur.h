// Images whose resolution is known: disks blurred by a Gaussian.
#pragma once
#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "core/geometry/scan_geometry.h"

namespace counterflow::testing {

// Value at the distance r from the middle of a disk of value 1, blurred by a Gaussian of deviation s:
// integral over rho < R of rho / s^2 exp(-(r^2 + rho^2) / 2 s^2) I0(r rho / s^2).
inline double blurred_disk(double r, double radius, double s) {
  const double low = std::max(0.0, r - 7 * s), high = std::min(radius, r + 7 * s);
  if (high <= low) return 0;
  constexpr int kSteps = 120;  // Simpson
  const auto term = [&](double rho) {
    const double z = r * rho / (s * s);
    const double i0 = z < 300 ? std::cyl_bessel_i(0.0, z) * std::exp(-z)
                              : (1 + 1 / (8 * z) + 9 / (128 * z * z)) / std::sqrt(2 * std::numbers::pi * z);
    return rho / (s * s) * std::exp(-(r - rho) * (r - rho) / (2 * s * s)) * i0;
  };
  double sum = term(low) + term(high);
  for (int k = 1; k < kSteps; ++k) sum += (k % 2 == 1 ? 4 : 2) * term(low + (high - low) * k / kSteps);
  return sum * (high - low) / (3 * kSteps);
}

// Adds `height` times a blurred disk to an image [y,x].
inline void add_disk(std::vector<double>& image, const ImageGrid& grid, double x, double y, double radius, double blur,
                     double height) {
  constexpr double kStep = 0.01;  // of the table [mm]
  const double first = std::max(0.0, radius - 7 * blur);
  std::vector<double> table;
  for (double r = first; r < radius + 7 * blur + 2 * kStep; r += kStep) table.push_back(blurred_disk(r, radius, blur));
  for (std::size_t j = 0; j < grid.ny; ++j)
    for (std::size_t i = 0; i < grid.nx; ++i) {
      const double r = std::hypot(grid.x(static_cast<double>(i)) - x, grid.y(static_cast<double>(j)) - y);
      const double at = std::max(0.0, (r - first) / kStep);
      const auto k = static_cast<std::size_t>(at);
      if (k + 1 >= table.size()) continue;
      const double part = at - static_cast<double>(k);
      image[j * grid.nx + i] += height * ((1 - part) * table[k] + part * table[k + 1]);
    }
}

inline double gaussian_mtf(double frequency, double s) {
  return std::exp(-2 * std::numbers::pi * std::numbers::pi * s * s * frequency * frequency);
}
// Where that is `level`.
inline double gaussian_frequency(double level, double s) { return std::sqrt(-std::log(level) / 2) / (std::numbers::pi * s); }

}  // namespace counterflow::testing
