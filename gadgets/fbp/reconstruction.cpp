#include "gadgets/fbp/reconstruction.h"

#include <algorithm>
#include <cmath>

#include "core/kernel.h"
#include "core/parallel.h"
#include "core/reconstruction/slice_rows.h"

namespace counterflow::fbp {
namespace {

constexpr std::size_t kTilesAChunk = 16;
constexpr std::size_t kPairsAChunk = 32;  // two vectors of float
constexpr std::size_t kAdjointTile = 64;  // pixels of a line: its columns stay in cache from line to line

// A single slice-material gathers one number a column, where 512-bit gathers lose to 256-bit ones.
Isa gather_isa(std::size_t block) { return block == 1 ? std::min(best_isa(), Isa::avx2) : best_isa(); }

FilterSettings for_geometry(FilterSettings settings, const ScanGeometry& g) {
  settings.columns = g.columns;
  settings.arc_spacing = g.beam == Beam::fan_arc ? g.column_pitch / g.source_to_detector : 0;
  return settings;
}

}  // namespace

template <class Real>
Reconstruction<Real>::Reconstruction(const ScanGeometry& geometry, const ImageGrid& grid, FilterSettings filter)
    : geometry_(geometry),
      grid_(grid),
      weights_(geometry),
      filter_(for_geometry(std::move(filter), geometry)),
      x_(grid.nx + kLanes),
      y_(grid.ny) {
  for (std::size_t i = 0; i < grid.nx; ++i) x_[i] = static_cast<Real>(grid.x(static_cast<double>(i)));
  for (std::size_t j = 0; j < grid.ny; ++j) y_[j] = static_cast<Real>(grid.y(static_cast<double>(j)));
}

template <class Real>
Backprojection<Real> Reconstruction<Real>::job(std::size_t block) const {
  const ScanGeometry& g = geometry_;
  Backprojection<Real> job;
  job.rays = g.beam == Beam::parallel ? Rays::parallel : g.beam == Beam::fan_flat ? Rays::flat : Rays::arc;
  job.radius = static_cast<Real>(g.source_to_isocenter);
  job.scale = static_cast<Real>((g.beam == Beam::parallel ? 1 : g.source_to_detector) / g.column_pitch);
  job.centre = static_cast<Real>((static_cast<double>(g.columns) - 1) / 2 + g.column_offset + 1);
  job.last = static_cast<Real>(g.columns + 1);
  job.block = block;
  job.row_stride = row_stride(block);
  job.x = x_.data();
  job.y = y_.data();
  job.nx = grid_.nx;
  return job;
}

template <class Real>
std::vector<Real> Reconstruction<Real>::weights_of(double angle, bool squared) const {
  std::vector<double> weights(geometry_.columns);
  weights_.of_view(angle, weights);
  if (squared)
    for (double& w : weights) w *= w;
  return {weights.begin(), weights.end()};
}

// Each row of [view][slice-material][column], weighted, to its place among the columns of its view. Two views at a time, so that
// a slice-material is paired with itself.
template <class Real>
void Reconstruction<Real>::filter_rows(Kernel kernel, const std::vector<double>& angles, const Array<Real, 3>& rows,
                                       std::size_t block, Aligned<Real>& out) const {
  const std::size_t n = rows.extent(1), views = angles.size();
  out.resize(views * row_stride(block));
  parallel_chunks((views + 1) / 2 * n, kPairsAChunk, [&](std::size_t begin, std::size_t end) {
    const std::size_t first = begin / n * 2;
    std::vector<std::vector<Real>> weights;
    for (std::size_t view = first; view < std::min(views, ((end - 1) / n + 1) * 2); ++view)
      weights.push_back(weights_of(angles[view], kernel != Kernel::ramp));
    std::vector<FilterRow<Real>> list;
    for (std::size_t i = begin; i < end; ++i)
      for (std::size_t view : {i / n * 2, i / n * 2 + 1}) {
        if (view == views) {
          list.push_back({});
          continue;
        }
        Real* to = out.data() + view * row_stride(block) + block + i % n;  // behind the guard
        list.push_back({rows.block(view, i % n).data(), 1, weights[view - first].data(), to, block, nullptr});
      }
    typename RampFilter<Real>::Room room;
    filter_.filter(list, room, kernel);
  });
}

// Covariances of two channels, both filtered alike, go the way of variances.
template <class Real>
typename Reconstruction<Real>::Rows Reconstruction<Real>::filtered(const Batch<Real>& batch, std::size_t block,
                                                                   std::size_t covariance_block) const {
  Rows rows;
  filter_rows(Kernel::ramp, batch.angles, batch.rows, block, rows.value);
  if (covariance_block == 0) return rows;
  filter_rows(Kernel::squared, batch.angles, batch.covariance, covariance_block, rows.covariance);
  filter_rows(Kernel::neighbours, batch.angles, batch.covariance, covariance_block, rows.neighbour);
  return rows;
}

template <class Real>
void Reconstruction<Real>::backproject(const Batch<Real>& batch, Volume<Real>& image, Volume<Real>* covariance) const {
  if (batch.angles.empty()) return;
  gather_rows(batch.angles, filtered(batch, image.block, covariance ? covariance->block : 0), image, covariance);
}

template <class Real>
void Reconstruction<Real>::gather_rows(const std::vector<double>& angles, const Rows& rows, Volume<Real>& image,
                                       Volume<Real>* covariance) const {
  const std::size_t padded = (angles.size() + kLanes - 1) / kLanes * kLanes;
  std::vector<Real> cosine(padded), sine(padded);
  for (std::size_t v = 0; v < angles.size(); ++v) {
    cosine[v] = static_cast<Real>(std::cos(angles[v]));
    sine[v] = static_cast<Real>(std::sin(angles[v]));
  }
  Backprojection<Real> job = this->job(image.block);
  job.cosine = cosine.data();
  job.sine = sine.data();
  job.views = angles.size();
  Backprojection<Real> covariance_job = job;
  if (covariance) covariance_job.block = covariance->block, covariance_job.row_stride = row_stride(covariance->block);
  Gather<Real>* const gather =
      choose<Gather<Real>>(kernel_baseline::gather, kernel_avx2::gather, kernel_avx512::gather, gather_isa(job.block));
  GatherVariance<Real>* const spread = choose<GatherVariance<Real>>(kernel_baseline::gather_variance,
                                                                    kernel_avx2::gather_variance, kernel_avx512::gather_variance);
  const std::size_t across = (grid_.nx + kTile - 1) / kTile, down = (grid_.ny + kTile - 1) / kTile;
  parallel_chunks(across * down, kTilesAChunk, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; ++t) {
      const std::size_t x = t % across * kTile, y = t / across * kTile;
      const Tile tile{x, std::min(x + kTile, grid_.nx), y, std::min(y + kTile, grid_.ny)};
      gather(job, tile, rows.value.data(), image.value.data());
      if (covariance) spread(covariance_job, tile, rows.covariance.data(), rows.neighbour.data(), covariance->value.data());
    }
  });
}

