#include "gadgets/fbp/backprojection_kernel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "core/kernel.h"

namespace counterflow {
namespace {

using fbp::Backprojection;
using fbp::kLanes;
using fbp::Rays;
using fbp::Tile;

template <class Real>
struct Case {
  Backprojection<Real> job;
  Tile tile;
  std::size_t columns, ny;
  std::vector<Real> cosine, sine, x, y, rows, cross, image;

  Case(Rays rays, std::size_t slices, std::mt19937_64& random) {
    std::uniform_real_distribution<double> unit(-1, 1);
    const auto size = [&](std::size_t low, std::size_t high) { return low + random() % (high - low); };
    columns = size(11, 60), ny = size(3, 20);
    job.nx = size(5, 75), job.views = size(1, 80), job.rays = rays, job.block = fbp::padded_block<Real>(slices);
    job.row_stride = (columns + 3) * job.block;
    job.radius = 50;
    job.scale = static_cast<Real>(rays == Rays::parallel ? 0.4 : 30);
    job.centre = static_cast<Real>(0.5 * static_cast<double>(columns) + unit(random));
    job.last = static_cast<Real>(columns + 1);
    for (std::size_t v = 0; v < (job.views + kLanes - 1) / kLanes * kLanes; ++v) {
      const double angle = 4 * unit(random);
      cosine.push_back(static_cast<Real>(std::cos(angle))), sine.push_back(static_cast<Real>(std::sin(angle)));
    }
    x.resize(job.nx + kLanes), y.resize(ny);  // up to 47 mm off: rays of all fan angles, beyond the detector's ends too
    for (Real& v : x) v = static_cast<Real>(33 * unit(random));
    for (Real& v : y) v = static_cast<Real>(33 * unit(random));
    for (auto* values : {&rows, &cross}) {
      values->resize(job.views * job.row_stride);
      for (Real& v : *values) v = static_cast<Real>(unit(random));
    }
    image.resize(job.nx * ny * job.block);
    for (Real& v : image) v = static_cast<Real>(unit(random));
    job.cosine = cosine.data(), job.sine = sine.data(), job.x = x.data(), job.y = y.data();
    tile = {size(0, 3), job.nx, size(0, 2), ny};
  }
};

// The formulas of backprojection_kernel.h, one number after another, in double: use(view, x, y, column, 1-f, f times weight).
template <class Real, class Use>
void plain(const Case<Real>& c, Use&& use) {
  for (std::size_t v = 0; v < c.job.views; ++v)
    for (std::size_t j = c.tile.y_begin; j < c.tile.y_end; ++j)
      for (std::size_t i = c.tile.x_begin; i < c.tile.x_end; ++i) {
        const double x = c.x[i], y = c.y[j], cosine = c.cosine[v], sine = c.sine[v];
        const double across = x * sine - y * cosine, depth = c.job.radius - x * cosine - y * sine;
        double place = across, weight = 1;
        if (c.job.rays == Rays::flat) place = across / depth, weight = std::pow(c.job.radius / depth, 2);
        if (c.job.rays == Rays::arc) place = std::atan2(across, depth), weight = 1 / (across * across + depth * depth);
        const double column = std::clamp<double>(place * c.job.scale + c.job.centre, 0, c.job.last);
        const auto index = static_cast<std::size_t>(column);
        const double f = column - static_cast<double>(index);
        use(v, (j * c.job.nx + i) * c.job.block, v * c.job.row_stride + index * c.job.block, weight * (1 - f), weight * f);
      }
}

template <class Real>
void expect_near(const std::vector<Real>& a, const std::vector<double>& b, double tolerance) {
  double worst = 0, scale = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    worst = std::max(worst, std::abs(a[i] - b[i]));
    scale = std::max(scale, std::abs(b[i]));
  }
  EXPECT_LT(worst, tolerance * scale);
}

template <class Real>
void compare(Isa isa, Case<Real> c, double tolerance) {
  const std::size_t block = c.job.block;

  std::vector<Real> image = c.image;
  std::vector<double> expected(image.begin(), image.end());
  plain(c, [&](std::size_t, std::size_t pixel, std::size_t at, double low, double high) {
    for (std::size_t s = 0; s < block; ++s) expected[pixel + s] += low * c.rows[at + s] + high * c.rows[at + block + s];
  });
  const auto gather = choose<fbp::Gather<Real>>(kernel_baseline::gather, kernel_avx2::gather, kernel_avx512::gather, isa);
  gather(c.job, c.tile, c.rows.data(), image.data());
  expect_near(image, expected, tolerance);

  image = c.image;
  expected.assign(image.begin(), image.end());
  plain(c, [&](std::size_t, std::size_t pixel, std::size_t at, double low, double high) {
    for (std::size_t s = 0; s < block; ++s)
      expected[pixel + s] += low * low * c.rows[at + s] + high * high * c.rows[at + block + s] + 2 * low * high * c.cross[at + s];
  });
  choose<fbp::GatherVariance<Real>>(kernel_baseline::gather_variance, kernel_avx2::gather_variance,
                                    kernel_avx512::gather_variance,
                                    isa)(c.job, c.tile, c.rows.data(), c.cross.data(), image.data());
  expect_near(image, expected, tolerance);

  c.job.views = 1;
  std::vector<Real> row(c.rows.begin(), c.rows.begin() + static_cast<std::ptrdiff_t>(c.job.row_stride));
  expected.assign(row.begin(), row.end());
  plain(c, [&](std::size_t, std::size_t pixel, std::size_t at, double low, double high) {
    for (std::size_t s = 0; s < block; ++s) {
      expected[at + s] += low * c.image[pixel + s];
      expected[at + block + s] += high * c.image[pixel + s];
    }
  });
  const auto scatter = choose<fbp::Scatter<Real>>(kernel_baseline::scatter, kernel_avx2::scatter, kernel_avx512::scatter, isa);
  scatter(c.job, c.tile, c.image.data(), row.data());
  expect_near(row, expected, tolerance);
}

template <class Real>
void compare_all(double tolerance) {
  std::mt19937_64 random(7);
  for (Isa isa : available_isas())
    for (Rays rays : {Rays::arc, Rays::flat, Rays::parallel})
      for (std::size_t slices : {1, 2, 3, 5, 9, 16, 17, 40}) {
        SCOPED_TRACE(::testing::Message() << "isa " << static_cast<int>(isa) << " rays " << static_cast<int>(rays) << " slices "
                                          << slices);
        compare(isa, Case<Real>(rays, slices, random), tolerance);
      }
}

TEST(BackprojectionKernel, every_instruction_set_agrees_with_the_plain_formulas_in_double) { compare_all<double>(1e-12); }
TEST(BackprojectionKernel, every_instruction_set_agrees_with_the_plain_formulas_in_float) { compare_all<float>(3e-5); }

TEST(BackprojectionKernel, slice_materials_are_padded_to_powers_of_two_and_then_to_cache_lines) {
  EXPECT_EQ(fbp::padded_block<float>(1), 1u);
  EXPECT_EQ(fbp::padded_block<float>(3), 4u);
  EXPECT_EQ(fbp::padded_block<float>(16), 16u);
  EXPECT_EQ(fbp::padded_block<float>(17), 32u);
  EXPECT_EQ(fbp::padded_block<double>(9), 16u);
}

}  // namespace
}  // namespace counterflow
