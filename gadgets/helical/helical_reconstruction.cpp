#include "gadgets/helical/helical_reconstruction.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/geometry/helix.h"
#include "core/reconstruction/messages.h"

namespace counterflow {
namespace {

constexpr std::size_t kSlices = 16;                   // that are taken from the volume together
constexpr std::size_t kTransposed = helical::kLanes;  // parallel views whose cotangents are found together
constexpr std::size_t kBatchesMore = 4;  // kept beyond those of one source view, as source views come nearly in order

// Rebinning reckons with even steps: views must stand where the header says, to a tenth of a step and of a row.
void check_place(const ScanGeometry& g, const View& view) {
  const double index = static_cast<double>(view.index);
  const double angle = g.first_angle + index * g.angle_step, table = g.table_position(index);
  if (!(std::abs(view.angle - angle) <= 0.1 * std::abs(g.angle_step)))
    throw DataError(fbp::at_view(view) + "expected the source at " + number_text(angle) + " rad, got " + number_text(view.angle) +
                    "; first_angle_rad and angle_step_rad of the header must describe the scan");
  if (!(std::abs(view.table_position - table) <= 0.1 * g.slice_spacing()))
    throw DataError(fbp::at_view(view) + "expected the table at " + number_text(table) + " mm, got " +
                    number_text(view.table_position) +
                    "; first_table_position_mm and table_feed_mm of the header must describe the scan");
}

void check_scan(const ScanGeometry& g) {
  g.check();
  if (!g.is_helical())
    throw ConfigError(
        "expected a moving table (table_feed_mm in the header), got a standing one; use "
        "FilteredBackprojection for fan and parallel beams");
  const double turn = std::abs(g.angle_step) * static_cast<double>(g.views_per_rotation) / (2 * std::numbers::pi);
  if (std::abs(turn - 1) > 1e-6)
    throw ConfigError("expected views_per_rotation angle steps in a full turn, got " + number_text(turn) + " turns");
}

void check_slices(const ScanGeometry& g, const ImageGrid& grid) {
  fbp::check_grid(grid, g);
  const HelixRange range = complete_slices(g, std::min(helical::reach_of(grid), g.field_radius()));
  const double slack = 1e-6 * grid.voxel_z, low = grid.z(0), high = grid.z(static_cast<double>(grid.nz) - 1);
  if (low < range.low - slack || high > range.high + slack)
    throw ConfigError("expected slices from z = " + number_text(range.low) + " to " + number_text(range.high) +
                      " mm, which the views complete, got slices from " + number_text(low) + " to " + number_text(high) +
                      "; set nz, voxel_z and centre_z");
}

template <class Real>
void backproject(typename HelicalReconstruction<Real>::State& state, std::size_t count) {
  state.op->backproject(state.ring, state.next, count, state.image);
  state.next += static_cast<long>(count);
}

}  // namespace

template <class Real>
void HelicalReconstruction<Real>::describe(PropertyVisitor& visit) {
  image_.describe_filter(visit);
  visit("plateau", plateau_,
        {.unit = "1",
         .text = "part of the detector's height, about its middle, with full weight; beyond it rows fade to the edge",
         .min = 0,
         .max = 0.95});
  image_.describe_slice(visit);
  image_.describe_stack(visit);
}

template <class Real>
ScanHeader HelicalReconstruction<Real>::output_header(const ScanHeader& header) const {
  ScanHeader out = header;
  out.grid = image_.grid(header.grid);
  return out;
}

template <class Real>
typename HelicalReconstruction<Real>::State HelicalReconstruction<Real>::begin(const Params&, const ScanHeader& header) const {
  const ImageGrid grid = image_.grid(header.grid);
  check_scan(header.geometry);
  check_slices(header.geometry, grid);
  State state;
  state.op = std::make_shared<const helical::HelicalOperator<Real>>(header.geometry, grid, image_.filter(), plateau_);
  state.next = state.op->rebinning().first();
  return state;
}

template <class Real>
Footprint HelicalReconstruction<Real>::footprint(const ScanHeader& header) const {
  const ScanGeometry& g = header.geometry;
  const ImageGrid grid = image_.grid(header.grid);
  check_scan(g);
  const helical::Rebinning<Real> rebinning(g);
  const std::size_t channels = std::max<std::size_t>(header.bins(), 1), pixels = checked_size(grid.nx, grid.ny) * channels;
  const std::size_t row = (rebinning.columns() + 3) * channels * (g.rows + 1), batch = helical::HelicalOperator<Real>::kBatch;
  const std::size_t image = checked_size(pixels, helical::padded_depth(grid.nz));
  return {pixels * sizeof(Real), (image + row * (rebinning.span() + 2 * batch) + kSlices * pixels) * sizeof(Real), grid.nz};
}

template <class Real>
void HelicalReconstruction<Real>::add(const Params&, State& state, const In& x) const {
  const auto& rebinning = state.op->rebinning();
  const std::size_t channels = state.views == 0 ? x.areal_density.extent(0) : state.image.channels;
  fbp::check_path_lengths(state.op->geometry(), channels, x);
  check_place(state.op->geometry(), x.view);
  if (x.view.index != state.views)
    throw DataError(fbp::at_view(x.view) + "expected view " + std::to_string(state.views) + "; views must come in order");
  if (state.views == 0) {
    state.channels = fbp::image_channels(x.view, x.channels);
    state.image = state.op->zero_volume(channels);
    state.ring = state.op->ring(channels);
  }
  const long v = static_cast<long>(state.views);
  rebinning.interpolate(x.areal_density, state.ring.view.block(state.ring.slot(v)).data());
  state.last = x.view;
  ++state.views;
  const long complete = std::min(v - rebinning.latest(), rebinning.last()) + 1 - state.next;  // parallel views that wait
  constexpr auto kBatch = static_cast<long>(helical::HelicalOperator<Real>::kBatch);
  if (complete == kBatch) backproject<Real>(state, static_cast<std::size_t>(complete));
}

template <class Real>
void HelicalReconstruction<Real>::end(const Params&, State& state, const std::function<void(Out)>& emit) const {
  fbp::check_views(state.op->geometry(), state.views);
  backproject<Real>(state, static_cast<std::size_t>(state.op->rebinning().last() + 1 - state.next));
  const ImageGrid& grid = state.op->grid();
  for (std::size_t first = 0; first < grid.nz; first += kSlices) {
    auto slices = state.op->slices(state.image, first, std::min(kSlices, grid.nz - first));
    for (std::size_t k = 0; k < slices.size(); ++k)
      emit(Out{state.last, std::move(slices[k]), {}, grid, first + k, state.channels});
  }
}

template <class Real>
typename HelicalReconstruction<Real>::Out HelicalReconstruction<Real>::preview(const State& state) const {
  const ImageGrid& grid = state.op->grid();
  Out picture;
  picture.view = state.last;
  picture.view.preview = true;
  picture.grid = grid;
  picture.channels = state.channels;
  if (state.views == 0) return picture;
  picture.value = fbp::stacked(state.op->slices(state.image, 0, grid.nz));
  return picture;
}

template <class Real>
typename HelicalReconstruction<Real>::Cotangent HelicalReconstruction<Real>::adjoint_begin(
    const Params&, const State& state, const std::vector<Sent<Out>>& y_bars) const {
  const auto op = state.op;
  auto image = std::make_shared<helical::Volume<Real>>();
  for (const auto& bar : y_bars) {
    if (!bar || bar->value.empty()) continue;
    if (image->channels == 0) *image = op->zero_volume(bar->value.extent(0));
    fbp::check_cotangent(*bar, image->channels, op->grid());
    op->set_slices(bar->value, bar->slice, *image);
  }
  if (image->channels == 0) return nullptr;
  const long first = op->rebinning().first(), end = op->rebinning().last() + 1;
  return std::make_shared<helical::Cache<Array<Real, 3>>>(
      op->rebinning().span() / kTransposed + kBatchesMore, [op, image, first, end](long batch) {
        const long from = first + batch * static_cast<long>(kTransposed);
        return op->transpose(from, std::min(kTransposed, static_cast<std::size_t>(end - from)), *image);
      });
}

template <class Real>
typename HelicalReconstruction<Real>::In HelicalReconstruction<Real>::adjoint(const Params&, const State& state, const In& x,
                                                                              const Cotangent& z, Params&) const {
  In bar;
  bar.view = x.view;
  bar.channels = x.channels;
  const std::size_t channels = x.areal_density.extent(0);
  fbp::check_path_lengths(state.op->geometry(), channels, x);
  check_place(state.op->geometry(), x.view);
  if (!z) bar.areal_density = Array<Real, 3>(x.areal_density.shape());  // no image had a cotangent
  else
    bar.areal_density = state.op->source_view(static_cast<long>(x.view.index), channels, [&](long parallel) {
      const auto at = static_cast<std::size_t>(parallel - state.op->rebinning().first());
      const auto batch = (*z)(static_cast<long>(at / kTransposed));
      return std::shared_ptr<const Real>(batch, batch->block(at % kTransposed).data());
    });
  return bar;
}

template class HelicalReconstruction<float>;
template class HelicalReconstruction<double>;

}  // namespace counterflow
