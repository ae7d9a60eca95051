#include "pipelines/simulator/drawn_counts.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/physics/count_pairs.h"
#include "pipelines/simulator/poisson.h"

namespace counterflow {
namespace {

using Shape = Array<double, 3>::Shape;

// Streams of a view behind those of its bins.
std::uint64_t spread_stream(const Shape& s, std::size_t pixel) { return s[0] * s[1] * s[2] + pixel; }
std::uint64_t pair_stream(const Shape& s, std::size_t pixel) { return (s[0] + 1) * s[1] * s[2] + pixel; }

// Each pixel and bin has a stream of its own.
Array<float, 3> drawn_alone(const Array<double, 3>& expected, std::uint64_t seed, std::uint64_t view, bool rows_alike) {
  const auto [bins, rows, columns] = expected.shape();
  Array<float, 3> out(expected.shape());
  for (std::size_t b = 0; b < bins; ++b)
    for (std::size_t c = 0; c < columns; ++c) {
      Poisson poisson(expected(b, 0u, c));
      for (std::size_t r = 0; r < rows; ++r) {
        if (!rows_alike && r > 0) poisson = Poisson(expected(b, r, c));
        Philox random(seed, view, (r * columns + c) * bins + b);
        out(b, r, c) = static_cast<float>(poisson(random));
      }
    }
  return out;
}

// The bin in which a number of [0, sum of the values) falls.
template <class Value>
std::size_t bin_at(const Array<Value, 3>& values, std::size_t row, std::size_t column, double place) {
  std::size_t bin = 0;
  for (; bin + 1 < values.extent(0); ++bin)
    if ((place -= static_cast<double>(values(bin, row, column))) < 0) break;
  return bin;
}

// Given their sum, counts of bins are multinomial: taking away counts at random or adding some by their means leaves them so.
void pull_to_mean(const ExpectedView& expected, std::size_t row, std::size_t column, Philox random, Array<float, 3>& counts) {
  const double spread = expected.spread(row, column);
  if (!(spread < 1)) return;
  double mean = 0, sum = 0;
  for (std::size_t b = 0; b < counts.extent(0); ++b) {
    mean += expected.counts(b, row, column);
    sum += static_cast<double>(counts(b, row, column));
  }
  constexpr double kRounding = 1. / 6;  // variance of rounding up or down at random, of counts that are not few
  const double factor = mean > 10 ? std::sqrt(std::max(0.0, spread * spread - kRounding / mean)) : spread;
  const double target = std::floor(mean + factor * (sum - mean) + random.uniform());
  for (; sum > target; --sum) --counts(bin_at(counts, row, column, sum * random.uniform()), row, column);
  for (; sum < target; ++sum) ++counts(bin_at(expected.counts, row, column, mean * random.uniform()), row, column);
}

// Pairs of a view: means, limited so that no bin shares more counts than it has.
class Pairs {
 public:
  explicit Pairs(const ExpectedView& expected)
      : expected_(expected), bins_(expected.counts.extent(0)), share_(expected.counts.shape()) {
    Array<double, 3> shared(share_.shape());
    each([&](std::size_t, std::size_t b, auto p, std::size_t c, auto q, double mean) {
      shared(b, p[0], p[1]) += mean;
      shared(c, q[0], q[1]) += mean;
    });
    for (std::size_t i = 0; i < share_.size(); ++i)
      share_[i] = shared[i] > expected.counts[i] ? expected.counts[i] / shared[i] : 1;
  }

  // Moves common counts of pixels to `counts` and their means out of `rest`.
  void draw(std::uint64_t seed, std::uint64_t view, Array<double, 3>& rest, Array<float, 3>& counts) const {
    std::size_t last = rest.size();
    Philox random(seed, view, 0);
    each([&](std::size_t pixel, std::size_t b, auto p, std::size_t c, auto q, double mean) {
      mean *= std::min(share_(b, p[0], p[1]), share_(c, q[0], q[1]));
      if (!(mean > 0)) return;
      if (pixel != last) random = Philox(seed, view, pair_stream(rest.shape(), last = pixel));
      const float common = static_cast<float>(Poisson(mean)(random));
      counts(b, p[0], p[1]) += common;
      counts(c, q[0], q[1]) += common;
      rest(b, p[0], p[1]) -= mean;
      rest(c, q[0], q[1]) -= mean;
    });
  }

 private:
  // visit(pixel, bin, {row, column}, other bin, {row, column} of the other pixel, mean) for every pair, pixel by pixel.
  template <class Visit>
  void each(Visit&& visit) const {
    const std::size_t rows = expected_.counts.extent(1), columns = expected_.counts.extent(2);
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t k = 0; k < columns; ++k)
        for (std::size_t d = 0; d < kPairDirections.size(); ++d) {
          const std::size_t r2 = r + static_cast<std::size_t>(kPairDirections[d][0]);
          const std::size_t k2 = k + static_cast<std::size_t>(kPairDirections[d][1]);  // wraps to a large one before column 0
          if (r2 >= rows || k2 >= columns) continue;
          const double *here = means(r, k, d), *there = means(r2, k2, d);
          for (std::size_t b = 0; b < bins_; ++b)
            for (std::size_t c = 0; c < bins_; ++c, ++here, ++there)
              visit(r * columns + k, b, std::array{r, k}, c, std::array{r2, k2}, std::min(*here, *there));
        }
  }
  const double* means(std::size_t row, std::size_t column, std::size_t direction) const {
    const auto& pairs = expected_.pairs;
    return &pairs(pairs.extent(0) == 1 ? 0 : row, column, direction * bins_ * bins_);
  }

  const ExpectedView& expected_;
  std::size_t bins_;
  Array<double, 3> share_;  // [bin,row,column] of the pairs' means that can be
};

}  // namespace

Array<float, 3> drawn_counts(const ExpectedView& expected, std::uint64_t seed, std::uint64_t view, bool rows_alike) {
  if (!expected.pairs.empty()) {
    Array<double, 3> rest = expected.counts;
    Array<float, 3> common(rest.shape());
    Pairs(expected).draw(seed, view, rest, common);
    for (double& v : rest) v = std::max(v, 0.0);
    Array<float, 3> counts = drawn_alone(rest, seed, view, false);
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += common[i];
    return counts;
  }
  Array<float, 3> counts = drawn_alone(expected.counts, seed, view, rows_alike);
  if (!expected.spread.empty())
    for (std::size_t r = 0; r < counts.extent(1); ++r)
      for (std::size_t c = 0; c < counts.extent(2); ++c) {
        const std::size_t pixel = r * counts.extent(2) + c;
        pull_to_mean(expected, r, c, Philox(seed, view, spread_stream(counts.shape(), pixel)), counts);
      }
  return counts;
}

}  // namespace counterflow
