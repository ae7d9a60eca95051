// One source, compiled for each instruction set (counterflow_kernel); COUNTERFLOW_KERNEL names its namespace.
#include "core/reconstruction/cone_kernel.h"

#include "core/reconstruction/line_resampling.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

using fbp::ConeBackprojection;
using fbp::kConeGuard;
using fbp::kConeTile;
using fbp::kConeViews;
using fbp::Pixels;
using fbp::Rays;

// A pixel in each of kConeViews views: guarded column, its fraction, distance weight, and row = origin + step z index.
template <class Real>
struct Meetings {
  int column[kConeViews];
  Real fraction[kConeViews], weight[kConeViews], origin[kConeViews], step[kConeViews];
};

template <Rays rays, class Real>
inline void meet(const ConeBackprojection<Real>& job, Real x, Real y, std::size_t first, Meetings<Real>& m) {
  const Real *c = job.cosine + first, *s = job.sine + first, *h = job.height + first;
#pragma omp simd
  for (std::size_t l = 0; l < kConeViews; ++l) {
    const Real along = x * c[l] + y * s[l];
    Real column, weight;
    hit<rays>(job.radius, job.scale, x * s[l] - y * c[l], along, column, weight);
    const Real inverse = rays == Rays::flat ? 1 / (job.radius - along) : Real(__builtin_sqrt(weight));
    column += job.centre;
    column = column < 0 ? 0 : column;
    column = column > job.last ? job.last : column;
    const int index = static_cast<int>(column);
    m.column[l] = index;
    m.fraction[l] = column - static_cast<Real>(index);
    m.weight[l] = weight;
    m.step[l] = job.row_scale * job.z_step * inverse;
    m.origin[l] = job.row_centre + job.row_scale * (job.z_first - h[l]) * inverse;
  }
}

// The voxels of a pixel, along z, on the line of the detector's rows.
template <class Real>
inline Sampling<Real> voxels_of(const ConeBackprojection<Real>& job, const Meetings<Real>& m, std::size_t l) {
  return {m.origin[l], m.step[l], job.nz, job.rows};
}

// use(meetings, l, view, pixel index) for all pixels of a tile in each view; views outermost, so that the columns that the tile
// sees in a view are read from memory once.
template <class Real, class Use>
inline void over_tile(const ConeBackprojection<Real>& job, const Pixels& tile, Use&& use) {
  Meetings<Real> meetings[kConeTile * kConeTile];
  const std::size_t across = tile.x_end - tile.x_begin, pixels = across * (tile.y_end - tile.y_begin);
  for (std::size_t first = 0; first < job.views; first += kConeViews) {
    for (std::size_t p = 0; p < pixels; ++p) {
      const Real x = job.x[tile.x_begin + p % across], y = job.y[tile.y_begin + p / across];
      if (job.rays == Rays::flat) meet<Rays::flat>(job, x, y, first, meetings[p]);
      else meet<Rays::arc>(job, x, y, first, meetings[p]);
    }
    const std::size_t count = job.views - first < kConeViews ? job.views - first : kConeViews;
    for (std::size_t l = 0; l < count; ++l)
      for (std::size_t p = 0; p < pixels; ++p)
        use(meetings[p], l, first + l, (tile.y_begin + p / across) * job.nx + tile.x_begin + p % across);
  }
}

// line[r] = low a[r] + high b[r] + cross c[r]
template <class Real>
inline void blend(Range vectors, Real low, const Real* a, Real high, const Real* b, Real cross, const Real* c, Real* line) {
  for (int v = vectors.begin * kLane<Real>; v < vectors.end * kLane<Real>; v += kLane<Real>)
    store(line + v, low * load(a + v) + high * load(b + v) + cross * load(c + v));
}

template <bool squared, class Real>
inline void gather(const ConeBackprojection<Real>& job, const Pixels& tile, const Real* rows, const Real* cross, Real* image) {
  Real* const at = job.line + kConeGuard;
  over_tile(job, tile, [&](const Meetings<Real>& m, std::size_t l, std::size_t view, std::size_t pixel) {
    const Sampling<Real> line = voxels_of(job, m, l);
    const Range voxels = vectors_of_samples(line);
    if (voxels.empty()) return;
    const Range blended =
        vectors_of_numbers(job.row_stride, line.at(voxels.begin * kLane<Real>), line.at(voxels.end * kLane<Real>));
    const Real f = m.fraction[l], a = m.weight[l];
    for (std::size_t c = 0; c < job.channels; ++c) {
      const std::size_t from =
          (view * job.channels + c) * job.plane_stride + static_cast<std::size_t>(m.column[l]) * job.row_stride;
      const Real* q = rows + from;
      if constexpr (squared) {
        blend(blended, a * a * (1 - f) * (1 - f), q, a * a * f * f, q + job.row_stride, 2 * a * a * f * (1 - f), cross + from,
              at);
      } else {
        blend(blended, a - a * f, q, a * f, q + job.row_stride, at);
      }
      resample<squared>(line, voxels, at, image + c * job.volume_stride + pixel * job.z_stride);
    }
  });
  for (std::size_t r = 0; r < job.row_stride; ++r) at[r] = 0;
}

template <class Real>
inline void scatter(const ConeBackprojection<Real>& job, const Pixels& tile, const Real* image, Real* rows) {
  Real *const voxels = job.line + kConeGuard, *const sums = job.line + fbp::cone_line<Real>(job.rows, job.nz) + kConeGuard;
  over_tile(job, tile, [&](const Meetings<Real>& m, std::size_t l, std::size_t, std::size_t pixel) {
    const Sampling<Real> line = voxels_of(job, m, l);
    const Range seen = vectors_of_numbers(job.row_stride, line.origin, line.at(static_cast<int>(job.nz) - 1));
    if (seen.empty()) return;
    const Real high = m.weight[l] * m.fraction[l], low = m.weight[l] - high;
    for (std::size_t c = 0; c < job.channels; ++c) {
      const Real* from = image + c * job.volume_stride + pixel * job.z_stride;
      for (std::size_t k = 0; k < job.nz; ++k) voxels[k] = from[k];
      collect(line, seen, voxels, sums);
      Real* q = rows + c * job.plane_stride + static_cast<std::size_t>(m.column[l]) * job.row_stride;
      unblend(seen, low, high, sums, q, q + job.row_stride);
    }
  });
}

}  // namespace

void cone_gather(const ConeBackprojection<float>& job, const Pixels& tile, const float* rows, float* image) {
  gather<false, float>(job, tile, rows, nullptr, image);
}
void cone_variance(const ConeBackprojection<float>& job, const Pixels& tile, const float* v, const float* c, float* image) {
  gather<true, float>(job, tile, v, c, image);
}
void cone_scatter(const ConeBackprojection<float>& job, const Pixels& tile, const float* image, float* rows) {
  scatter<float>(job, tile, image, rows);
}
void cone_gather(const ConeBackprojection<double>& job, const Pixels& tile, const double* rows, double* image) {
  gather<false, double>(job, tile, rows, nullptr, image);
}
void cone_variance(const ConeBackprojection<double>& job, const Pixels& tile, const double* v, const double* c, double* image) {
  gather<true, double>(job, tile, v, c, image);
}
void cone_scatter(const ConeBackprojection<double>& job, const Pixels& tile, const double* image, double* rows) {
  scatter<double>(job, tile, image, rows);
}

}  // namespace counterflow::COUNTERFLOW_KERNEL
