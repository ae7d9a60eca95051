// For tests and benchmarks: helical scans of convex bodies, in closed form.
#pragma once
#include <cmath>
#include <cstddef>
#include <memory>
#include <numbers>
#include <random>
#include <utility>
#include <vector>

#include "core/geometry/helix.h"
#include "core/geometry/shape.h"
#include "core/testing/gadget_with.h"
#include "core/testing/reconstruction_check.h"
#include "gadgets/helical/helical_reconstruction.h"

namespace counterflow::helical_testing {

struct Body {
  Shape shape;
  double density = 1;  // [g/cm^3], added to what is there
};

// A field of 2 R sin(fan); the middle of the scan is at z = 0.
inline ScanGeometry geometry(Beam beam, std::size_t columns, std::size_t rows, std::size_t views_per_rotation, double pitch,
                             double turns, double fov = 250, double row_spacing = 1.2) {
  ScanGeometry g;
  g.beam = beam;
  g.columns = columns, g.rows = rows;
  g.views_per_rotation = views_per_rotation;
  g.views = static_cast<std::size_t>(std::lround(turns * static_cast<double>(views_per_rotation)));
  g.source_to_isocenter = 570, g.source_to_detector = 1040;
  g.row_pitch = row_spacing * 1040 / 570;
  g.column_pitch = fov / static_cast<double>(columns) * 1040 / 570;
  g.angle_step = 2 * std::numbers::pi / static_cast<double>(views_per_rotation);
  g.table_feed = pitch * static_cast<double>(rows) * row_spacing;
  g.first_table_position = -g.table_position(static_cast<double>(g.views - 1)) / 2;
  return g;
}

// All complete slices of a thickness.
inline ScanHeader header(const ScanGeometry& g, std::size_t n, double voxel, double thickness) {
  ScanHeader h;
  h.geometry = g;
  h.grid.nx = h.grid.ny = n;
  h.grid.voxel_x = h.grid.voxel_y = voxel;
  h.grid.voxel_z = thickness;
  const HelixRange range = complete_slices(g, std::min(helical::reach_of(h.grid), g.field_radius()));
  h.grid.nz = static_cast<std::size_t>(std::max(0.0, (range.high - range.low) / thickness)) + 1;
  h.grid.centre_z = (range.low + range.high) / 2;
  h.system.bins = 1;
  return h;
}

// One view: channel c shows objects[c], each pixel the mean of rays x rays rays [g/cm^2].
template <class Real>
PathLengths<Real> view_of(const ScanGeometry& g, std::size_t v, const std::vector<std::vector<Body>>& objects, int rays = 2) {
  auto x = testing::empty_view<Real>(g, v, objects.size());
  const auto part = [&](int i) { return (i + 0.5) / rays - 0.5; };
  for (std::size_t r = 0; r < g.rows; ++r)
    for (std::size_t k = 0; k < g.columns; ++k)
      for (int i = 0; i < rays * rays; ++i) {
        const Ray ray = ray_of(g, x.view.angle, static_cast<double>(k) + part(i % rays), static_cast<double>(r) + part(i / rays),
                               0, x.view.table_position);
        for (std::size_t c = 0; c < objects.size(); ++c)
          for (const Body& body : objects[c])
            x.areal_density(c, r, k) += static_cast<Real>(0.1 * body.density * body.shape.chord(ray).length() / (rays * rays));
      }
  return x;
}

template <class Real>
HelicalReconstruction<Real> gadget(const testing::Settings& settings = {}) {
  return testing::gadget_with<HelicalReconstruction<Real>>(settings);
}

// The volume [channel,z,y,x] of a scan that gives view v as view(v).
template <class Real, class Views>
Array<Real, 4> volume_of(const HelicalReconstruction<Real>& helical, const ScanHeader& h, Views&& view) {
  Array<Real, 4> out;
  for (const Image<Real>& image : testing::reconstructed(helical, h, view)) {
    const auto& shape = image.value.shape();
    if (out.empty()) out = Array<Real, 4>({shape[0], image.grid.nz, shape[2], shape[3]});
    for (std::size_t c = 0; c < shape[0]; ++c) std::ranges::copy(image.value.block(c), out.block(c, image.slice).begin());
  }
  return out;
}

inline Array<float, 4> image_of(const ScanHeader& h, const std::vector<Body>& bodies, const testing::Settings& settings = {},
                                int rays = 2) {
  return volume_of(gadget<float>(settings), h, [&](std::size_t v) { return view_of<float>(h.geometry, v, {bodies}, rays); });
}

}  // namespace counterflow::helical_testing
