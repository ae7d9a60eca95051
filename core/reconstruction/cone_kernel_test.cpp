#include "core/reconstruction/cone_kernel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "core/kernel.h"

namespace counterflow {
namespace {

using fbp::ConeBackprojection;
using fbp::kConeViews;
using fbp::padded_line;
using fbp::Pixels;
using fbp::Rays;

// Any sizes; voxels beyond the detector on every side; heights of the source of their own.
template <class Real>
struct Case {
  ConeBackprojection<Real> job;
  Pixels tile;
  std::size_t columns, ny;
  std::vector<Real> cosine, sine, height, x, y, rows, cross, image, lines;

  Case(Rays rays, double voxel, std::mt19937_64& random) {
    std::uniform_real_distribution<double> unit(-1, 1);
    const auto size = [&](std::size_t low, std::size_t high) { return low + random() % (high - low); };
    columns = size(5, 30), ny = size(3, 6);
    job.nx = size(3, 7), job.nz = size(1, voxel < 2 ? 90 : 25), job.views = size(1, 40), job.channels = size(1, 4),
    job.rows = size(1, 70);
    job.rays = rays;
    job.radius = 50;
    job.scale = 30, job.centre = static_cast<Real>(0.5 * static_cast<double>(columns) + unit(random));
    job.last = static_cast<Real>(columns + 1);
    job.row_scale = 60, job.row_centre = static_cast<Real>(0.5 * static_cast<double>(job.rows) + unit(random));
    job.z_step = static_cast<Real>(voxel), job.z_first = static_cast<Real>(-0.5 * voxel * static_cast<double>(job.nz));
    job.row_stride = padded_line<Real>(job.rows), job.plane_stride = (columns + 3) * job.row_stride;
    job.z_stride = padded_line<Real>(job.nz), job.volume_stride = ny * job.nx * job.z_stride;
    for (std::size_t v = 0; v < (job.views + kConeViews - 1) / kConeViews * kConeViews; ++v) {
      const double angle = 4 * unit(random);
      cosine.push_back(static_cast<Real>(std::cos(angle))), sine.push_back(static_cast<Real>(std::sin(angle)));
      height.push_back(static_cast<Real>(3 * unit(random)));
    }
    const auto fill = [&](std::vector<Real>& values, std::size_t n, double scale) {
      values.resize(n);
      for (Real& v : values) v = static_cast<Real>(scale * unit(random));
    };
    fill(x, job.nx, 25), fill(y, ny, 25);
    fill(image, job.channels * job.volume_stride, 1);
    for (auto* values : {&rows, &cross}) {
      fill(*values, job.views * job.channels * job.plane_stride, 1);
      for (std::size_t i = 0; i < values->size(); ++i)
        if (i % job.row_stride >= job.rows) (*values)[i] = 0;
    }
    lines.resize(2 * fbp::cone_line<Real>(job.rows, job.nz));
    job.cosine = cosine.data(), job.sine = sine.data(), job.height = height.data(), job.x = x.data(), job.y = y.data();
    job.line = lines.data();
    tile = {random() % 2, std::min<std::size_t>(job.nx, 4), random() % 2, std::min<std::size_t>(ny, 4)};
  }
};

// The formula of cone_kernel.h, one number after another, in double:
// use(voxel, element of rows at (column i, row r), weight, 1-f, f, 1-g, g); r + 1 lies behind, i + 1 a row_stride on. Rows beyond
// the detector are given as -1.
template <class Real, class Use>
void plain(const Case<Real>& c, Use&& use) {
  const auto& job = c.job;
  for (std::size_t v = 0; v < job.views; ++v)
    for (std::size_t j = c.tile.y_begin; j < c.tile.y_end; ++j)
      for (std::size_t i = c.tile.x_begin; i < c.tile.x_end; ++i)
        for (std::size_t k = 0; k < job.nz; ++k) {
          const double x = c.x[i], y = c.y[j], z = job.z_first + job.z_step * static_cast<double>(k) - c.height[v];
          const double across = x * c.sine[v] - y * c.cosine[v], depth = job.radius - x * c.cosine[v] - y * c.sine[v];
          const bool flat = job.rays == Rays::flat;
          const double distance = flat ? depth : std::hypot(across, depth);
          const double weight = flat ? std::pow(job.radius / depth, 2) : 1 / (distance * distance);
          const double place = flat ? across / depth : std::atan2(across, depth);
          const double column = std::clamp<double>(place * job.scale + job.centre, 0, job.last);
          const double row = z / distance * job.row_scale + job.row_centre;
          const double f = column - std::floor(column), g = row - std::floor(row);
          if (row <= -1 || row >= static_cast<double>(job.rows)) continue;
          for (std::size_t channel = 0; channel < job.channels; ++channel)
            use(channel * job.volume_stride + (j * job.nx + i) * job.z_stride + k,
                (v * job.channels + channel) * job.plane_stride + static_cast<std::size_t>(column) * job.row_stride,
                static_cast<std::ptrdiff_t>(std::floor(row)), weight, f, g);
        }
}

template <class Real>
double at(const std::vector<Real>& rows, const ConeBackprojection<Real>& job, std::size_t column, std::ptrdiff_t row) {
  return row < 0 || row >= static_cast<std::ptrdiff_t>(job.rows) ? 0 : rows[column + static_cast<std::size_t>(row)];
}

// Numbers of the padding are free.
template <class Real>
void expect_near(const std::vector<Real>& a, const std::vector<double>& b, std::size_t line, std::size_t used, double tolerance) {
  double worst = 0, scale = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (i % line >= used) continue;
    worst = std::max(worst, std::abs(a[i] - b[i]));
    scale = std::max(scale, std::abs(b[i]));
  }
  EXPECT_LT(worst, tolerance * scale);
}

template <class Real>
void compare(Isa isa, Case<Real> c, double tolerance) {
  const auto& job = c.job;
  std::vector<Real> image = c.image;
  std::vector<double> expected(image.begin(), image.end());
  plain(c, [&](std::size_t voxel, std::size_t q, std::ptrdiff_t r, double a, double f, double g) {
    for (int row : {0, 1})
      expected[voxel] +=
          a * (row ? g : 1 - g) * ((1 - f) * at(c.rows, job, q, r + row) + f * at(c.rows, job, q + job.row_stride, r + row));
  });
  choose<fbp::ConeGather<Real>>(kernel_baseline::cone_gather, kernel_avx2::cone_gather, kernel_avx512::cone_gather, isa)(
      job, c.tile, c.rows.data(), image.data());
  expect_near(image, expected, job.z_stride, job.nz, tolerance);

  image = c.image;
  expected.assign(image.begin(), image.end());
  plain(c, [&](std::size_t voxel, std::size_t q, std::ptrdiff_t r, double a, double f, double g) {
    for (int row : {0, 1}) {
      const double low = at(c.rows, job, q, r + row), high = at(c.rows, job, q + job.row_stride, r + row);
      const double cross = at(c.cross, job, q, r + row);
      expected[voxel] +=
          a * a * std::pow(row ? g : 1 - g, 2) * ((1 - f) * (1 - f) * low + f * f * high + 2 * f * (1 - f) * cross);
    }
  });
  choose<fbp::ConeVariance<Real>>(kernel_baseline::cone_variance, kernel_avx2::cone_variance, kernel_avx512::cone_variance, isa)(
      job, c.tile, c.rows.data(), c.cross.data(), image.data());
  expect_near(image, expected, job.z_stride, job.nz, tolerance);

  c.job.views = 1;
  std::vector<Real> rows(c.rows.begin(), c.rows.begin() + static_cast<std::ptrdiff_t>(job.channels * job.plane_stride));
  expected.assign(rows.begin(), rows.end());
  plain(c, [&](std::size_t voxel, std::size_t q, std::ptrdiff_t r, double a, double f, double g) {
    for (int row : {0, 1}) {
      if (r + row < 0 || r + row >= static_cast<std::ptrdiff_t>(job.rows)) continue;
      const std::size_t to = q + static_cast<std::size_t>(r + row);
      expected[to] += a * (1 - f) * (row ? g : 1 - g) * c.image[voxel];
      expected[to + job.row_stride] += a * f * (row ? g : 1 - g) * c.image[voxel];
    }
  });
  choose<fbp::ConeScatter<Real>>(kernel_baseline::cone_scatter, kernel_avx2::cone_scatter, kernel_avx512::cone_scatter, isa)(
      c.job, c.tile, c.image.data(), rows.data());
  expect_near(rows, expected, job.row_stride, job.rows, tolerance);
}

template <class Real>
void compare_all(double tolerance) {
  std::mt19937_64 random(7);
  for (Isa isa : available_isas())
    for (Rays rays : {Rays::arc, Rays::flat})
      for (double voxel : {0.2, 0.5, 0.8, 1.2, 1.9, 4.}) {  // 0.2 to 6 rows a voxel
        SCOPED_TRACE(::testing::Message() << "isa " << static_cast<int>(isa) << " rays " << static_cast<int>(rays) << " voxel "
                                          << voxel);
        for (int i = 0; i < 4; ++i) compare(isa, Case<Real>(rays, voxel, random), tolerance);
      }
}

TEST(ConeKernel, every_instruction_set_agrees_with_the_plain_formulas_in_double) { compare_all<double>(1e-12); }
TEST(ConeKernel, every_instruction_set_agrees_with_the_plain_formulas_in_float) { compare_all<float>(5e-5); }

}  // namespace
}  // namespace counterflow
