#include "core/reconstruction/image_properties.h"

#include <algorithm>
#include <cmath>

namespace counterflow::fbp {
namespace {

// Largest distance of two opposite voxels of a line from the isocenter.
double farthest(double first, double last) { return std::max(std::abs(first), std::abs(last)); }

}  // namespace

void ImageProperties::describe_filter(PropertyVisitor& visit) {
  visit("window", window, {.unit = "", .text = "window on the ramp filter", .choices = windows()});
  visit("cutoff", cutoff,
        {.unit = "1", .text = "frequency where the window ends, of the detector's Nyquist frequency", .min = 0.01, .max = 1});
}

void ImageProperties::describe_slice(PropertyVisitor& visit) {
  visit("nx", nx, {.unit = "1", .text = "voxels along x; 0: as the header asks", .min = 0, .max = 65536});
  visit("ny", ny, {.unit = "1", .text = "voxels along y; 0: as the header asks", .min = 0, .max = 65536});
  visit("voxel", voxel, {.unit = "mm", .text = "voxel size in x and y; 0: as the header asks", .min = 0});
  visit("centre_x", centre_x, {.unit = "mm", .text = "x of the image's centre from the isocenter"});
  visit("centre_y", centre_y, {.unit = "mm", .text = "y of the image's centre from the isocenter"});
}

void ImageProperties::describe_stack(PropertyVisitor& visit) {
  visit("nz", nz, {.unit = "1", .text = "voxels along z; 0: as the header asks", .min = 0, .max = 65536});
  visit("voxel_z", voxel_z, {.unit = "mm", .text = "voxel size in z; 0: as the header asks", .min = 0});
  visit("centre_z", centre_z, {.unit = "mm", .text = "z of the image's centre from the isocenter"});
}

void ImageProperties::describe_noise(PropertyVisitor& visit) {
  visit("noise", noise,
        {.unit = "",
         .text =
             "also give the covariance of each voxel's channels, from that of the path lengths; files keep standard deviations"});
}

ImageGrid ImageProperties::grid(ImageGrid grid) const {
  if (nx > 0) grid.nx = static_cast<std::size_t>(nx);
  if (ny > 0) grid.ny = static_cast<std::size_t>(ny);
  if (nz > 0) grid.nz = static_cast<std::size_t>(nz);
  if (voxel > 0) grid.voxel_x = grid.voxel_y = voxel;
  if (voxel_z > 0) grid.voxel_z = voxel_z;
  if (centre_x != 0) grid.centre_x = centre_x;
  if (centre_y != 0) grid.centre_y = centre_y;
  if (centre_z != 0) grid.centre_z = centre_z;
  return grid;
}

FilterSettings ImageProperties::filter() const {
  FilterSettings settings;
  settings.window = window;
  settings.cutoff = cutoff;
  settings.variance = noise;
  return settings;
}

void check_grid(const ImageGrid& grid, const ScanGeometry& g) {
  const auto plus = [](std::size_t n, double size) { return n > 0 && size > 0; };
  if (!plus(grid.nx, grid.voxel_x) || !plus(grid.ny, grid.voxel_y) || !plus(grid.nz, grid.voxel_z))
    throw ConfigError("expected an image of at least one voxel, got " + std::to_string(grid.nx) + " x " +
                      std::to_string(grid.ny) + " x " + std::to_string(grid.nz) + "; set nx, ny and voxel");
  if (g.beam == Beam::parallel) return;
  const double reach = std::hypot(farthest(grid.x(0), grid.x(static_cast<double>(grid.nx) - 1)),
                                  farthest(grid.y(0), grid.y(static_cast<double>(grid.ny) - 1)));
  if (reach >= 0.99 * g.source_to_isocenter)
    throw ConfigError("expected an image within the source's circle of radius " + number_text(g.source_to_isocenter) +
                      " mm, got one that reaches to " + number_text(reach) + " mm; make nx, ny or voxel smaller");
}

}  // namespace counterflow::fbp
