#include "core/reconstruction/ramp_filter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <random>
#include <vector>

namespace counterflow {
namespace {

constexpr double kPi = std::numbers::pi;

// The ramp's kernel (ramp_filter.h).
double ramp(std::ptrdiff_t lag, double arc_spacing) {
  if (lag == 0) return 0.25;
  if (lag % 2 == 0) return 0;
  const double g = static_cast<double>(lag) * arc_spacing, arc = arc_spacing > 0 ? g / std::sin(g) : 1;
  return -arc * arc / std::pow(kPi * static_cast<double>(lag), 2);
}

// Rows as gadgets have them: contiguous and weighted to interleaved, and back; with what the filter must leave alone between.
struct Layout {
  std::size_t in_step, in_row, out_step, out_row;
  bool before, after;
};

template <class Real>
void expect_direct_sums(Isa isa, std::size_t columns, std::size_t count, Layout layout, double arc_spacing, double tolerance) {
  const fbp::RampFilter<Real> filter({columns, arc_spacing, "ram-lak", 1, true}, isa);
  std::mt19937_64 random(5);
  std::uniform_real_distribution<double> unit(0, 1);
  const auto numbers = [&](std::size_t n) {
    std::vector<Real> v(n);
    for (Real& x : v) x = static_cast<Real>(unit(random));
    return v;
  };
  const auto in = numbers(columns * layout.in_step + count * layout.in_row);
  const auto weights = numbers(columns);
  const auto kept = numbers(columns * layout.out_step + count * layout.out_row);
  std::vector<Real> out[3] = {kept, kept, kept};
  const auto rows_to = [&](std::vector<Real>& to) {
    std::vector<fbp::FilterRow<Real>> rows;
    for (std::size_t i = 0; i < count; ++i)
      rows.push_back({in.data() + i * layout.in_row, layout.in_step, layout.before ? weights.data() : nullptr,
                      to.data() + i * layout.out_row, layout.out_step, layout.after ? weights.data() : nullptr});
    return rows;
  };
  typename fbp::RampFilter<Real>::Room room;
  filter.filter(rows_to(out[0]), room);
  filter.filter(rows_to(out[1]), room, fbp::Kernel::squared);
  filter.filter(rows_to(out[2]), room, fbp::Kernel::neighbours);
  const auto n = static_cast<std::ptrdiff_t>(columns);
  for (std::size_t i = 0; i < count; ++i)
    for (std::ptrdiff_t k = 0; k < n; ++k) {
      double sums[3] = {};
      for (std::ptrdiff_t j = 0; j < n; ++j) {
        const auto at = static_cast<std::size_t>(j);
        const double x = static_cast<double>(in[i * layout.in_row + at * layout.in_step]) * (layout.before ? weights[at] : 1);
        const double h = ramp(k - j, arc_spacing);
        sums[0] += h * x, sums[1] += h * h * x, sums[2] += h * ramp(k + 1 - j, arc_spacing) * x;
      }
      const auto at = static_cast<std::size_t>(k), to = i * layout.out_row + at * layout.out_step;
      for (int m = 0; m < 3; ++m) {
        const bool written = m < 2 || k + 1 < n;
        const double expected = written ? sums[m] * (layout.after ? weights[at] : 1) : static_cast<double>(kept[to]);
        ASSERT_NEAR(out[m][to], expected, tolerance) << "row " << i << " column " << k << " of " << m;
      }
    }
  if (layout.out_step > count) {
    EXPECT_EQ(out[0][count], kept[count]);
  }
}

template <class Real>
void expect_direct_sums(double tolerance) {
  for (Isa isa : available_isas())
    for (std::size_t count : {1, 5, 16, 32, 37, 64}) {
      SCOPED_TRACE(::testing::Message() << "isa " << static_cast<int>(isa) << " rows " << count);
      expect_direct_sums<Real>(isa, 23, count, {1, 23, 67, 1, true, false}, 0.02, tolerance);  // lengths 48, 50, 60, 75, 90
      expect_direct_sums<Real>(isa, 25, count, {66, 1, 1, 25, false, true}, 0, tolerance);
      expect_direct_sums<Real>(isa, 30, count, {1, 30, 1, 30, false, false}, 0.01, tolerance);
      expect_direct_sums<Real>(isa, 37, count, {2, 74, 3, 111, true, true}, 0, tolerance);
      expect_direct_sums<Real>(isa, 1, count, {1, 1, 1, 1, false, false}, 0, tolerance);
    }
}

TEST(RampFilter, is_the_direct_convolution_with_kak_and_slaneys_kernel_in_double) { expect_direct_sums<double>(1e-14); }
TEST(RampFilter, is_the_direct_convolution_with_kak_and_slaneys_kernel_in_float) { expect_direct_sums<float>(2e-6); }

TEST(RampFilter, windows_have_their_textbook_gains) {
  EXPECT_DOUBLE_EQ(fbp::window_gain("ram-lak", 1, 0.7), 1);
  EXPECT_DOUBLE_EQ(fbp::window_gain("shepp-logan", 1, 1), 2 / kPi);
  EXPECT_DOUBLE_EQ(fbp::window_gain("cosine", 1, 2.0 / 3), 0.5);
  EXPECT_DOUBLE_EQ(fbp::window_gain("hann", 0.5, 0.25), 0.5);
  EXPECT_DOUBLE_EQ(fbp::window_gain("hamming", 1, 1), 0.08);
  for (const auto& name : fbp::windows()) {
    EXPECT_DOUBLE_EQ(fbp::window_gain(name, 0.8, 0), 1) << name;
    EXPECT_DOUBLE_EQ(fbp::window_gain(name, 0.8, 0.81), 0) << name;
  }
}

}  // namespace
}  // namespace counterflow
