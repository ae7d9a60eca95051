#include "gadgets/bad_pixels/pixel_repair.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace counterflow {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t kBins = 3, kRows = 5, kColumns = 7;

Array<Fault, 2> faults_at(std::initializer_list<std::pair<std::size_t, std::size_t>> places) {
  Array<Fault, 2> faults({kRows, kColumns}, Fault::none);
  for (auto [r, c] : places) faults(r, c) = Fault::dead;
  return faults;
}

Array<double, 3> random_counts(std::mt19937_64& random, double low, double high) {
  std::uniform_real_distribution<double> uniform(low, high);
  Array<double, 3> x({kBins, kRows, kColumns});
  for (double& v : x) v = uniform(random);
  return x;
}

void expect_plan(const Array<Fault, 2>& faults, std::size_t row, std::size_t column,
                 std::vector<std::pair<std::size_t, double>> expected) {
  for (const RepairedPixel& p : plan_repair(faults)) {
    if (p.pixel != row * kColumns + column) continue;
    ASSERT_EQ(p.sources, expected.size());
    for (std::size_t s = 0; s < p.sources; ++s) {
      EXPECT_EQ(p.from[s], expected[s].first);
      EXPECT_NEAR(p.weight[s], expected[s].second, 1e-15);
    }
    return;
  }
  FAIL() << "not repaired";
}

TEST(PixelRepair, neighbours_stand_along_the_columns_unless_the_rows_are_nearer) {
  expect_plan(faults_at({{2, 3}}), 2, 3, {{2 * 7 + 2, 0.5}, {2 * 7 + 4, 0.5}});
  expect_plan(faults_at({{2, 3}, {2, 4}}), 2, 3, {{1 * 7 + 3, 0.5}, {3 * 7 + 3, 0.5}});
  expect_plan(faults_at({{1, 3}, {2, 3}, {3, 3}}), 2, 3, {{2 * 7 + 2, 0.5}, {2 * 7 + 4, 0.5}});
  expect_plan(faults_at({{0, 2}, {0, 3}}), 0, 2, {{1, 2. / 3}, {4, 1. / 3}});  // a cluster at the edge of the rows
  expect_plan(faults_at({{2, 0}}), 2, 0, {{1 * 7, 0.5}, {3 * 7, 0.5}});        // at the edge of the columns
  expect_plan(faults_at({{0, 0}}), 0, 0, {{1, 1}});                            // in the corner
}

TEST(PixelRepair, a_whole_bad_row_is_made_of_the_rows_around) {
  Array<Fault, 2> faults({kRows, kColumns}, Fault::none);
  for (std::size_t c = 0; c < kColumns; ++c) faults(4, c) = faults(2, c) = Fault::dead;
  expect_plan(faults, 2, 0, {{1 * 7, 0.5}, {3 * 7, 0.5}});
  expect_plan(faults, 4, 6, {{3 * 7 + 6, 1}});
}

TEST(PixelRepair, a_detector_without_good_neighbours_is_refused) {
  try {
    plan_repair(Array<Fault, 2>({1, 3}, Fault::dead));
    FAIL() << "accepted";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("row 0, column 0 has no good one"));
  }
}

TEST(PixelRepair, what_is_linear_in_the_columns_comes_back_whatever_the_gains) {
  std::mt19937_64 random(1);
  const Array<double, 3> open = random_counts(random, 500, 2000);
  Array<double, 3> x(open.shape());
  for (std::size_t b = 0; b < kBins; ++b)
    for (std::size_t r = 0; r < kRows; ++r)
      for (std::size_t c = 0; c < kColumns; ++c) x(b, r, c) = open(b, r, c) * (0.9 - 0.07 * static_cast<double>(c));
  const PixelRepair repair(faults_at({{1, 2}, {2, 2}, {3, 2}, {2, 3}, {1, 3}, {3, 3}}), open, 1);
  Array<double, 3> y = x, air = open;
  repair.apply(y);
  repair.apply(air);
  for (std::size_t b = 0; b < kBins; ++b) EXPECT_NEAR(y(b, 2, 3) / air(b, 2, 3), 0.9 - 0.07 * 3, 1e-14);
}

TEST(PixelRepair, repaired_counts_have_the_variance_of_poisson_counts) {
  std::mt19937_64 random(2);
  const Array<double, 3> open = random_counts(random, 500, 2000);
  const auto faults = faults_at({{2, 3}, {0, 2}, {0, 3}});
  for (double exposure : {1.0, 0.25}) {
    const PixelRepair repair(faults, open, exposure);
    Array<double, 3> mean = open;
    repair.apply(mean);
    for (const RepairedPixel& p : repair.pixels())
      for (std::size_t b = 0; b < kBins; ++b) {
        double variance = 0;  // sum_q c_q^2 o_q, from the images of unit vectors
        for (std::size_t s = 0; s < p.sources; ++s) {
          Array<double, 3> unit(open.shape());
          unit.block(b)[p.from[s]] = 1;
          repair.apply(unit);
          variance += unit.block(b)[p.pixel] * unit.block(b)[p.pixel] * open.block(b)[p.from[s]];
        }
        EXPECT_NEAR(variance, exposure * mean.block(b)[p.pixel], 1e-9 * variance);
      }
  }
}

TEST(PixelRepair, transposed_is_the_transpose) {
  std::mt19937_64 random(3);
  const PixelRepair repair(faults_at({{2, 3}, {2, 4}, {0, 0}, {4, 6}, {1, 1}}), random_counts(random, 1, 1000), 0.5);
  const Array<double, 3> x = random_counts(random, -1, 1), w = random_counts(random, -1, 1);
  Array<double, 3> y = x, x_bar = w;
  repair.apply(y);
  repair.apply_transposed(x_bar);
  double left = 0, right = 0, scale = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    left += w[i] * y[i];
    right += x_bar[i] * x[i];
    scale += std::abs(w[i] * y[i]);
  }
  EXPECT_NEAR(left, right, 1e-12 * scale);
  for (const RepairedPixel& p : repair.pixels()) EXPECT_EQ(x_bar[p.pixel], 0);
}

}  // namespace
}  // namespace counterflow
