// For tests and benchmarks: scans of discs in closed form, in the conventions of core/geometry/scan_geometry.h.
#pragma once
#include <cmath>
#include <cstddef>
#include <memory>
#include <numbers>
#include <utility>
#include <vector>

#include "core/testing/gadget_with.h"
#include "core/testing/reconstruction_check.h"
#include "gadgets/fbp/filtered_backprojection.h"

namespace counterflow::fbp_testing {

struct Disc {
  double x = 0, y = 0, radius = 1, density = 1;  // [mm], [g/cm^3]
};

inline ScanGeometry geometry(Beam beam, std::size_t columns, std::size_t views, double fov = 250) {
  ScanGeometry g;
  g.beam = beam;
  g.columns = columns;
  g.views = g.views_per_rotation = views;
  g.row_pitch = 1;
  g.angle_step = 2 * std::numbers::pi / static_cast<double>(views);
  g.column_pitch = fov / static_cast<double>(columns);
  if (beam == Beam::parallel) return g;
  g.source_to_isocenter = 541;
  g.source_to_detector = 949;
  g.column_pitch *= g.source_to_detector / g.source_to_isocenter;
  return g;
}

inline ScanHeader header(const ScanGeometry& g, std::size_t n, double voxel) {
  ScanHeader h;
  h.geometry = g;
  h.grid.nx = h.grid.ny = n;
  h.grid.voxel_x = h.grid.voxel_y = voxel;
  h.system.bins = 2;
  return h;
}

// Line integral of the discs along the ray of column k (a real number) [g/cm^2].
inline double line_integral(const ScanGeometry& g, double angle, double k, const std::vector<Disc>& discs) {
  const double c = std::cos(angle), s = std::sin(angle), u = g.column_position(k);
  double px = u * s, py = -u * c, dx = -c, dy = -s;
  if (g.is_fan()) {
    const double fan = g.fan_angle(k);
    px = g.source_to_isocenter * c, py = g.source_to_isocenter * s;
    dx = -std::cos(angle + fan), dy = -std::sin(angle + fan);
  }
  double sum = 0;
  for (const Disc& disc : discs) {
    const double distance = (disc.x - px) * dy - (disc.y - py) * dx;
    const double half = disc.radius * disc.radius - distance * distance;
    if (half > 0) sum += disc.density * 2 * std::sqrt(half) / 10;
  }
  return sum;
}

// One view: channel c shows objects[c] in every row, each column the mean of `rays` rays.
template <class Real>
PathLengths<Real> view_of(const ScanGeometry& g, std::size_t view, const std::vector<std::vector<Disc>>& objects, int rays = 4) {
  auto x = testing::empty_view<Real>(g, view, objects.size());
  for (std::size_t c = 0; c < objects.size(); ++c)
    for (std::size_t k = 0; k < g.columns; ++k) {
      double mean = 0;
      for (int i = 0; i < rays; ++i)
        mean += line_integral(g, x.view.angle, static_cast<double>(k) + (i + 0.5) / rays - 0.5, objects[c]) / rays;
      for (std::size_t r = 0; r < g.rows; ++r) x.areal_density(c, r, k) = static_cast<Real>(mean);
    }
  return x;
}

template <class Real>
FilteredBackprojection<Real> gadget(const testing::Settings& settings = {}) {
  return testing::gadget_with<FilteredBackprojection<Real>>(settings);
}

template <class Real>
Image<Real> image_of(const FilteredBackprojection<Real>& fbp, const ScanHeader& h, const std::vector<Disc>& discs, int rays = 4) {
  return testing::reconstructed(fbp, h, [&](std::size_t v) { return view_of<Real>(h.geometry, v, {discs}, rays); }).front();
}

// Largest |a - b| over the voxels of slice 0, channel 0 for which use(x, y) holds; b(x, y) in [mm].
template <class Real, class Use, class Value>
double largest_difference(const Image<Real>& image, Use&& use, Value&& b) {
  double worst = 0;
  std::size_t used = 0;
  for (std::size_t j = 0; j < image.value.extent(2); ++j)
    for (std::size_t i = 0; i < image.value.extent(3); ++i) {
      const double x = image.grid.x(static_cast<double>(i)), y = image.grid.y(static_cast<double>(j));
      if (!use(x, y)) continue;
      ++used;
      const double difference = std::abs(static_cast<double>(image.value(0, 0, j, i)) - b(i, j));
      if (!(difference <= worst)) worst = difference;
    }
  return used > 0 ? worst : 1e300;
}

}  // namespace counterflow::fbp_testing
