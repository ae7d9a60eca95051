#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "core/kernel.h"
#include "gadgets/helical/backprojection_kernel.h"

namespace counterflow {
namespace {

using helical::Helix;
using helical::kLanes;
using helical::Tile;
using helical::Views;

template <class Real>
struct Case {
  Helix<Real> h;
  Views<Real> views;
  Tile tile;
  std::size_t columns, ny;
  std::vector<Real> cosine, sine, table, fan, x, y, rows, image;
  std::vector<int> first, last;

  explicit Case(std::mt19937_64& random) {
    std::uniform_real_distribution<double> unit(-1, 1);
    const auto size = [&](std::size_t low, std::size_t high) { return low + random() % (high - low); };
    const auto real = [](double v) { return static_cast<Real>(v); };
    columns = size(11, 40), ny = size(3, 12);
    h.nx = size(3, 14), h.nz = size(1, 70), h.depth = h.nz + kLanes - 1 + size(0, 4), h.channels = size(1, 4);
    h.rows = size(1, 40), h.row_stride = h.rows + 1 + size(0, 3), h.view_stride = (columns + 3) * h.channels * h.row_stride;
    h.radius = 50, h.columns_per_mm = real(0.4), h.flat = size(0, 2) == 1;
    h.centre = real(0.5 * static_cast<double>(columns) + unit(random)), h.last = real(static_cast<double>(columns + 1));
    h.half_rows = real(static_cast<double>(h.rows) / 2);
    h.slope = real(50 * (0.25 + 0.2 * unit(random))), h.offset = real(0.2 * unit(random)), h.fade = real(2 + unit(random));
    h.half_turn = real(unit(random) < 0 ? -3 : 4), h.turn = real((unit(random) < 0 ? -1 : 1) * 4 / 3.14159);
    h.reach = 30;
    views.count = size(1, 40);
    for (std::size_t i = 0; i < columns + 3; ++i)
      fan.push_back(real(std::asin(std::clamp((static_cast<double>(i) - h.centre) / h.columns_per_mm / 50, -1.0, 1.0))));
    for (std::size_t v = 0; v < (views.count + kLanes - 1) / kLanes * kLanes; ++v) {
      const double angle = 4 * unit(random);
      cosine.push_back(real(std::cos(angle))), sine.push_back(real(std::sin(angle)));
      table.push_back(real(static_cast<double>(h.nz) * (0.5 + 0.8 * unit(random))));
      first.push_back(-static_cast<int>(size(0, 6))), last.push_back(static_cast<int>(size(0, 6)));
    }
    views = {cosine.data(), sine.data(), table.data(), first.data(), last.data(), views.count};
    x.resize(h.nx), y.resize(ny);  // up to 47 mm off, beyond the detector's ends too
    for (auto* values : {&x, &y})
      for (Real& v : *values) v = real(33 * unit(random));
    rows.resize(views.count * h.view_stride + helical::kRows), image.resize(h.nx * ny * h.channels * h.depth);
    for (auto* values : {&rows, &image})
      for (Real& v : *values) v = real(unit(random));
    h.x = x.data(), h.y = y.data(), h.fan = fan.data();
    tile = {size(0, 2), h.nx, size(0, 2), ny};
  }
};

double smooth(double u, double fade) {
  const double f = std::clamp((1 - std::abs(u)) * fade, 0.0, 1.0);
  return f * f * (3 - 2 * f);
}

// The formulas of backprojection_kernel.h, one number after another, in double: use(voxel, number of the row, weight).
template <class Real, class Use>
void plain(const Case<Real>& c, Use&& use) {
  const Helix<Real>& h = c.h;
  for (std::size_t v = 0; v < c.views.count; ++v)
    for (std::size_t j = c.tile.y_begin; j < c.tile.y_end; ++j)
      for (std::size_t i = c.tile.x_begin; i < c.tile.x_end; ++i) {
        const double x = c.x[i], y = c.y[j], cosine = c.cosine[v], sine = c.sine[v];
        const double t = x * sine - y * cosine, along = x * cosine + y * sine, depth = std::sqrt(2500 - t * t);
        const double column = std::clamp<double>(t * h.columns_per_mm + h.centre, 0, h.last);
        const auto k = static_cast<std::size_t>(column);
        const double f = column - static_cast<double>(k), fan = c.fan[k] + f * (c.fan[k + 1] - c.fan[k]);
        const auto place = [&](double z, int turns) {  // on the detector, from this side or from the other
          const double sense = turns % 2 == 0 ? 1 : -1;
          return h.offset + (h.flat ? 50 / depth : 1) * h.slope / (depth - sense * along) *
                                (z - turns * static_cast<double>(h.half_turn) - c.table[v] + sense * h.turn * fan);
        };
        for (std::size_t z = 0; z < h.nz; ++z) {
          double all = 0;
          for (int turns = std::max(c.first[v], -h.reach); turns <= std::min(c.last[v], h.reach); ++turns)
            all += smooth(place(static_cast<double>(z), turns), h.fade);
          const double u = place(static_cast<double>(z), 0), own = smooth(u, h.fade);
          if (own == 0) continue;
          const double row = std::clamp<double>((u + 1) * h.half_rows - 0.5, 0, static_cast<double>(h.rows) - 1);
          const auto r = static_cast<std::size_t>(row);
          const double g = row - static_cast<double>(r), w = own / all;
          for (std::size_t channel = 0; channel < h.channels; ++channel) {
            const std::size_t voxel = ((j * h.nx + i) * h.channels + channel) * h.depth + z;
            const std::size_t at = v * h.view_stride + (k * h.channels + channel) * h.row_stride + r;
            const std::size_t next = at + h.channels * h.row_stride;
            use(voxel, at, w * (1 - f) * (1 - g)), use(voxel, next, w * f * (1 - g));
            use(voxel, at + 1, w * (1 - f) * g), use(voxel, next + 1, w * f * g);
          }
        }
      }
}

// Voxels beyond the last slice are the kernel's own.
template <class Real>
void expect_near(const Case<Real>& c, const std::vector<Real>& a, const std::vector<double>& b, double tolerance, bool is_image) {
  double worst = 0, scale = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (is_image && i % c.h.depth >= c.h.nz) continue;
    worst = std::max(worst, std::abs(a[i] - b[i]));
    scale = std::max(scale, std::abs(b[i]));
  }
  EXPECT_LT(worst, tolerance * scale);
}

template <class Real>
void compare(Isa isa, Case<Real> c, double tolerance) {
  const auto gather = choose<helical::Gather<Real>>(kernel_baseline::gather, kernel_avx2::gather, kernel_avx512::gather, isa);
  const auto scatter =
      choose<helical::Scatter<Real>>(kernel_baseline::scatter, kernel_avx2::scatter, kernel_avx512::scatter, isa);
  for (std::size_t i = 0; i < c.image.size(); ++i)
    if (i % c.h.depth >= c.h.nz) c.image[i] = 0;
  std::vector<Real> image = c.image, rows = c.rows;
  std::vector<double> expected(image.begin(), image.end()), expected_rows(rows.begin(), rows.end());
  plain(c, [&](std::size_t voxel, std::size_t at, double w) {
    expected[voxel] += w * c.rows[at];
    expected_rows[at] += w * c.image[voxel];
  });
  gather(c.h, c.views, c.tile, c.rows.data(), image.data());
  expect_near(c, image, expected, tolerance, true);
  scatter(c.h, c.views, c.tile, c.image.data(), rows.data());
  expect_near(c, rows, expected_rows, tolerance, false);
}

TEST(HelicalKernel, agrees_with_the_plain_formulas_on_every_instruction_set) {
  for (Isa isa : available_isas())
    for (unsigned seed = 0; seed < 30; ++seed) {
      std::mt19937_64 random(seed);
      compare<double>(isa, Case<double>(random), 1e-11);
      compare<float>(isa, Case<float>(random), 2e-4);
    }
}

}  // namespace
}  // namespace counterflow
