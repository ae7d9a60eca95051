// What is known of a scan's object: what its images should show.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "core/array.h"
#include "core/geometry/scan_geometry.h"

namespace counterflow {

// A place whose contents are known: a rod, an insert.
struct Region {
  std::string name;
  double x = 0, y = 0, radius = 0;                        // [mm]
  std::vector<std::pair<std::string, double>> densities;  // basis material, g/cm^3
};

struct Truth {
  std::vector<std::string> materials;  // the basis
  ImageGrid grid;                      // of the density; of fan and parallel scans each z is the slice of a row
  Array<float, 4> density;             // [material,z,y,x], g/cm^3; empty where regions alone are known
  std::vector<Region> regions;
};

}  // namespace counterflow
