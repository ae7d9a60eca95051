// What the model leaves of the counts of a vector of rays: the signed root of each bin's deviance,
//   d = sign(y - lambda) sqrt(2 [lambda - y + y ln(y/lambda)]),   sum_b d^2 / 2 = L - its smallest value,
// about normal with variance 1. Kernel sources only.
#pragma once
#include "gadgets/decomposition/moments.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

template <class Real>
Vector<Real> root(Vector<Real> x) {
  Vector<Real> out;
  for (std::size_t i = 0; i < Lanes<Real>::kCount; ++i) {
    if constexpr (sizeof(Real) == 4) out[i] = __builtin_sqrtf(x[i]);
    else out[i] = __builtin_sqrt(x[i]);
  }
  return out;
}

template <class Real>
struct DevianceRoot {
  Vector<Real> value, by_lambda, by_counts;  // d and its derivatives; by_counts is that at half a count where there is none

  DevianceRoot(Vector<Real> y, Vector<Real> lambda) {
    using V = Vector<Real>;
    const V seen = y > 0 ? y : all<Real>(static_cast<Real>(0.5)), q = (lambda - seen) / seen, less = x_minus_log1p<Real>(q);
    const V rest = y - lambda, size = root<Real>(y > 0 ? 2 * y * less : 2 * lambda);
    // Near y = lambda, r = y/lambda - 1: d^2/2 = lambda r^2/2 (1 - r/3 + r^2/6 - r^3/10 + r^4/15).
    const V r = rest / lambda, lambda_root = root<Real>(lambda);
    const auto c = [](double number) { return static_cast<Real>(number); };
    const V series = root<Real>(1 + r * (c(-1. / 3) + r * (c(1. / 6) + r * (c(-0.1) + r * c(1. / 15)))));
    const V logarithm = 1 + r * (c(-0.5) + r * (c(1. / 3) + r * (c(-0.25) + r * c(0.2))));  // ln(1 + r) / r
    const auto near = magnitude(r) < c(sizeof(Real) == 4 ? 1e-2 : 1e-3);
    value = near ? lambda_root * r * series : rest < 0 ? -size : size;
    const V safe = near ? lambda_root : value;
    by_lambda = near ? -1 / (lambda_root * series) : -rest / (lambda * safe);
    by_counts = near ? logarithm / (lambda_root * series) : (less - q) / safe;  // ln(y/lambda) = less - q
  }
};

}  // namespace
}  // namespace counterflow::COUNTERFLOW_KERNEL
