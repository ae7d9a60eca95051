#include "core/reconstruction/projection_kernel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "core/kernel.h"
#include "core/reconstruction/cone_kernel.h"
#include "core/reconstruction/cone_projection_kernel.h"
#include "core/reconstruction/padding.h"

namespace counterflow {
namespace {

using projection::ConeLines;
using projection::Crossing;
using projection::kGuard;
using projection::kRoom;
using projection::Lines;

// Rays `spacing` places apart, of slopes around any; where they enter and leave by the sides, and where a source or a detector
// stands amid the lines, they cross some lines only. Of a cone besides: detectors that are higher and lower than the slices.
template <class Real>
struct Case {
  ConeLines<Real> job;
  std::size_t places, lines;
  std::vector<Crossing> crossings;
  std::vector<Real> volume, sums, room;

  Case(double spacing, std::size_t n, bool cone, std::mt19937_64& random) {
    std::uniform_real_distribution<double> unit(-1, 1);
    const auto size = [&](std::size_t low, std::size_t high) { return low + random() % (high - low); };
    places = size(3, 90), lines = size(17, n == 1 ? 700 : 120);
    Lines& l = job.lines;
    l.block = cone ? fbp::padded_line<Real>(n) : fbp::padded_block<Real>(n), l.rays = size(1, 70);
    l.line_stride = (places + 2 * kGuard) * l.block;
    l.begin = size(0, lines - 1), l.end = std::min(lines, l.begin + size(1, 65));  // as many as are followed at a time
    job.slices = n, job.channels = cone ? size(1, 4) : 1, job.rows = size(1, 70);
    job.volume_stride = 2 * kRoom + lines * l.line_stride;
    job.row_stride = cone ? fbp::padded_line<Real>(job.rows) : l.block, job.sums_stride = l.rays * job.row_stride;
    add_rays(spacing, unit(random), 0.4 * unit(random), random);
    l.crossings = crossings.data();
    volume.resize(job.channels * job.volume_stride), sums.resize(job.channels * job.sums_stride);
    for (std::size_t c = 0; c < job.channels; ++c)
      for (std::size_t i = 0; i < lines * places * n; ++i)
        at(volume, c, i / (places * n), i / n % places, i % n) = real(unit(random));
    for (std::size_t i = 0; i < sums.size(); ++i)
      if (i % job.row_stride < (cone ? job.rows : n)) sums[i] = real(unit(random));
    room.resize(2 * fbp::cone_line<Real>(job.rows, job.slices));
    job.room = room.data();
  }
  Case(const Case&) = delete;

  static Real real(double value) { return static_cast<Real>(value); }
  Real& at(std::vector<Real>& of, std::size_t c, std::size_t line, std::size_t place, std::size_t s) const {
    return of[c * job.volume_stride + kRoom + line * job.lines.line_stride + (place + kGuard) * job.lines.block + s];
  }

