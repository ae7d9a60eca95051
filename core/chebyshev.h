// Smooth functions of one variable as sums of Chebyshev polynomials, f(x) = sum_j c_j T_j(x), x in [-1, 1].
#pragma once
#include <cmath>
#include <cstddef>
#include <numbers>
#include <span>

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

// T_j(x) and T_j'(x), j = 0 .. t.size() - 1, by the recurrence T_(j+1) = 2 x T_j - T_(j-1).
inline void chebyshev_polynomials(double x, std::span<double> t, std::span<double> slope) {
  t[0] = 1, slope[0] = 0;
  if (t.size() > 1) t[1] = x, slope[1] = 1;
  for (std::size_t j = 2; j < t.size(); ++j) {
    t[j] = 2 * x * t[j - 1] - t[j - 2];
    slope[j] = 2 * t[j - 1] + 2 * x * slope[j - 1] - slope[j - 2];
  }
}

}  // namespace counterflow
