// What every analytic reconstruction can be asked: the window of its filter, the grid of its voxels, its noise.
#pragma once
#include <cstdint>
#include <string>

#include "core/gadget/property.h"
#include "core/geometry/scan_geometry.h"
#include "core/reconstruction/ramp_filter.h"

namespace counterflow::fbp {

struct ImageProperties {
  std::string window = "hann";
  double cutoff = 1;
  std::int64_t nx = 0, ny = 0, nz = 0;              // 0: as the header of the scan asks, here and below
  double voxel = 0, voxel_z = 0;                    // [mm]
  double centre_x = 0, centre_y = 0, centre_z = 0;  // [mm]
  bool noise = false;                               // whether covariances are asked for

  void describe_filter(PropertyVisitor& visit);  // window, cutoff
  void describe_slice(PropertyVisitor& visit);   // nx, ny, voxel, centre_x, centre_y
  void describe_stack(PropertyVisitor& visit);   // nz, voxel_z, centre_z
  void describe_noise(PropertyVisitor& visit);   // noise
  // The grid that the header asks for, with what the properties say otherwise.
  ImageGrid grid(ImageGrid asked) const;
  FilterSettings filter() const;
};

// Throws ConfigError for a grid without voxels, or one that reaches to the source's circle.
void check_grid(const ImageGrid& grid, const ScanGeometry& geometry);

}  // namespace counterflow::fbp
