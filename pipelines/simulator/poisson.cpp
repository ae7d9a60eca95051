#include "pipelines/simulator/poisson.h"

#include <array>
#include <string>

#include "core/error.h"
#include "core/text.h"

namespace counterflow {

double log_factorial(double k) {
  static const std::array<double, 16> table = [] {
    std::array<double, 16> t{};
    double product = 1;
    for (std::size_t i = 1; i < t.size(); ++i) t[i] = std::log(product *= static_cast<double>(i));
    return t;
  }();
  if (k < static_cast<double>(table.size())) return table[static_cast<std::size_t>(k)];
  constexpr double kHalfLogTwoPi = 0.91893853320467274178;
  const double r = 1 / (k * k);
  const double series = (1.0 / 12 + r * (-1.0 / 360 + r * (1.0 / 1260 + r * (-1.0 / 1680 + r * (1.0 / 1188))))) / k;
  return (k + 0.5) * std::log(k) - k + kHalfLogTwoPi + series;
}

Poisson::Poisson(double mean) : mean_(mean) {
  if (!(mean >= 0) || !std::isfinite(mean))
    throw DataError("a Poisson number needs a finite mean of at least 0, got " + number_text(mean));
  if (mean < kLeastRejection) {
    start_ = std::exp(-mean);
    return;
  }
  log_mean_ = std::log(mean);
  b_ = 0.931 + 2.53 * std::sqrt(mean);
  a_ = -0.059 + 0.02483 * b_;
  v_r_ = 0.9277 - 3.6224 / (b_ - 2);
  log_inverse_alpha_ = std::log(1.1239 + 1.1328 / (b_ - 3.4));
}

double Poisson::inverted(Philox& random) const {
  constexpr int kEnd = 200;  // where even a mean of 10 leaves less than 2^-53
  double rest = random.uniform(), probability = start_;
  int k = 0;
  while (rest > probability && k < kEnd) {
    rest -= probability;
    probability *= mean_ / ++k;
  }
  return k;
}

double Poisson::rejected(Philox& random) const {
  while (true) {
    const double u = random.uniform() - 0.5, v = random.uniform(), us = 0.5 - std::abs(u);
    const double k = std::floor((2 * a_ / us + b_) * u + mean_ + 0.43);
    if (us >= 0.07 && v <= v_r_) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    const double proposal = std::log(v) + log_inverse_alpha_ - std::log(a_ / (us * us) + b_);
    if (proposal <= k * log_mean_ - mean_ - log_factorial(k)) return k;
  }
}

}  // namespace counterflow
