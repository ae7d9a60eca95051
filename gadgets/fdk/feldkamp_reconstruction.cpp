#include "gadgets/fdk/feldkamp_reconstruction.h"

#include <algorithm>
#include <cmath>

namespace counterflow {
namespace {

// Slices with voxels in the field of view that some row sees from one side only, and so are not measured in full.
std::size_t slices_seen_in_part(const ScanGeometry& g, const ImageGrid& grid) {
  const double half =
      std::hypot(grid.x(static_cast<double>(grid.nx) - 1) - grid.x(0), grid.y(static_cast<double>(grid.ny) - 1) - grid.y(0)) / 2;
  const double radius = std::min(g.field_radius(), half + std::hypot(grid.centre_x, grid.centre_y));
  const double nearest = (g.source_to_isocenter - radius) / g.source_to_isocenter;
  std::size_t count = 0;
  for (std::size_t k = 0; k < grid.nz; ++k) {
    const double z = grid.z(static_cast<double>(k)) / nearest;
    count += z < g.slice_position(-0.5) || z > g.slice_position(static_cast<double>(g.rows) - 0.5);
  }
  return count;
}

}  // namespace

template <class Real>
void FeldkampReconstruction<Real>::describe(PropertyVisitor& visit) {
  properties_.describe_filter(visit);
  properties_.describe_slice(visit);
  properties_.describe_stack(visit);
  properties_.describe_noise(visit);
}

template <class Real>
ScanHeader FeldkampReconstruction<Real>::output_header(const ScanHeader& header) const {
  ScanHeader out = header;
  out.grid = properties_.grid(header.grid);
  return out;
}

template <class Real>
typename FeldkampReconstruction<Real>::State FeldkampReconstruction<Real>::begin(const Params&, const ScanHeader& header) const {
  const ScanGeometry& g = header.geometry;
  g.check();
  if (!g.is_cone())
    throw ConfigError("expected geometry cone-flat or cone-arc, got " + std::string(beam_name(g.beam)) +
                      "; FilteredBackprojection is for fans and parallel beams");
  g.require_standing_table();
  const ImageGrid grid = properties_.grid(header.grid);
  fbp::check_grid(grid, g);
  return Fold::started(g, grid, properties_.filter());
}

template <class Real>
Footprint FeldkampReconstruction<Real>::footprint(const ScanHeader& header) const {
  const ScanGeometry& g = header.geometry;
  const ImageGrid grid = properties_.grid(header.grid);
  const std::size_t channels = std::max<std::size_t>(header.bins(), 1), pairs = properties_.noise ? pair_count(channels) : 0;
  const std::size_t maps = channels + pairs, pixels = checked_size(grid.nx, grid.ny);
  const std::size_t columns = checked_size(g.columns + 3, fbp::padded_line<Real>(g.rows));
  const std::size_t views = checked_size(columns, fbp::Batch<Real>::kViews);  // as they came, and filtered
  const std::size_t slices = fbp::padded_line<Real>(grid.nz) + 2 * fbp::kSlicesTogether;
  return {checked_size(pixels, maps) * sizeof(Real),
          (checked_size(checked_size(pixels, slices), maps) + views * (2 * channels + 3 * pairs)) * sizeof(Real), grid.nz};
}

template <class Real>
std::vector<Remark> FeldkampReconstruction<Real>::report(const State& state) const {
  const ImageGrid& grid = state.reconstruction->grid();
  const std::size_t part = slices_seen_in_part(state.reconstruction->geometry(), grid);
  if (part == 0) return {};
  return {{"slices that reach beyond the cone of some views and are too low there", part, grid.nz}};
}

template class FeldkampReconstruction<float>;
template class FeldkampReconstruction<double>;

}  // namespace counterflow
