// Smooth functions of one variable as sums of Chebyshev polynomials, f(x) = sum_j c_j T_j(x), x in [-1, 1].
#pragma once
#include <cmath>
#include <cstddef>
#include <numbers>
#include <span>
#include <utility>
#include <vector>

namespace counterflow {

// Node k of n, where a function of n coefficients is sampled.
inline double chebyshev_node(std::size_t k, std::size_t n) {
  return std::cos(std::numbers::pi * (static_cast<double>(k) + 0.5) / static_cast<double>(n));
}

// What a value at node k of n adds to coefficient j, for a value of 1.
inline double chebyshev_weight(std::size_t j, std::size_t k, std::size_t n) {
  const double phase = std::numbers::pi * (static_cast<double>(k) + 0.5) / static_cast<double>(n);
  return (j == 0 ? 1 : 2) / static_cast<double>(n) * std::cos(static_cast<double>(j) * phase);
}

// f(x), by Clenshaw's recurrence.
inline double chebyshev(std::span<const double> c, double x) {
  double next = 0, after = 0;
  for (std::size_t j = c.size(); j-- > 1;) {
    const double value = c[j] + 2 * x * next - after;
    after = next;
    next = value;
  }
  return c[0] + x * next - after;
}

// f(x) and f'(x): the recurrence and its derivative.
inline std::pair<double, double> chebyshev_with_slope(std::span<const double> c, double x) {
  double next = 0, after = 0, slope_next = 0, slope_after = 0;
  for (std::size_t j = c.size(); j-- > 1;) {
    const double value = c[j] + 2 * x * next - after, slope = 2 * next + 2 * x * slope_next - slope_after;
    after = next, slope_after = slope_next;
    next = value, slope_next = slope;
  }
  return {c[0] + x * next - after, next + x * slope_next - slope_after};
}

}  // namespace counterflow
