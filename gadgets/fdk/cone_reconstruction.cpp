#include "gadgets/fdk/cone_reconstruction.h"

#include <algorithm>
#include <cmath>

#include "core/kernel.h"
#include "core/parallel.h"
#include "core/reconstruction/slice_rows.h"

namespace counterflow::fdk {
namespace {

using fbp::cone_line;
using fbp::ConeBackprojection;
using fbp::FilterRow;
using fbp::kConeTile;
using fbp::kConeViews;
using fbp::padded_line;
using fbp::Pixels;

constexpr std::size_t kTilesAChunk = 32;

fbp::FilterSettings for_geometry(fbp::FilterSettings settings, const ScanGeometry& g) {
  settings.columns = g.columns;
  settings.arc_spacing = g.is_arc() ? g.column_pitch / g.source_to_detector : 0;
  return settings;
}

std::vector<double> cone_cosines(const ScanGeometry& g) {
  std::vector<double> cosines;
  for (std::size_t r = 0; r < g.rows; ++r)
    for (std::size_t k = 0; k < g.columns; ++k) {
      const double height = g.slice_position(static_cast<double>(r)) * g.source_to_detector / g.source_to_isocenter;
      const double in_plane = std::hypot(g.source_to_detector, g.is_arc() ? 0 : g.column_position(static_cast<double>(k)));
      cosines.push_back(in_plane / std::hypot(in_plane, height));
    }
  return cosines;
}

template <class Real, class Position>
std::vector<Real> positions(std::size_t n, Position&& position) {
  std::vector<Real> out(n);
  for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<Real>(position(static_cast<double>(i)));
  return out;
}

}  // namespace

template <class Real>
ConeReconstruction<Real>::ConeReconstruction(const ScanGeometry& geometry, const ImageGrid& grid, fbp::FilterSettings filter)
    : geometry_(geometry),
      grid_(grid),
      weights_(geometry),
      filter_(for_geometry(std::move(filter), geometry)),
      cone_cosine_(cone_cosines(geometry)),
      x_(positions<Real>(grid.nx, [&](double i) { return grid.x(i); })),
      y_(positions<Real>(grid.ny, [&](double j) { return grid.y(j); })) {}

template <class Real>
ConeBackprojection<Real> ConeReconstruction<Real>::job(std::size_t channels) const {
  const ScanGeometry& g = geometry_;
  Job job;
  job.rays = g.is_arc() ? fbp::Rays::arc : fbp::Rays::flat;
  job.radius = static_cast<Real>(g.source_to_isocenter);
  job.scale = static_cast<Real>(g.source_to_detector / g.column_pitch);
  job.centre = static_cast<Real>((static_cast<double>(g.columns) - 1) / 2 + g.column_offset + 1);
  job.last = static_cast<Real>(g.columns + 1);
  job.row_scale = static_cast<Real>(g.source_to_detector / g.row_pitch);
  job.row_centre = static_cast<Real>((static_cast<double>(g.rows) - 1) / 2 + g.row_offset);
  job.z_first = static_cast<Real>(grid_.z(0));
  job.z_step = static_cast<Real>(grid_.voxel_z);
  job.channels = channels;
  job.rows = g.rows;
  job.row_stride = padded_line<Real>(g.rows);
  job.plane_stride = (g.columns + 3) * job.row_stride;
  job.x = x_.data();
  job.y = y_.data();
  job.nx = grid_.nx;
  job.nz = grid_.nz;
  job.z_stride = padded_line<Real>(grid_.nz);
  job.volume_stride = grid_.ny * grid_.nx * job.z_stride;
  return job;
}

template <class Real>
std::vector<Real> ConeReconstruction<Real>::weights_of(double angle, bool squared) const {
  std::vector<double> of_fan(geometry_.columns);
  weights_.of_view(angle, of_fan);
  std::vector<Real> weights;
  weights.reserve(cone_cosine_.size());
  for (std::size_t r = 0; r < geometry_.rows; ++r)
    for (std::size_t k = 0; k < of_fan.size(); ++k) {
      const double w = of_fan[k] * cone_cosine_[r * of_fan.size() + k];
      weights.push_back(static_cast<Real>(squared ? w * w : w));
    }
  return weights;
}

// Each row of [view][channel, row][column], weighted, to its place along the columns of its view.
template <class Real>
void ConeReconstruction<Real>::filter_rows(fbp::Kernel kernel, const std::vector<double>& angles, const Array<Real, 3>& rows,
                                           std::size_t channels, Aligned<Real>& out) const {
  const Job layout = job(channels);
  out.resize(angles.size() * channels * layout.plane_stride);
  parallel_chunks(angles.size(), 1, [&](std::size_t view, std::size_t) {
    const std::vector<Real> weights = weights_of(angles[view], kernel != fbp::Kernel::ramp);
    std::vector<FilterRow<Real>> channel, list;
    for (std::size_t c = 0; c < channels; ++c) {
      channel.clear();
      for (std::size_t r = 0; r < geometry_.rows; ++r) {
        Real* to = out.data() + (view * channels + c) * layout.plane_stride + layout.row_stride + r;  // behind the guard
        channel.push_back({rows.block(view, c * geometry_.rows + r).data(), 1, weights.data() + r * geometry_.columns, to,
                           layout.row_stride, nullptr});
      }
      fbp::push_pairs<Real>(channel, list);
    }
    typename Filter::Room room;
    filter_.filter(list, room, kernel);
  });
}

template <class Real>
Aligned<Real> ConeReconstruction<Real>::filtered(const fbp::Batch<Real>& batch, std::size_t channels) const {
  Aligned<Real> rows;
  filter_rows(fbp::Kernel::ramp, batch.angles, batch.rows, channels, rows);
  return rows;
}

// use(job, pixels) for every tile, in parallel, with the views at `angles`.
template <class Real>
template <class Use>
void ConeReconstruction<Real>::over_tiles(Job job, const std::vector<double>& angles, Use&& use) const {
  const std::size_t padded = (angles.size() + kConeViews - 1) / kConeViews * kConeViews;
  std::vector<Real> cosine(padded), sine(padded), height(padded);
  for (std::size_t v = 0; v < angles.size(); ++v) {
    cosine[v] = static_cast<Real>(std::cos(angles[v]));
    sine[v] = static_cast<Real>(std::sin(angles[v]));
  }
  job.cosine = cosine.data(), job.sine = sine.data(), job.height = height.data();
  job.views = angles.size();
  const std::size_t across = (grid_.nx + kConeTile - 1) / kConeTile, down = (grid_.ny + kConeTile - 1) / kConeTile;
  parallel_chunks(across * down, kTilesAChunk, [&](std::size_t begin, std::size_t end) {
    Aligned<Real> lines(2 * cone_line<Real>(job.rows, job.nz));
    Job mine = job;
    mine.line = lines.data();
    for (std::size_t t = begin; t < end; ++t) {
      const std::size_t x = t % across * kConeTile, y = t / across * kConeTile;
      use(mine, Pixels{x, std::min(x + kConeTile, grid_.nx), y, std::min(y + kConeTile, grid_.ny)});
    }
  });
}

template <class Real>
void ConeReconstruction<Real>::gather(const std::vector<double>& angles, const Aligned<Real>& rows, Volume<Real>& image) const {
  fbp::ConeGather<Real>* const add =
      choose<fbp::ConeGather<Real>>(kernel_baseline::cone_gather, kernel_avx2::cone_gather, kernel_avx512::cone_gather);
  over_tiles(job(image.channels), angles,
             [&](const Job& job, const Pixels& tile) { add(job, tile, rows.data(), image.value.data()); });
}

template <class Real>
void ConeReconstruction<Real>::backproject(const fbp::Batch<Real>& batch, Volume<Real>& image, Volume<Real>* covariance) const {
  if (batch.angles.empty()) return;
  gather(batch.angles, filtered(batch, image.channels), image);
  if (covariance) spread(batch, *covariance);
}

// Rows of covariances, weighted twice and filtered by products of the ramp's kernel, spread with squared weights.
template <class Real>
void ConeReconstruction<Real>::spread(const fbp::Batch<Real>& batch, Volume<Real>& covariance) const {
  const std::size_t pairs = covariance.channels;
  Aligned<Real> same, next;
  filter_rows(fbp::Kernel::squared, batch.angles, batch.covariance, pairs, same);
  filter_rows(fbp::Kernel::neighbours, batch.angles, batch.covariance, pairs, next);
  fbp::ConeVariance<Real>* const add =
      choose<fbp::ConeVariance<Real>>(kernel_baseline::cone_variance, kernel_avx2::cone_variance, kernel_avx512::cone_variance);
  over_tiles(job(pairs), batch.angles,
             [&](const Job& job, const Pixels& tile) { add(job, tile, same.data(), next.data(), covariance.value.data()); });
}

template <class Real>
Array<Real, 3> ConeReconstruction<Real>::transpose(double angle, const Volume<Real>& image_bar) const {
  const std::size_t channels = image_bar.channels;
  Job job = this->job(channels);
  const std::vector<Real> cosine(kConeViews, static_cast<Real>(std::cos(angle)));
  const std::vector<Real> sine(kConeViews, static_cast<Real>(std::sin(angle))), height(kConeViews);
  job.cosine = cosine.data(), job.sine = sine.data(), job.height = height.data();
  job.views = 1;
  Aligned<Real> lines(2 * cone_line<Real>(job.rows, job.nz)), q_bar(channels * job.plane_stride);
  job.line = lines.data();
  fbp::ConeScatter<Real>* const scatter =
      choose<fbp::ConeScatter<Real>>(kernel_baseline::cone_scatter, kernel_avx2::cone_scatter, kernel_avx512::cone_scatter);
  for (std::size_t y = 0; y < grid_.ny; y += kConeTile)
    for (std::size_t x = 0; x < grid_.nx; x += kConeTile)
      scatter(job, Pixels{x, std::min(x + kConeTile, grid_.nx), y, std::min(y + kConeTile, grid_.ny)}, image_bar.value.data(),
              q_bar.data());

  Array<Real, 3> bar({channels, geometry_.rows, geometry_.columns});
  const std::vector<Real> weights = weights_of(angle);
  std::vector<FilterRow<Real>> channel, list;
  for (std::size_t c = 0; c < channels; ++c) {
    channel.clear();
    for (std::size_t r = 0; r < geometry_.rows; ++r)
      channel.push_back({q_bar.data() + c * job.plane_stride + job.row_stride + r, job.row_stride, nullptr,
                         bar.block(c, r).data(), 1, weights.data() + r * geometry_.columns});
    fbp::push_pairs<Real>(channel, list);
  }
  typename Filter::Room room;
  filter_.filter(list, room);
  return bar;
}

template <class Real>
Volume<Real> ConeReconstruction<Real>::zero_volume(std::size_t channels) const {
  Volume<Real> volume;
  volume.channels = channels;
  volume.value.resize(checked_size(checked_size(channels, checked_size(grid_.nx, grid_.ny)), padded_line<Real>(grid_.nz)));
  return volume;
}

template <class Real>
std::vector<Array<Real, 4>> ConeReconstruction<Real>::slices(const Volume<Real>& volume, std::size_t first, std::size_t n) const {
  auto out = fbp::empty_slices<Real>(n, {volume.channels, 1, grid_.ny, grid_.nx});
  const Job layout = job(volume.channels);
  parallel_chunks(grid_.ny, 4, [&](std::size_t begin, std::size_t end) {
    for (std::size_t c = 0; c < volume.channels; ++c)
      for (std::size_t y = begin; y < end; ++y)
        fbp::deal_row(volume.value.data() + c * layout.volume_stride + y * grid_.nx * layout.z_stride + first, layout.z_stride, c,
                      y, out);
  });
  return out;
}

template <class Real>
void ConeReconstruction<Real>::set_slices(const Array<Real, 4>& value, std::size_t first, Volume<Real>& volume) const {
  const Job layout = job(volume.channels);
  for (std::size_t c = 0; c < volume.channels; ++c)
    for (std::size_t y = 0; y < grid_.ny; ++y)
      for (std::size_t x = 0; x < grid_.nx; ++x) {
        Real* to = volume.value.data() + c * layout.volume_stride + (y * grid_.nx + x) * layout.z_stride + first;
        for (std::size_t z = 0; z < value.extent(1); ++z) to[z] = value(c, z, y, x);
      }
}

template class ConeReconstruction<float>;
template class ConeReconstruction<double>;

}  // namespace counterflow::fdk
