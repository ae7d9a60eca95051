#include "gadgets/helical/helical_operator.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/kernel.h"
#include "core/parallel.h"

namespace counterflow::helical {
namespace {

constexpr double kPi = std::numbers::pi, kCmInMm = 10;
constexpr std::size_t kTilesAChunk = 16;

fbp::FilterSettings for_columns(fbp::FilterSettings settings, std::size_t columns) {
  settings.columns = columns;
  settings.arc_spacing = 0;
  return settings;
}

}  // namespace

double reach_of(const ImageGrid& grid) {
  const double x = std::max(std::abs(grid.x(0)), std::abs(grid.x(static_cast<double>(grid.nx) - 1)));
  const double y = std::max(std::abs(grid.y(0)), std::abs(grid.y(static_cast<double>(grid.ny) - 1)));
  return std::hypot(x, y);
}

template <class Real>
HelicalOperator<Real>::HelicalOperator(const ScanGeometry& geometry, const ImageGrid& grid, fbp::FilterSettings filter,
                                       double plateau)
    : geometry_(geometry),
      grid_(grid),
      rebinning_(geometry),
      filter_(for_columns(std::move(filter), rebinning_.columns())),
      plateau_(plateau),
      x_(grid.nx),
      y_(grid.ny),
      fan_(rebinning_.columns() + 3) {
  for (std::size_t i = 0; i < grid.nx; ++i) x_[i] = static_cast<Real>(grid.x(static_cast<double>(i)));
  for (std::size_t j = 0; j < grid.ny; ++j) y_[j] = static_cast<Real>(grid.y(static_cast<double>(j)));
  for (std::size_t k = 0; k < fan_.size(); ++k) fan_[k] = static_cast<Real>(rebinning_.fan_angle(static_cast<double>(k) - 1));
}

template <class Real>
Helix<Real> HelicalOperator<Real>::helix(std::size_t channels, std::size_t depth) const {
  const ScanGeometry& g = geometry_;
  const double rows = static_cast<double>(g.rows), offset = 2 * g.row_offset / rows, sense = g.angle_step < 0 ? -1 : 1;
  const double slope = grid_.voxel_z * g.source_to_detector / g.row_pitch * 2 / rows;
  const double half_turn = g.table_feed / 2 / grid_.voxel_z, widest = g.source_to_isocenter + reach_of(grid_);
  Helix<Real> h;
  h.radius = static_cast<Real>(g.source_to_isocenter);
  h.columns_per_mm = static_cast<Real>(1 / rebinning_.spacing());
  h.centre = static_cast<Real>(rebinning_.centre() + 1);
  h.last = static_cast<Real>(rebinning_.columns() + 1);
  h.fan = fan_.data();
  h.flat = !g.is_arc();
  h.slope = static_cast<Real>(slope);
  h.offset = static_cast<Real>(offset);
  h.half_rows = static_cast<Real>(rows / 2);
  h.fade = static_cast<Real>(1 / (1 - plateau_));
  h.half_turn = static_cast<Real>(half_turn);
  h.turn = static_cast<Real>(sense * g.table_feed / (2 * kPi) / grid_.voxel_z);
  h.reach = static_cast<int>(2 * (1 + std::abs(offset)) * widest / slope / std::abs(half_turn)) + 2;
  h.rows = g.rows, h.row_stride = row_stride(), h.channels = channels;
  h.view_stride = fan_.size() * channels * h.row_stride;
  h.x = x_.data(), h.y = y_.data();
  h.nx = grid_.nx, h.nz = grid_.nz, h.depth = depth;
  return h;
}

template <class Real>
typename HelicalOperator<Real>::Directions HelicalOperator<Real>::directions(long first, std::size_t count) const {
  const double half = static_cast<double>(geometry_.views_per_rotation) / 2;
  Directions d;
  for (std::size_t i = 0; i < (count + kLanes - 1) / kLanes * kLanes; ++i) {
    const double j = static_cast<double>(first) + static_cast<double>(std::min(i, count - 1));
    const double angle = geometry_.first_angle + j * geometry_.angle_step;
    d.cosine.push_back(static_cast<Real>(std::cos(angle)));
    d.sine.push_back(static_cast<Real>(std::sin(angle)));
    d.table.push_back(static_cast<Real>((geometry_.table_position(j) - grid_.z(0)) / grid_.voxel_z));
    d.first_partner.push_back(static_cast<int>(std::ceil((static_cast<double>(rebinning_.first()) - 0.5 - j) / half)));
    d.last_partner.push_back(static_cast<int>(std::floor((static_cast<double>(rebinning_.last()) + 0.5 - j) / half)));
  }
  return d;
}

template <class Real>
Ring<Real> HelicalOperator<Real>::ring(std::size_t channels) const {
  return {Array<Real, 3>({rebinning_.span() + kBatch, channels * geometry_.rows, rebinning_.columns()})};
}

template <class Real>
Array<Real, 2> HelicalOperator<Real>::parallel_view(const Ring<Real>& ring, long j) const {
  const std::size_t n = rebinning_.columns(), rows = ring.view.extent(1);
  Array<Real, 2> out({rows, n});
  for (std::size_t k = 0; k < kTaps; ++k) {
    std::vector<const Real*> from(n);
    for (std::size_t i = 0; i < n; ++i) from[i] = ring.view.block(ring.slot(rebinning_.source(j, i, k))).data() + i;
    for (std::size_t s = 0; s < rows; ++s)
      for (std::size_t i = 0; i < n; ++i) out(s, i) += rebinning_.view_weight(i, k) * from[i][s * n];
  }
  return out;
}

// Even, so its own transpose.
template <class Real>
void HelicalOperator<Real>::filter(std::span<Real> rows) const {
  const std::size_t n = rebinning_.columns();
  const std::vector<Real> scale(n, static_cast<Real>(kCmInMm * std::abs(geometry_.angle_step) / rebinning_.spacing()));
  std::vector<fbp::FilterRow<Real>> channel, list;
  for (std::size_t c = 0; c < rows.size() / n; c += geometry_.rows) {
    channel.clear();
    for (std::size_t r = 0; r < geometry_.rows; ++r) {
      Real* row = rows.data() + (c + r) * n;
      channel.push_back({row, 1, scale.data(), row, 1, nullptr});
    }
    fbp::push_pairs<Real>(channel, list);
  }
  typename fbp::RampFilter<Real>::Room room;
  filter_.filter(list, room);
}

template <class Real>
template <class Act>
void HelicalOperator<Real>::over_tiles(std::size_t begin, std::size_t end, Act&& act) const {
  for (std::size_t t = begin; t < end; ++t) {
    const std::size_t x = t % tiles_across() * kTile, y = t / tiles_across() * kTile;
    act(Tile{x, std::min(x + kTile, grid_.nx), y, std::min(y + kTile, grid_.ny)});
  }
}

template <class Real>
void HelicalOperator<Real>::backproject(const Ring<Real>& ring, long first, std::size_t count, Volume<Real>& image) const {
  if (count == 0) return;
  const Helix<Real> h = helix(image.channels, image.depth);
  Aligned<Real> rows(count * h.view_stride + kRows);
  parallel_chunks(count, 1, [&](std::size_t v, std::size_t) {
    Array<Real, 2> view = parallel_view(ring, first + static_cast<long>(v));
    filter(view.values());
    for (std::size_t s = 0; s < view.extent(0); ++s)
      for (std::size_t i = 0; i < view.extent(1); ++i) rows[v * h.view_stride + place(h, s, i)] = view(s, i);
  });
  const Directions d = directions(first, count);
  Gather<Real>* const gather = choose<Gather<Real>>(kernel_baseline::gather, kernel_avx2::gather, kernel_avx512::gather);
  parallel_chunks(tiles(), kTilesAChunk, [&](std::size_t begin, std::size_t end) {
    over_tiles(begin, end, [&](const Tile& tile) { gather(h, d.views(count), tile, rows.data(), image.value.data()); });
  });
}

template <class Real>
Array<Real, 3> HelicalOperator<Real>::transpose(long first, std::size_t count, const Volume<Real>& image_bar) const {
  const Helix<Real> h = helix(image_bar.channels, image_bar.depth);
  const Directions d = directions(first, count);
  Aligned<Real> rows(count * h.view_stride + kRows);
  Scatter<Real>* const scatter = choose<Scatter<Real>>(kernel_baseline::scatter, kernel_avx2::scatter, kernel_avx512::scatter);
  over_tiles(0, tiles(), [&](const Tile& tile) { scatter(h, d.views(count), tile, image_bar.value.data(), rows.data()); });
  Array<Real, 3> out({count, h.channels * h.rows, rebinning_.columns()});
  for (std::size_t v = 0; v < count; ++v) {
    for (std::size_t s = 0; s < out.extent(1); ++s)
      for (std::size_t i = 0; i < out.extent(2); ++i) out(v, s, i) = rows[v * h.view_stride + place(h, s, i)];
    filter(out.block(v));
  }
  return out;
}

template <class Real>
Array<Real, 3> HelicalOperator<Real>::source_view(long v, std::size_t channels,
                                                  const std::function<ParallelView(long)>& parallel) const {
  const std::size_t n = rebinning_.columns(), rows = channels * geometry_.rows;
  const long first = std::max(v - rebinning_.latest(), rebinning_.first());
  const long last = std::min(v - rebinning_.earliest(), rebinning_.last());
  std::vector<ParallelView> views;
  for (long j = first; j <= last; ++j) views.push_back(parallel(j));
  Array<Real, 2> bar({rows, n});
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < kTaps; ++k) {
      const long j = v - rebinning_.source(0, i, k);  // the parallel view that took this source view here
      if (j < first || j > last) continue;
      const Real* from = views[static_cast<std::size_t>(j - first)].get() + i;
      for (std::size_t s = 0; s < rows; ++s) bar(s, i) += rebinning_.view_weight(i, k) * from[s * n];
    }
  Array<Real, 3> view_bar({channels, geometry_.rows, geometry_.columns});
  rebinning_.transpose(bar.data(), view_bar);
  return view_bar;
}