 private:
  void add_rays(double spacing, double slope, double fan, std::mt19937_64& random) {
    std::uniform_real_distribution<double> unit(-1, 1);
    const double first = unit(random) * 20, middle = static_cast<double>(random() % lines), n = static_cast<double>(places);
    const bool cut = random() % 3 == 0;
    for (std::size_t k = 0; k < job.lines.rays; ++k) {
      const double part = static_cast<double>(k) / 70;
      Crossing c;
      // Rays of a fan part from each other along the lines, or approach.
      c.slope = std::clamp(slope + fan * spacing * part, -1., 1.);
      c.place = first + spacing * static_cast<double>(k) - c.slope * middle;
      c.height = -3 - 5 * part, c.height_slope = 0.02, c.step = 0.3 + part, c.step_slope = 0.004;
      int begin = cut ? 10 : 0, end = static_cast<int>(lines) - (cut ? 5 : 0);
      const auto misses = [&](int i) { return !(c.place + c.slope * i > -1 && c.place + c.slope * i < n); };
      while (begin < end && misses(begin)) ++begin;
      while (begin < end && misses(end - 1)) --end;
      if (begin < end) c.begin = begin, c.end = end;
      crossings.push_back(c);
    }
  }
};

// The formulas of the kernels' headers, one number after another, in double: use(channel, line, place, slice, ray, row, weight).
template <class Real, class Use>
void plain(const Case<Real>& c, bool cone, Use&& use) {
  const Lines& l = c.job.lines;
  const auto weights = [](double at, std::size_t n, auto&& each) {
    const double first = std::floor(at);
    for (int i : {0, 1})
      if (first + i >= 0 && first + i < static_cast<double>(n))
        each(static_cast<std::size_t>(first + i), i == 0 ? 1 - (at - first) : at - first);
  };
  for (std::size_t k = 0; k < l.rays; ++k) {
    const Crossing& ray = c.crossings[k];
    const std::size_t begin = std::max(l.begin, static_cast<std::size_t>(ray.begin));
    for (std::size_t i = begin; i < std::min(l.end, static_cast<std::size_t>(ray.end)); ++i) {
      const double line = static_cast<double>(i);
      weights(ray.place + ray.slope * line, c.places, [&](std::size_t j, double w) {
        for (std::size_t s = 0; !cone && s < c.job.slices; ++s) use(0, i, j, s, k, s, w);
        for (std::size_t r = 0; cone && r < c.job.rows; ++r)
          weights(ray.height + ray.height_slope * line + (ray.step + ray.step_slope * line) * static_cast<double>(r),
                  c.job.slices, [&](std::size_t z, double g) {
                    for (std::size_t channel = 0; channel < c.job.channels; ++channel) use(channel, i, j, z, k, r, w * g);
                  });
      });
    }
  }
}

template <class Real>
void run(Isa isa, const ConeLines<Real>& job, bool cone, bool transposed, const Real* from, Real* to) {
  using namespace projection;
  if (cone && transposed)
    choose<SpreadConeLines<Real>>(kernel_baseline::spread_cone_lines, kernel_avx2::spread_cone_lines,
                                  kernel_avx512::spread_cone_lines, isa)(job, from, to);
  else if (cone)
    choose<AddConeLines<Real>>(kernel_baseline::add_cone_lines, kernel_avx2::add_cone_lines, kernel_avx512::add_cone_lines, isa)(
        job, from, to);
  else if (transposed)
    choose<SpreadLines<Real>>(kernel_baseline::spread_lines, kernel_avx2::spread_lines, kernel_avx512::spread_lines, isa)(
        job.lines, from, to);
  else
    choose<AddLines<Real>>(kernel_baseline::add_lines, kernel_avx2::add_lines, kernel_avx512::add_lines, isa)(job.lines, from,
                                                                                                              to);
}

template <class Real>
void compare(Isa isa, Case<Real>& c, bool cone, double tolerance) {
  const auto sum_at = [&](std::size_t channel, std::size_t ray, std::size_t r) {
    return channel * c.job.sums_stride + ray * c.job.row_stride + r;
  };
  const std::size_t outputs = cone ? c.job.rows : c.job.slices;
  std::vector<Real> sums = c.sums, volume = c.volume;
  std::vector<double> expected(sums.begin(), sums.end());
  plain(c, cone, [&](std::size_t channel, std::size_t i, std::size_t j, std::size_t s, std::size_t k, std::size_t r, double w) {
    expected[sum_at(channel, k, r)] += w * static_cast<double>(c.at(c.volume, channel, i, j, s));
  });
  run(isa, c.job, cone, false, c.volume.data() + kRoom, sums.data());
  double worst = 0;
  for (std::size_t i = 0; i < sums.size(); ++i)
    if (i % c.job.row_stride < outputs) worst = std::max(worst, std::abs(static_cast<double>(sums[i]) - expected[i]));
  EXPECT_LT(worst, tolerance) << "sums";

  expected.assign(volume.begin(), volume.end());
  std::vector<double> exact = expected;
  plain(c, cone, [&](std::size_t channel, std::size_t i, std::size_t j, std::size_t s, std::size_t k, std::size_t r, double w) {
    exact[static_cast<std::size_t>(&c.at(volume, channel, i, j, s) - volume.data())] +=
        w * static_cast<double>(c.sums[sum_at(channel, k, r)]);
  });
  run(isa, c.job, cone, true, c.sums.data(), volume.data() + kRoom);
  worst = 0;
  for (std::size_t channel = 0; channel < c.job.channels; ++channel)
    for (std::size_t i = 0; i < c.lines * c.places * c.job.slices; ++i) {
      const std::size_t n = c.job.slices;
      const Real& got = c.at(volume, channel, i / (c.places * n), i / n % c.places, i % n);
      worst = std::max(worst, std::abs(static_cast<double>(got) - exact[static_cast<std::size_t>(&got - volume.data())]));
    }
  EXPECT_LT(worst, tolerance) << "transpose";
}

template <class Real>
void compare_all(bool cone, double tolerance) {
  std::mt19937_64 random(9);
  for (Isa isa : available_isas())
    for (double spacing : {0.3, 0.9, 1.7, 2.6})
      for (std::size_t n : {1, 2, 3, 7, 16, 17, 40})
        for (int repeat = 0; repeat < (n == 1 ? 20 : 3); ++repeat) {  // 1: rays are lanes, in all ways cut off
          Case<Real> c(spacing, n, cone, random);
          SCOPED_TRACE(::testing::Message() << "isa " << static_cast<int>(isa) << ", spacing " << spacing << ", " << n
                                            << " slices");
          compare(isa, c, cone, tolerance);
        }
}

TEST(ProjectionKernel, every_instruction_set_agrees_with_the_plain_formula_in_double) { compare_all<double>(false, 1e-11); }
TEST(ProjectionKernel, every_instruction_set_agrees_with_the_plain_formula_in_float) { compare_all<float>(false, 1e-4); }
TEST(ConeProjectionKernel, every_instruction_set_agrees_with_the_plain_formula_in_double) { compare_all<double>(true, 1e-11); }
TEST(ConeProjectionKernel, every_instruction_set_agrees_with_the_plain_formula_in_float) { compare_all<float>(true, 3e-4); }

}  // namespace
}  // namespace counterflow
