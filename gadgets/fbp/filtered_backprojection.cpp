#include "gadgets/fbp/filtered_backprojection.h"

#include <algorithm>

namespace counterflow {
template <class Real>
void FilteredBackprojection<Real>::describe(PropertyVisitor& visit) {
  properties_.describe_filter(visit);
  properties_.describe_slice(visit);
  properties_.describe_noise(visit);
}

template <class Real>
ImageGrid FilteredBackprojection<Real>::grid(const ScanHeader& header) const {
  const ScanGeometry& g = header.geometry;
  ImageGrid grid = properties_.grid(header.grid);
  grid.nz = g.rows;
  grid.voxel_z = g.slice_spacing();
  grid.centre_z = -g.row_offset * g.slice_spacing();
  return grid;
}

template <class Real>
ScanHeader FilteredBackprojection<Real>::output_header(const ScanHeader& header) const {
  ScanHeader out = header;
  out.grid = grid(header);
  return out;
}

template <class Real>
typename FilteredBackprojection<Real>::State FilteredBackprojection<Real>::begin(const Params&, const ScanHeader& header) const {
  const ScanGeometry& g = header.geometry;
  g.check();
  g.require_standing_table();
  if (!g.is_fan() && g.beam != Beam::parallel)
    throw ConfigError("expected geometry fan-arc, fan-flat or parallel, got " + std::string(beam_name(g.beam)) +
                      "; a narrow cone may be declared as a fan, each row a slice");
  const ImageGrid grid = this->grid(header);
  fbp::check_grid(grid, g);
  return Fold::started(g, grid, properties_.filter());
}

template <class Real>
Footprint FilteredBackprojection<Real>::footprint(const ScanHeader& header) const {
  const ScanGeometry& g = header.geometry;
  const ImageGrid grid = this->grid(header);
  constexpr std::size_t kMostMaterials = 3;  // that a decomposition gives a covariance of
  const std::size_t channels = std::max<std::size_t>(header.bins(), 1);
  const std::size_t pairs = properties_.noise ? pair_count(std::min(channels, kMostMaterials)) : 0;
  const std::size_t pixels = checked_size(grid.nx, grid.ny);
  const std::size_t block = fbp::padded_block<Real>(channels * g.rows);
  const std::size_t pair_block = pairs > 0 ? fbp::padded_block<Real>(pairs * g.rows) : 0;
  const std::size_t rows = checked_size(g.columns + 3, 2 * block + 3 * pair_block);  // as they came, and filtered
  return {pixels * (channels + pairs) * sizeof(Real),
          (pixels * (block + pair_block + fbp::kSlicesTogether * (channels + pairs)) + rows * fbp::Batch<Real>::kViews) *
              sizeof(Real),
          g.rows};
}

template class FilteredBackprojection<float>;
template class FilteredBackprojection<double>;

}  // namespace counterflow
