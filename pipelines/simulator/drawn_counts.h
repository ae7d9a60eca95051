// Integer counts with the means of an ExpectedView.
#pragma once
#include <cstdint>

#include "core/array.h"
#include "pipelines/simulator/expected_view.h"

namespace counterflow {

// The same for the same seed and view whoever draws and when. `rows_alike`: all rows have the same means (saves time).
//
// Counts are Poisson numbers. With `pairs`, neighbours share some of them: each pair of pixels and bins gets a Poisson number of
// common counts, and the rest of a bin's mean is its own, so that every bin is Poisson with its mean and the covariance of
// neighbours is the pairs' mean (the smaller one of the two pixels, scaled down where a bin has less than its share of pairs).
// With `spread`, the sum X over a pixel's bins goes to mean + spread (X - mean) by counts that are taken away or added at random.
Array<float, 3> drawn_counts(const ExpectedView& expected, std::uint64_t seed, std::uint64_t view, bool rows_alike);

}  // namespace counterflow
