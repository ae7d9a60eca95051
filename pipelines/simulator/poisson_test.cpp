#include "pipelines/simulator/poisson.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "core/error.h"

namespace counterflow {
namespace {

TEST(Poisson, log_factorial_is_the_sum_of_logarithms) {
  double sum = 0;
  for (int k = 1; k <= 300; ++k) {
    sum += std::log(k);
    EXPECT_NEAR(log_factorial(k), sum, 3e-15 * sum + 1e-15) << k;
  }
  EXPECT_EQ(log_factorial(0), 0);
}

TEST(Poisson, mean_and_variance_are_the_mean) {
  constexpr int kDraws = 400000;
  for (double mean : {0.03, 0.7, 4.0, 9.99, 10.01, 33.3, 250.0, 1e4, 1e6, 1e7}) {
    const Poisson poisson(mean);
    Philox random(11, 3, static_cast<std::uint64_t>(mean * 100));
    double sum = 0, squares = 0;
    for (int i = 0; i < kDraws; ++i) {
      const double d = poisson(random) - mean;
      sum += d;
      squares += d * d;
    }
    const double n = kDraws, variance = squares / n - sum / n * sum / n;
    EXPECT_NEAR(sum / n, 0, 4 * std::sqrt(mean / n)) << mean;
    // The variance of a sample variance: (mu4 - sigma^4) / n with mu4 = mean (1 + 3 mean).
    EXPECT_NEAR(variance, mean, 4 * std::sqrt((mean + 2 * mean * mean) / n)) << mean;
  }
}

// Pearson's chi-square over all values expected at least 20 times, the tails lumped; within 4.5 sigma of its degrees of freedom.
TEST(Poisson, numbers_come_as_often_as_their_probability) {
  constexpr double kDraws = 400000;
  for (double mean : {0.5, 3.0, 9.5, 10.5, 14.0, 60.0, 1000.0}) {
    const Poisson poisson(mean);
    Philox random(5, 8, static_cast<std::uint64_t>(mean * 100));
    std::map<long, double> seen;
    for (int i = 0; i < static_cast<int>(kDraws); ++i) seen[static_cast<long>(poisson(random))] += 1;
    double chi = 0, cells = 0, rest_seen = kDraws, rest_expected = kDraws;
    for (long k = 0; k < static_cast<long>(mean + 12 * std::sqrt(mean) + 30); ++k) {
      const double x = static_cast<double>(k), expected = kDraws * std::exp(x * std::log(mean) - mean - log_factorial(x));
      if (expected < 20) continue;
      const double found = seen[k];
      chi += (found - expected) * (found - expected) / expected;
      rest_seen -= found;
      rest_expected -= expected;
      ++cells;
    }
    if (rest_expected > 5) chi += (rest_seen - rest_expected) * (rest_seen - rest_expected) / rest_expected;
    EXPECT_LT(std::abs(chi - cells), 4.5 * std::sqrt(2 * cells)) << mean;
  }
}

TEST(Poisson, of_nothing_is_nothing_and_of_nonsense_is_refused) {
  Philox random(1, 2);
  EXPECT_EQ(Poisson(0)(random), 0);
  EXPECT_THROW(Poisson(-1), DataError);
  EXPECT_THROW(Poisson(std::nan("")), DataError);
}

}  // namespace
}  // namespace counterflow