template <class Real>
Volume<Real> HelicalOperator<Real>::zero_volume(std::size_t channels) const {
  Volume<Real> volume{channels, padded_depth(grid_.nz), {}};
  volume.value.resize(checked_size(checked_size(grid_.nx, grid_.ny), checked_size(channels, volume.depth)));
  return volume;
}

template <class Real>
std::vector<Array<Real, 4>> HelicalOperator<Real>::slices(const Volume<Real>& volume, std::size_t first, std::size_t n) const {
  std::vector<Array<Real, 4>> out(n, Array<Real, 4>({volume.channels, 1, grid_.ny, grid_.nx}));
  parallel_chunks(grid_.ny, 16, [&](std::size_t begin, std::size_t end) {
    for (std::size_t y = begin; y < end; ++y)
      for (std::size_t x = 0; x < grid_.nx; ++x)
        for (std::size_t c = 0; c < volume.channels; ++c) {
          const Real* from = volume.value.data() + ((y * grid_.nx + x) * volume.channels + c) * volume.depth + first;
          for (std::size_t z = 0; z < n; ++z) out[z](c, 0u, y, x) = from[z];
        }
  });
  return out;
}

template <class Real>
void HelicalOperator<Real>::set_slices(const Array<Real, 4>& value, std::size_t first, Volume<Real>& volume) const {
  for (std::size_t c = 0; c < volume.channels; ++c)
    for (std::size_t z = 0; z < value.extent(1); ++z)
      for (std::size_t y = 0; y < grid_.ny; ++y)
        for (std::size_t x = 0; x < grid_.nx; ++x)
          volume.value[((y * grid_.nx + x) * volume.channels + c) * volume.depth + first + z] = value(c, z, y, x);
}

template class HelicalOperator<float>;
template class HelicalOperator<double>;

}  // namespace counterflow::helical
