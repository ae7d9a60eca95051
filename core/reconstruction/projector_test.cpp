#include "core/reconstruction/projector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "core/geometry/ray.h"
#include "core/testing/refusal.h"

namespace counterflow {
namespace {

using ::testing::HasSubstr;
using testing::refusal;

constexpr double kPi = std::numbers::pi;
constexpr std::array kBeams{Beam::fan_arc, Beam::fan_flat, Beam::parallel, Beam::cone_arc, Beam::cone_flat};

// All sizes different; some rays miss the grid, some enter and leave it by its sides.
ScanGeometry small_geometry(Beam beam) {
  ScanGeometry g;
  g.beam = beam;
  g.columns = 41, g.rows = 5, g.views = g.views_per_rotation = 12;
  g.angle_step = 2 * kPi / 12;
  g.column_pitch = 1.7, g.row_pitch = 1.3;
  g.column_offset = 0.4, g.row_offset = -0.3;
  if (beam == Beam::parallel) return g;
  g.source_to_isocenter = 60, g.source_to_detector = 95;
  g.column_pitch = 2.9, g.row_pitch = 2.1;
  return g;
}
ImageGrid small_grid(std::size_t nz) {
  ImageGrid grid;
  grid.nx = 23, grid.ny = 19, grid.nz = nz;
  grid.voxel_x = 1.9, grid.voxel_y = 2.3, grid.voxel_z = 1.1;
  grid.centre_x = 2, grid.centre_y = -3, grid.centre_z = 0.7;
  return grid;
}
std::size_t slices_of(const ScanGeometry& g) { return g.is_cone() ? 7 : g.rows; }

View view_at(double angle, double table_position = 0) {
  View view;
  view.angle = angle, view.table_position = table_position;
  return view;
}
// Along the axes, along the diagonals, and in between.
const std::vector<double> kAngles{0, kPi / 4, kPi / 2, kPi, -kPi / 2, 0.3, 1.2, 2.2, 3.6, 5.9};

template <class Real, std::size_t N>
Array<Real, N> random_array(typename Array<Real, N>::Shape shape, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  Array<Real, N> out(shape);
  for (Real& v : out) v = static_cast<Real>(normal(random));
  return out;
}

// The formula of projector.h for one ray of three dimensions, voxel by voxel.
template <class Real>
double plain_integral(const Array<Real, 4>& values, std::size_t c, double slice, const ImageGrid& grid, const Ray& ray, bool cone,
                      double reach) {
  const bool by_x = std::abs(ray.direction.x) / grid.voxel_x >= std::abs(ray.direction.y) / grid.voxel_y;
  const double way = by_x ? ray.direction.x : ray.direction.y, size = by_x ? grid.voxel_x : grid.voxel_y;
  double sum = 0;
  for (std::size_t i = 0; i < (by_x ? grid.nx : grid.ny); ++i) {
    const double line = static_cast<double>(i);
    const double t = by_x ? (grid.x(line) - ray.origin.x) / way : (grid.y(line) - ray.origin.y) / way;
    if (std::isfinite(reach) && !(t > 0 && t * std::hypot(ray.direction.x, ray.direction.y) < reach)) continue;
    const Vector3 p = ray.at(t);
    const double place = by_x ? (p.y - grid.y(0)) / grid.voxel_y : (p.x - grid.x(0)) / grid.voxel_x;
    const double z = cone ? (p.z - grid.z(0)) / grid.voxel_z : slice;
    const auto weight_of = [](double at, std::ptrdiff_t n) { return std::max(0., 1 - std::abs(at - static_cast<double>(n))); };
    const auto first_of = [](double at) { return std::max<std::ptrdiff_t>(0, static_cast<std::ptrdiff_t>(std::floor(at))); };
    const auto nj = static_cast<std::ptrdiff_t>(by_x ? grid.ny : grid.nx), nz = static_cast<std::ptrdiff_t>(values.extent(1));
    for (std::ptrdiff_t j = first_of(place); j < std::min<std::ptrdiff_t>(nj, first_of(place) + 2); ++j)
      for (std::ptrdiff_t k = first_of(z); k < std::min<std::ptrdiff_t>(nz, first_of(z) + 2); ++k) {
        const auto at = static_cast<std::size_t>(j), slab = static_cast<std::size_t>(k);
        sum +=
            weight_of(place, j) * weight_of(z, k) * static_cast<double>(by_x ? values(c, slab, at, i) : values(c, slab, i, at));
      }
  }
  return sum * size / std::abs(way) / 10;
}

template <class Real>
Array<double, 3> plain(const ScanGeometry& g, const ImageGrid& grid, RaysPerPixel rays, const Array<Real, 4>& values,
                       const View& view) {
  Array<double, 3> out({values.extent(0), g.is_cone() ? g.rows : values.extent(1), g.columns});
  const auto part = [](std::size_t i, std::size_t of) { return (static_cast<double>(i) + 0.5) / static_cast<double>(of) - 0.5; };
  for (std::size_t c = 0; c < out.extent(0); ++c)
    for (std::size_t r = 0; r < out.extent(1); ++r)
      for (std::size_t k = 0; k < g.columns; ++k)
        for (std::size_t i = 0; i < rays.columns * rays.rows; ++i) {
          const double column = static_cast<double>(k) + part(i % rays.columns, rays.columns);
          const double row = static_cast<double>(r) + part(i / rays.columns, rays.rows);
          const Ray ray = ray_of(g, view.angle, column, row, 0, view.table_position);
          const double reach = g.beam == Beam::parallel ? std::numeric_limits<double>::infinity()
                               : g.is_arc()             ? g.source_to_detector
                                                        : g.source_to_detector / std::cos(g.fan_angle(column));
          out(c, r, k) += plain_integral(values, c, static_cast<double>(r), grid, ray, g.is_cone(), reach) /
                          static_cast<double>(rays.columns * rays.rows);
        }
  return out;
}

template <class Real, class Other>
double largest_difference(const Array<Real, 3>& a, const Array<Other, 3>& b) {
  EXPECT_EQ(a.shape(), b.shape());
  double worst = 0, scale = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    scale = std::max(scale, std::abs(static_cast<double>(b[i])));
  }
  EXPECT_GT(scale, 0);
  return worst / scale;
}

struct Case {
  ScanGeometry geometry;
  ImageGrid grid;
  RaysPerPixel rays;
  std::size_t slices;
  double table_position = 0;
};

// All beams, one and several rays a pixel; of cones a helix too, fine and coarse slices, and one that the source looks down into.
std::vector<Case> cases() {
  std::vector<Case> out;
  for (const Beam beam : kBeams)
    for (const RaysPerPixel rays : {RaysPerPixel{1, 1}, RaysPerPixel{3, 1}, RaysPerPixel{2, 3}}) {
      const ScanGeometry g = small_geometry(beam);
      if (!g.is_cone() && rays.rows > 1) continue;
      out.push_back({g, small_grid(slices_of(g)), rays, slices_of(g)});
      if (!g.is_cone()) continue;
      out.push_back(out.back());
      out.back().geometry.table_feed = 30, out.back().table_position = 2.9;
      out.push_back({g, small_grid(40), rays, 40});
      out.back().grid.voxel_z = 0.2;
      out.push_back({g, small_grid(3), rays, 3});
      out.back().grid.voxel_z = 6;
    }
  for (const std::size_t slices : {1, 2, 40}) out.push_back({small_geometry(Beam::fan_arc), small_grid(1), {2, 1}, slices});
  return out;
}

std::string name_of(const Case& c) {
  return std::string(beam_name(c.geometry.beam)) + ", " + std::to_string(c.rays.columns) + " x " + std::to_string(c.rays.rows) +
         " rays, " + std::to_string(c.slices) + " slices";
}

template <class Real>
void expect_plain_sums(std::size_t channels, double tolerance) {
  std::mt19937_64 random(11);
  for (const Case& c : cases()) {
    SCOPED_TRACE(name_of(c));
    const Projector<Real> projector(c.geometry, c.grid, c.rays);
    const auto values = random_array<Real, 4>({channels, c.slices, c.grid.ny, c.grid.nx}, random);
    const LineVolume<Real> volume = projector.volume(values);
    for (const double angle : kAngles) {
      const View view = view_at(angle, c.table_position);
      EXPECT_LT(largest_difference(projector.project(volume, view), plain(c.geometry, c.grid, c.rays, values, view)), tolerance)
          << "at " << angle;
    }
  }
}
TEST(Projector, sums_are_those_of_the_plain_formula_in_double) { expect_plain_sums<double>(3, 1e-12); }
TEST(Projector, sums_are_those_of_the_plain_formula_in_float) { expect_plain_sums<float>(1, 5e-6); }

// |<A x, y> - <x, A' y>| over the sum of |terms|, y of several views; with A' of a row that is wrong by the factor 1 + `wrong`.
template <class Real>
double adjoint_error(const Case& c, std::size_t channels, std::mt19937_64& random, double wrong = 0) {
  const Projector<Real> projector(c.geometry, c.grid, c.rays);
  const auto x = random_array<Real, 4>({channels, c.slices, c.grid.ny, c.grid.nx}, random);
  const LineVolume<Real> volume = projector.volume(x);
  std::vector<View> views;
  for (std::size_t v = 0; v < 20; ++v) views.push_back(view_at(0.37 * static_cast<double>(v), c.table_position));
  std::vector<Array<Real, 3>> bars;
  double left = 0, right = 0, scale = 0;
  for (const View& view : views) {
    const auto y = projector.project(volume, view);
    bars.push_back(random_array<Real, 3>(y.shape(), random));
    for (std::size_t i = 0; i < y.size(); ++i) {
      const double term = static_cast<double>(y[i]) * static_cast<double>(bars.back()[i]);
      left += term, scale += std::abs(term);
    }
  }
  for (std::size_t k = 0; k < c.geometry.columns; ++k) bars[7](0, 0, k) *= static_cast<Real>(1 + wrong);
  LineVolume<Real> bar = projector.zero_volume(channels, c.slices);
  projector.transpose(bars, views, bar);
  const auto x_bar = projector.values(bar);
  for (std::size_t i = 0; i < x.size(); ++i) right += static_cast<double>(x[i]) * static_cast<double>(x_bar[i]);
  EXPECT_GT(scale, 0);
  return std::abs(left - right) / scale;
}

TEST(Projector, the_transpose_is_exact) {
  std::mt19937_64 random(5);
  for (const Case& c : cases())
    for (const std::size_t channels : {1, 2, 3}) {
      SCOPED_TRACE(name_of(c) + ", channels " + std::to_string(channels));
      EXPECT_LT(adjoint_error<double>(c, channels, random), 1e-12);
      EXPECT_LT(adjoint_error<float>(c, channels, random), 1e-5);
    }
}

TEST(Projector, a_transpose_that_is_wrong_in_one_row_of_one_view_is_found) {
  std::mt19937_64 random(5);
  for (const Case& c : cases()) EXPECT_GT(adjoint_error<double>(c, 2, random, 1e-4), 1e-9) << name_of(c);
}

TEST(Projector, every_voxel_gets_back_what_its_rays_give) {
  for (const Beam beam : kBeams) {
    SCOPED_TRACE(beam_name(beam));
    const ScanGeometry g = small_geometry(beam);
    const Projector<double> projector(g, small_grid(slices_of(g)), {2, 1});
    const View view = view_at(0.8);
    std::mt19937_64 random(3);
    Array<double, 4> one({2, slices_of(g), 19, 23});
    const auto bar = random_array<double, 3>({2, g.rows, g.columns}, random);
    LineVolume<double> volume_bar = projector.zero_volume(2, slices_of(g));
    projector.transpose(std::vector{bar}, std::vector{view}, volume_bar);
    const auto back = projector.values(volume_bar);
    for (int n = 0; n < 40; ++n) {
      const std::size_t voxel = random() % one.size();
      one[voxel] = 1;
      const auto sums = projector.project(projector.volume(one), view);
      one[voxel] = 0;
      double expected = 0;
      for (std::size_t i = 0; i < sums.size(); ++i) expected += sums[i] * bar[i];
      EXPECT_NEAR(back[voxel], expected, 1e-13);
    }
  }
}

TEST(Projector, a_turned_volume_seen_from_a_turned_source_is_the_same) {
  std::mt19937_64 random(8);
  for (const Beam beam : kBeams) {
    SCOPED_TRACE(beam_name(beam));
    const ScanGeometry g = small_geometry(beam);
    ImageGrid grid = small_grid(slices_of(g)), turned = grid;
    std::tie(turned.nx, turned.ny) = std::tuple(grid.ny, grid.nx);
    std::tie(turned.voxel_x, turned.voxel_y) = std::tuple(grid.voxel_y, grid.voxel_x);
    std::tie(turned.centre_x, turned.centre_y) = std::tuple(-grid.centre_y, grid.centre_x);
    const auto values = random_array<double, 4>({2, slices_of(g), grid.ny, grid.nx}, random);
    Array<double, 4> others({2, slices_of(g), turned.ny, turned.nx});
    for (std::size_t e = 0; e < 2 * slices_of(g); ++e)
      for (std::size_t y = 0; y < grid.ny; ++y)
        for (std::size_t x = 0; x < grid.nx; ++x)  // (x, y) goes to (-y, x)
          others[(e * turned.ny + x) * turned.nx + grid.ny - 1 - y] = values[(e * grid.ny + y) * grid.nx + x];
    const Projector<double> a(g, grid), b(g, turned);
    for (const double angle : {0.1, 1.3, 4.0})
      EXPECT_LT(
          largest_difference(b.project(b.volume(others), view_at(angle + kPi / 2)), a.project(a.volume(values), view_at(angle))),
          1e-12);
  }
}

TEST(Projector, slices_and_channels_do_not_mix) {
  std::mt19937_64 random(2);
  const ScanGeometry g = small_geometry(Beam::fan_flat);
  const Projector<float> projector(g, small_grid(1));
  const auto values = random_array<float, 4>({2, 3, 19, 23}, random);
  const auto together = projector.project(projector.volume(values), view_at(0.7));
  for (std::size_t c = 0; c < 2; ++c)
    for (std::size_t z = 0; z < 3; ++z) {
      Array<float, 4> slice({1, 1, 19, 23});
      std::ranges::copy(values.block(c, z), slice.begin());
      const auto alone = projector.project(projector.volume(slice), view_at(0.7));
      for (std::size_t k = 0; k < g.columns; ++k) EXPECT_NEAR(alone[k], together(c, z, k), 2e-5);
    }
}

TEST(Projector, what_lies_outside_the_grid_or_behind_the_detector_counts_as_empty) {
  ScanGeometry g = small_geometry(Beam::fan_flat);
  g.columns = 1, g.column_offset = 0;
  ImageGrid grid;
  grid.nx = 50, grid.ny = 3;  // 50 mm along x, source at x = 60
  const Array<double, 4> ones({1, 1, 3, 50}, 1.0);
  const Projector<double> whole(g, grid);
  EXPECT_NEAR(whole.project(whole.volume(ones), view_at(0))[0], 5.0, 1e-12);
  EXPECT_EQ(whole.project(whole.volume(ones), view_at(0, 1000)).size(), 1u);
  g.source_to_detector = 65.2;  // at x = -5.2: voxels at -4.5 and beyond are seen
  const Projector<double> cut(g, grid);
  EXPECT_NEAR(cut.project(cut.volume(ones), view_at(0))[0], 3.0, 1e-12);
  grid.centre_y = 20;
  const Projector<double> beside(g, grid);
  EXPECT_EQ(beside.project(beside.volume(ones), view_at(0))[0], 0.0);

  ScanGeometry cone = small_geometry(Beam::cone_flat);
  const Projector<double> projector(cone, small_grid(3));
  const auto sums = projector.project(projector.volume(Array<double, 4>({1, 3, 19, 23}, 1.0)), view_at(0.4, 1000));
  for (const double v : sums) EXPECT_EQ(v, 0.0);
}

TEST(Projector, views_together_and_one_by_one_have_the_same_bits) {
  std::mt19937_64 random(6);
  for (const Case& c : cases()) {
    const Projector<float> projector(c.geometry, c.grid, c.rays);
    const auto volume = projector.volume(random_array<float, 4>({2, c.slices, c.grid.ny, c.grid.nx}, random));
    std::vector<View> views;
    for (std::size_t v = 0; v < 37; ++v) views.push_back(view_at(0.3 * static_cast<double>(v), c.table_position));
    const auto together = projector.project(volume, views);
    for (std::size_t v = 0; v < views.size(); v += 5) EXPECT_EQ(together[v], projector.project(volume, views[v])) << name_of(c);
  }
}

TEST(Projector, any_number_of_threads_gives_the_same_bits) {
  std::mt19937_64 random(4);
  for (const Beam beam : {Beam::fan_arc, Beam::cone_flat}) {
    const ScanGeometry g = small_geometry(beam);
    const Projector<float> projector(g, small_grid(slices_of(g)), {2, 1});
    std::vector<View> views;
    std::vector<Array<float, 3>> bars;
    for (std::size_t v = 0; v < 40; ++v) {
      views.push_back(view_at(0.3 * static_cast<double>(v)));
      bars.push_back(random_array<float, 3>({2, g.rows, g.columns}, random));
    }
    const auto back = [&](std::size_t threads) {
      const tbb::global_control control(tbb::global_control::max_allowed_parallelism, threads);
      LineVolume<float> bar = projector.zero_volume(2, slices_of(g));
      projector.transpose(bars, views, bar);
      return projector.values(bar);
    };
    EXPECT_EQ(back(1), back(4));
  }
}

TEST(Projector, wrong_shapes_and_settings_are_refused) {
  const ScanGeometry fan = small_geometry(Beam::fan_arc), cone = small_geometry(Beam::cone_arc);
  const ImageGrid grid = small_grid(7);
  EXPECT_THAT(refusal([&] { Projector<float>(fan, grid, {0, 1}); }), HasSubstr("at least one ray"));
  EXPECT_THAT(refusal([&] { Projector<float>(fan, grid, {1, 2}); }), HasSubstr("slice of its own, got 2"));
  EXPECT_THAT(refusal([&] { Projector<float>(fan, ImageGrid()); }), HasSubstr("at least one voxel"));
  ImageGrid wide = grid;
  wide.voxel_x = 10;
  EXPECT_THAT(refusal([&] { Projector<float>(fan, wide); }), HasSubstr("source's circle"));
  ScanGeometry none = fan;
  none.columns = 0;
  EXPECT_THAT(refusal([&] { Projector<float>(none, grid); }), HasSubstr("at least one column"));

  const Projector<float> slices(fan, grid), volumes(cone, grid);
  EXPECT_THAT(refusal([&] { slices.volume(Array<float, 4>({1, 1, 19, 22})); }), HasSubstr("[channel,z,19,23], got [1,1,19,22]"));
  EXPECT_THAT(refusal([&] { volumes.volume(Array<float, 4>({1, 6, 19, 23})); }), HasSubstr("7 slices, got 6"));
  EXPECT_THAT(refusal([&] { slices.zero_volume(0, 1); }), HasSubstr("got none"));
  EXPECT_THAT(refusal([&] { slices.project(volumes.zero_volume(1, 7), View()); }), HasSubstr("made by this projector"));
  EXPECT_THAT(refusal([&] { slices.project(LineVolume<float>(), View()); }), HasSubstr("made by this projector"));
  LineVolume<float> bar = slices.zero_volume(2, 5);
  const std::vector<Array<float, 3>> wrong{Array<float, 3>({2, 4, 41})};
  EXPECT_THAT(refusal([&] { slices.transpose(wrong, std::vector<View>(1), bar); }), HasSubstr("[2,5,41], got [2,4,41]"));
  EXPECT_THAT(refusal([&] { slices.transpose(wrong, std::vector<View>(2), bar); }), HasSubstr("each of 2 views, got 1"));
}

}  // namespace
}  // namespace counterflow
