// Images for tests of losses.
#pragma once
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/message/message.h"
#include "core/message/scan_header.h"

namespace counterflow::testing {

inline const Channels kWaterIodine{"density", "g/cm^3", {"water", "iodine"}};

// 9 x 11 voxels of 2 mm, `slices` of 3 mm; a field of view of 8 mm.
inline ScanHeader image_header(std::size_t slices) {
  ScanHeader h;
  h.geometry.beam = Beam::parallel;
  h.geometry.columns = 16, h.geometry.rows = slices;
  h.geometry.column_pitch = 1, h.geometry.row_pitch = 3;
  h.grid = {.nx = 9, .ny = 11, .nz = slices, .voxel_x = 2, .voxel_y = 2, .voxel_z = 3};
  h.system.bins = 2;
  return h;
}

// Slices first, first + 1 ... of the header's grid in one image, all zero.
template <class Real>
Image<Real> empty_image(const ScanHeader& h, const Channels& channels, std::size_t first, std::size_t slices = 1) {
  Image<Real> x;
  x.grid = h.grid;
  x.slice = first;
  x.value = Array<Real, 4>({channels.names.size(), slices, h.grid.ny, h.grid.nx});
  x.channels = std::make_shared<const Channels>(channels);
  return x;
}

// One image a slice, of normal numbers about `mean` of each channel.
template <class Real>
std::vector<Image<Real>> random_images(const ScanHeader& h, const Channels& channels, const std::vector<double>& mean,
                                       const std::vector<double>& sd, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  std::vector<Image<Real>> images;
  for (std::size_t z = 0; z < h.grid.nz; ++z) {
    images.push_back(empty_image<Real>(h, channels, z));
    for (std::size_t c = 0; c < mean.size(); ++c)
      for (Real& v : images.back().value.block(c)) v = static_cast<Real>(mean[c] + sd[c] * normal(random));
  }
  return images;
}

}  // namespace counterflow::testing