template <class Real>
Array<Real, 3> Reconstruction<Real>::transpose(double angle, const Volume<Real>& image_bar) const {
  const std::size_t columns = geometry_.columns, rows = geometry_.rows, block = image_bar.block;
  Backprojection<Real> job = this->job(block);
  const Real cosine = static_cast<Real>(std::cos(angle)), sine = static_cast<Real>(std::sin(angle));
  job.cosine = &cosine;
  job.sine = &sine;
  job.views = 1;
  Scatter<Real>* const scatter = choose<Scatter<Real>>(kernel_baseline::scatter, kernel_avx2::scatter, kernel_avx512::scatter);
  Aligned<Real> q_bar(row_stride(block));
  for (std::size_t x = 0; x < grid_.nx; x += kAdjointTile)
    scatter(job, Tile{x, std::min(x + kAdjointTile, grid_.nx), 0, grid_.ny}, image_bar.value.data(), q_bar.data());

  Array<Real, 3> bar({image_bar.channels, rows, columns});
  const std::vector<Real> w = weights_of(angle);
  std::vector<FilterRow<Real>> channel, list;
  for (std::size_t s = 0; s < slices_and_channels(image_bar.channels); ++s) {
    channel.push_back({q_bar.data() + block + s, block, nullptr, bar.data() + s * columns, 1, w.data()});
    if (channel.size() < rows) continue;
    push_pairs<Real>(channel, list);
    channel.clear();
  }
  typename RampFilter<Real>::Room room;
  filter_.filter(list, room);
  return bar;
}

template <class Real>
Volume<Real> Reconstruction<Real>::zero_volume(std::size_t channels) const {
  Volume<Real> volume;
  volume.channels = channels;
  volume.block = padded_block<Real>(slices_and_channels(channels));
  volume.value.resize(checked_size(checked_size(grid_.nx, grid_.ny), volume.block));
  return volume;
}

template <class Real>
std::vector<Array<Real, 4>> Reconstruction<Real>::slices(const Volume<Real>& volume, std::size_t first, std::size_t n) const {
  auto out = empty_slices<Real>(n, {volume.channels, 1, grid_.ny, grid_.nx});
  parallel_chunks(grid_.ny, 16, [&](std::size_t begin, std::size_t end) {
    for (std::size_t y = begin; y < end; ++y)
      for (std::size_t c = 0; c < volume.channels; ++c)
        deal_row(volume.value.data() + y * grid_.nx * volume.block + c * geometry_.rows + first, volume.block, c, y, out);
  });
  return out;
}

template <class Real>
void Reconstruction<Real>::set_slices(const Array<Real, 4>& value, std::size_t first, Volume<Real>& volume) const {
  for (std::size_t c = 0; c < volume.channels; ++c)
    for (std::size_t z = 0; z < value.extent(1); ++z)
      for (std::size_t y = 0; y < grid_.ny; ++y) {
        Real* to = volume.value.data() + y * grid_.nx * volume.block + c * geometry_.rows + first + z;
        for (std::size_t x = 0; x < grid_.nx; ++x) to[x * volume.block] = value(c, z, y, x);
      }
}

template class Reconstruction<float>;
template class Reconstruction<double>;

}  // namespace counterflow::fbp
