#include "gadgets/fbp/filtered_backprojection.h"

#include <algorithm>
#include <cmath>

#include "core/reconstruction/messages.h"

namespace counterflow {
namespace {

// Makes room at the first view, whose channels rule.
template <class Real>
void open(fbp::Accumulator<Real>& state, const PathLengths<Real>& x) {
  const std::size_t channels = x.areal_density.extent(0);
  const auto& r = *state.reconstruction;
  state.channels = fbp::image_channels(x.view, x.channels);
  state.image = r.zero_volume(channels);
  const auto rows_of = [&](std::size_t n) {
    return Array<Real, 3>({fbp::Batch<Real>::kViews, r.slices_and_channels(n), r.geometry().columns});
  };
  state.batch.rows = rows_of(channels);
  if (state.covariance) {
    state.covariance = r.zero_volume(pair_count(channels));
    state.batch.covariance = rows_of(pair_count(channels));
  }
}

template <class Real>
void keep_covariance(fbp::Accumulator<Real>& state, const PathLengths<Real>& x) {
  const std::array<std::size_t, 3> expected{pair_count(x.areal_density.extent(0)), x.areal_density.extent(1),
                                            x.areal_density.extent(2)};
  if (x.covariance.shape() != expected)
    throw DataError(fbp::at_view(x.view) +
                    "noise=\"true\" expected a covariance [pair,row,column] = " + fbp::shape_text(expected) + ", got " +
                    (x.covariance.empty() ? "none" : fbp::shape_text(x.covariance.shape())) +
                    "; set covariance=\"true\" on the decomposition");
  std::copy(x.covariance.begin(), x.covariance.end(), state.batch.covariance.block(state.batch.angles.size()).begin());
}

template <class Real>
void flush(fbp::Accumulator<Real>& state) {
  state.reconstruction->backproject(state.batch, state.image, state.covariance ? &*state.covariance : nullptr);
  state.batch.angles.clear();
}

template <class Real>
Array<Real, 4> covariance_of(const fbp::Accumulator<Real>& state, std::size_t slice) {
  if (!state.covariance) return {};
  Array<Real, 4> covariance = state.reconstruction->slices(*state.covariance, slice, 1);
  const std::size_t channels = state.image.channels;
  for (std::size_t c = 0; c < channels; ++c)
    for (Real& v : covariance.block(pair_index(c, c, channels)))
      v = std::max(v, Real(0));  // rounding of the transform may fall below 0
  return covariance;
}

}  // namespace

template <class Real>
void FilteredBackprojection<Real>::describe(PropertyVisitor& visit) {
  properties_.describe_filter(visit);
  properties_.describe_slice(visit);
  visit("noise", noise_,
        {.unit = "",
         .text =
             "also give the covariance of each voxel's channels, from that of the path lengths; files keep standard deviations"});
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
  g.require_standing_table("FilteredBackprojection");
  if (!g.is_fan() && g.beam != Beam::parallel)
    throw ConfigError("expected geometry fan-arc, fan-flat or parallel, got " + std::string(beam_name(g.beam)) +
                      "; a narrow cone may be declared as a fan, each row a slice");
  const ImageGrid grid = this->grid(header);
  fbp::check_grid(grid, g);
  State state;
  fbp::FilterSettings filter = properties_.filter();
  filter.variance = noise_;
  state.reconstruction = std::make_shared<const fbp::Reconstruction<Real>>(g, grid, filter);
  if (noise_) state.covariance.emplace();
  return state;
}

template <class Real>
Footprint FilteredBackprojection<Real>::footprint(const ScanHeader& header) const {
  const ScanGeometry& g = header.geometry;
  const ImageGrid grid = this->grid(header);
  constexpr std::size_t kMostMaterials = 3;  // that a decomposition gives a covariance of
  const std::size_t channels = std::max<std::size_t>(header.bins(), 1);
  const std::size_t pairs = noise_ ? pair_count(std::min(channels, kMostMaterials)) : 0;
  const std::size_t pixels = checked_size(grid.nx, grid.ny);
  const std::size_t block = fbp::padded_block<Real>(channels * g.rows);
  const std::size_t pair_block = pairs > 0 ? fbp::padded_block<Real>(pairs * g.rows) : 0;
  const std::size_t rows = checked_size(g.columns + 3, 2 * block + 3 * pair_block);  // as they came, and filtered
  return {pixels * (channels + pairs) * sizeof(Real),
          (pixels * (block + pair_block) + rows * fbp::Batch<Real>::kViews) * sizeof(Real), g.rows};
}

template <class Real>
void FilteredBackprojection<Real>::add(const Params&, State& state, const In& x) const {
  const std::size_t channels = state.views == 0 ? x.areal_density.extent(0) : state.image.channels;
  fbp::check_path_lengths(state.reconstruction->geometry(), channels, x);
  if (state.views == 0) open(state, x);
  if (state.covariance) keep_covariance(state, x);
  auto to = state.batch.rows.block(state.batch.angles.size());
  std::copy(x.areal_density.begin(), x.areal_density.end(), to.begin());
  state.batch.angles.push_back(x.view.angle);
  state.last = x.view;
  ++state.views;
  if (state.batch.angles.size() == fbp::Batch<Real>::kViews) flush(state);
}

template <class Real>
void FilteredBackprojection<Real>::end(const Params&, State& state, const std::function<void(Out)>& emit) const {
  const ScanGeometry& g = state.reconstruction->geometry();
  if (state.views != g.views)
    throw DataError("expected " + std::to_string(g.views) + " views, got " + std::to_string(state.views) +
                    "; the scan ended early or the header's number of views is wrong");
  flush(state);
  for (std::size_t slice = 0; slice < g.rows; ++slice)
    emit(Out{state.last, state.reconstruction->slices(state.image, slice, 1), covariance_of(state, slice),
             state.reconstruction->grid(), slice, state.channels});
}

template <class Real>
typename FilteredBackprojection<Real>::Out FilteredBackprojection<Real>::preview(const State& state) const {
  Out picture;
  picture.view = state.last;
  picture.view.preview = true;
  picture.grid = state.reconstruction->grid();
  picture.channels = state.channels;
  if (state.views == 0) return picture;
  const ScanGeometry& g = state.reconstruction->geometry();
  fbp::Volume<Real> so_far = state.image;
  state.reconstruction->backproject(state.batch, so_far, nullptr);
  picture.value = state.reconstruction->slices(so_far, 0, g.rows);
  const Real scale = static_cast<Real>(static_cast<double>(g.views) / static_cast<double>(state.views));
  for (Real& v : picture.value) v *= scale;
  return picture;
}

template <class Real>
typename FilteredBackprojection<Real>::Cotangent FilteredBackprojection<Real>::adjoint_begin(
    const Params&, const State& state, const std::vector<Sent<Out>>& y_bars) const {
  Cotangent z;
  const auto& r = *state.reconstruction;
  for (const auto& bar : y_bars) {
    if (!bar || bar->value.empty()) continue;
    const auto& shape = bar->value.shape();
    if (z.channels == 0) z = r.zero_volume(shape[0]);
    if (shape[0] != z.channels || shape[2] != r.grid().ny || shape[3] != r.grid().nx || bar->slice + shape[1] > r.geometry().rows)
      throw DataError("a cotangent of shape " + fbp::shape_text(shape) + " for slice " + std::to_string(bar->slice) +
                      " is not that of an image it gave");
    r.set_slices(bar->value, bar->slice, z);
  }
  return z;
}

template <class Real>
typename FilteredBackprojection<Real>::In FilteredBackprojection<Real>::adjoint(const Params&, const State& state, const In& x,
                                                                                const Cotangent& z, Params&) const {
  In bar;
  bar.view = x.view;
  bar.channels = x.channels;
  if (z.channels == 0) {  // no image had a cotangent
    bar.areal_density = Array<Real, 3>(x.areal_density.shape());
    return bar;
  }
  fbp::check_path_lengths(state.reconstruction->geometry(), z.channels, x);
  bar.areal_density = state.reconstruction->transpose(x.view.angle, z);
  return bar;
}

template class FilteredBackprojection<float>;
template class FilteredBackprojection<double>;

}  // namespace counterflow
