// How much of a bowtie the rays of a scan pass.
#pragma once
#include <cmath>
#include <vector>

#include "core/geometry/ray.h"
#include "core/physics/bowtie.h"

namespace counterflow {

// [material] areal density [g/cm^2] before the pixel at (column, row), which may be fractional. In the files' convention
// thickness is that in the plane of the fan: rays of a fan lie in it, those of a cone leave it and pass more by 1/cos of the
// angle. Throws ConfigError for a parallel beam, which has no fan angle.
inline std::vector<double> bowtie_density(const Bowtie& bowtie, const ScanGeometry& geometry, double column, double row) {
  if (geometry.beam == Beam::parallel)
    throw ConfigError("a parallel beam has no fan angle by which a bowtie could be given; expected a fan or a cone");
  const Vector3 way = ray_of(geometry, 0, column, row).direction;
  return bowtie.areal_density(geometry.fan_angle(column), 1 / std::hypot(way.x, way.y));
}

// The same at the middle of all pixels: [material, row, column].
template <class Real>
Array<Real, 3> bowtie_densities(const Bowtie& bowtie, const ScanGeometry& geometry) {
  Array<Real, 3> out({bowtie.materials().size(), geometry.rows, geometry.columns});
  for (std::size_t row = 0; row < geometry.rows; ++row)
    for (std::size_t column = 0; column < geometry.columns; ++column) {
      const auto density = bowtie_density(bowtie, geometry, static_cast<double>(column), static_cast<double>(row));
      for (std::size_t m = 0; m < density.size(); ++m) out(m, row, column) = static_cast<Real>(density[m]);
    }
  return out;
}

}  // namespace counterflow
