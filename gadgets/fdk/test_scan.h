// For tests and benchmarks: cone-beam scans of bodies by exact line integrals (core/geometry).
#pragma once
#include <cmath>
#include <cstddef>
#include <map>
#include <memory>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include "core/geometry/ray.h"
#include "core/geometry/shape.h"
#include "core/testing/gadget_with.h"
#include "core/testing/reconstruction_check.h"
#include "gadgets/fdk/feldkamp_reconstruction.h"

namespace counterflow::fdk_testing {

struct Body {
  Shape shape;
  double density = 1;  // [g/cm^3]
};

// A detector that covers `fov` mm across and `height` mm along z at the isocenter.
inline ScanGeometry geometry(Beam beam, std::size_t columns, std::size_t rows, std::size_t views, double fov = 250,
                             double height = 100) {
  ScanGeometry g;
  g.beam = beam;
  g.columns = columns;
  g.rows = rows;
  g.views = g.views_per_rotation = views;
  g.source_to_isocenter = 541;
  g.source_to_detector = 949;
  const double magnification = g.source_to_detector / g.source_to_isocenter;
  g.column_pitch = fov * magnification / static_cast<double>(columns);
  g.row_pitch = height * magnification / static_cast<double>(rows);
  g.angle_step = 2 * std::numbers::pi / static_cast<double>(views);
  return g;
}

inline ScanHeader header(const ScanGeometry& g, std::size_t n, std::size_t nz, double voxel) {
  ScanHeader h;
  h.geometry = g;
  h.grid.nx = h.grid.ny = n;
  h.grid.nz = nz;
  h.grid.voxel_x = h.grid.voxel_y = h.grid.voxel_z = voxel;
  h.system.bins = 2;
  return h;
}

// One view of one channel, each element the mean of `rays` x `rays` rays.
template <class Real>
PathLengths<Real> view_of(const ScanGeometry& g, std::size_t view, const std::vector<Body>& bodies, int rays = 1) {
  auto x = testing::empty_view<Real>(g, view, 1);
  for (std::size_t r = 0; !bodies.empty() && r < g.rows; ++r)
    for (std::size_t k = 0; k < g.columns; ++k) {
      double mean = 0;
      for (int i = 0; i < rays * rays; ++i) {
        const double column = static_cast<double>(k) + (i % rays + 0.5) / rays - 0.5;
        const double row = static_cast<double>(r) + (i / rays + 0.5) / rays - 0.5;
        const Ray ray = ray_of(g, x.view.angle, column, row);
        for (const Body& body : bodies) mean += body.density * body.shape.chord(ray).length() / 10 / (rays * rays);
      }
      x.areal_density(0, r, k) = static_cast<Real>(mean);
    }
  return x;
}

template <class Real>
FeldkampReconstruction<Real> gadget(const testing::Settings& settings = {}) {
  return testing::gadget_with<FeldkampReconstruction<Real>>(settings);
}

// Slices of bodies.
template <class Real>
std::vector<Image<Real>> images_of(const FeldkampReconstruction<Real>& fdk, const ScanHeader& h, const std::vector<Body>& bodies,
                                   int rays = 1) {
  return testing::reconstructed(fdk, h, [&](std::size_t v) { return view_of<Real>(h.geometry, v, bodies, rays); });
}

}  // namespace counterflow::fdk_testing
