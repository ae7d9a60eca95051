// One source, compiled for each instruction set (counterflow_kernel); COUNTERFLOW_KERNEL names its namespace.
#include "core/reconstruction/cone_kernel.h"

#include "core/reconstruction/line_vectors.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

using fbp::ConeBackprojection;
using fbp::kConeGuard;
using fbp::kConeTile;
using fbp::kConeViews;
using fbp::Pixels;
using fbp::Rays;

template <class Real>
constexpr int kLane = static_cast<int>(Lanes<Real>::kCount);

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

// The line through all voxels of a pixel, in one view.
template <class Real>
struct Line {
  Real origin, step;
  Real row(int k) const { return origin + step * static_cast<Real>(k); }
};

struct Range {  // [begin, end)
  int begin, end;
  bool empty() const { return begin >= end; }
};

inline int smaller_of(int a, int b) { return a < b ? a : b; }

// Vectors of voxels that any row in (-1, rows) shows: others are zero.
template <class Real>
inline Range vectors_of_voxels(const ConeBackprojection<Real>& job, const Line<Real>& line) {
  const Real scale = 1 / line.step, last = static_cast<Real>(job.nz - 1);
  const Real low = (Real(-1) - line.origin) * scale, high = (static_cast<Real>(job.rows) - line.origin) * scale;
  if (!(low < last + 1) || !(high > 0)) return {0, 0};
  return {low > 0 ? static_cast<int>(low) / kLane<Real> : 0, static_cast<int>(high < last ? high : last) / kLane<Real> + 1};
}

// Whole vectors of rows around the rows from `low` to `high`, and one more on either side.
template <class Real>
inline Range vectors_of_rows(const ConeBackprojection<Real>& job, Real low, Real high) {
  const Real last = static_cast<Real>(job.row_stride);
  const Real begin = low - 1, end = high + 2;
  return {begin > 0 ? static_cast<int>(begin < last ? begin : last) / kLane<Real> : 0,
          end > 0 ? (static_cast<int>(end < last ? end : last) + kLane<Real> - 1) / kLane<Real> : 0};
}

// Rows of a resampled line: sum over neighbours of weight(distance), where the weight is 1 - g and g, or their squares.
template <bool squared, class V>
inline V between(V low, V high, V g) {
  if constexpr (squared) return (1 - g) * (1 - g) * low + g * g * high;
  else return low + g * (high - low);
}

// voxels += line at rows origin + step k. Window: 16 steps span less than two vectors.
template <bool squared, class Real>
inline void resample_window(const Line<Real>& line, Range voxels, const Real* at, Real* pixel) {
  using V = Vector<Real>;
  const V steps = line.step * lane_numbers<Real>();
  for (int v = voxels.begin; v < voxels.end; ++v) {
    const Real start = line.row(v * kLane<Real>);
    const int base = floor_of(start);
    const V row = steps + (start - static_cast<Real>(base));
    const Mask<Real> index = __builtin_convertvector(row, Mask<Real>);
    const V g = row - __builtin_convertvector(index, V);
    const V low = LineWindow<Real>::at(at + base, index), high = LineWindow<Real>::at(at + base + 1, index);
    Real* const to = pixel + v * kLane<Real>;
    store(to, load(to) + between<squared>(low, high, g));
  }
}

template <bool squared, class Real>
inline void resample_plain(const ConeBackprojection<Real>& job, const Line<Real>& line, Range voxels, const Real* at,
                           Real* pixel) {
  const Real most = static_cast<Real>(job.rows);
  const int begin = voxels.begin * kLane<Real>, end = smaller_of(voxels.end * kLane<Real>, static_cast<int>(job.nz));
#pragma omp simd
  for (int k = begin; k < end; ++k) {
    Real row = line.origin + line.step * static_cast<Real>(k) + 1;  // counted from the zero before the first
    row = row < 0 ? 0 : row;
    row = row > most + 1 ? most + 1 : row;
    const int index = static_cast<int>(row);
    const Real g = row - static_cast<Real>(index);
    pixel[k] += between<squared>(at[index - 1], at[index], g);
  }
}

// Lanes of a window are looked up from up to 2 vectors: first fraction < 1, then (lanes - 1) steps.
template <class Real>
inline bool fits_window(Real step) {
  return LineWindow<Real>::kExists && step * static_cast<Real>(kLane<Real> - 1) < static_cast<Real>(2 * kLane<Real> - 2);
}

template <bool squared, class Real>
inline void resample(const ConeBackprojection<Real>& job, const Line<Real>& line, Range voxels, const Real* at, Real* pixel) {
  if constexpr (LineWindow<Real>::kExists)
    if (fits_window(line.step)) return resample_window<squared>(line, voxels, at, pixel);
  resample_plain<squared>(job, line, voxels, at, pixel);
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

// line[r] = low a[r] + high b[r], and cross c[r] more
template <class Real>
inline void blend(Range vectors, Real low, const Real* a, Real high, const Real* b, Real* line) {
  for (int v = vectors.begin * kLane<Real>; v < vectors.end * kLane<Real>; v += kLane<Real>)
    store(line + v, low * load(a + v) + high * load(b + v));
}
template <class Real>
inline void blend(Range vectors, Real low, const Real* a, Real high, const Real* b, Real cross, const Real* c, Real* line) {
  for (int v = vectors.begin * kLane<Real>; v < vectors.end * kLane<Real>; v += kLane<Real>)
    store(line + v, low * load(a + v) + high * load(b + v) + cross * load(c + v));
}

template <bool squared, class Real>
inline void gather(const ConeBackprojection<Real>& job, const Pixels& tile, const Real* rows, const Real* cross, Real* image) {
  Real* const at = job.line + kConeGuard;
  over_tile(job, tile, [&](const Meetings<Real>& m, std::size_t l, std::size_t view, std::size_t pixel) {
    const Line<Real> line{m.origin[l], m.step[l]};
    const Range voxels = vectors_of_voxels(job, line);
    if (voxels.empty()) return;
    const Range blended = vectors_of_rows(job, line.row(voxels.begin * kLane<Real>), line.row(voxels.end * kLane<Real>));
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
      resample<squared>(job, line, voxels, at, image + c * job.volume_stride + pixel * job.z_stride);
    }
  });
  for (std::size_t r = 0; r < job.row_stride; ++r) at[r] = 0;
}

// sums[row] = sum over voxels k of (1 - |row - origin - step k|)+ voxel[k]; the voxels have zeros on either side.
template <class Real>
inline void collect_window(const Line<Real>& line, Range rows, const Real* voxels, Real* sums) {
  using V = Vector<Real>;
  const Real scale = 1 / line.step;
  const V numbers = lane_numbers<Real>(), steps = scale * numbers;
  const int terms = static_cast<int>(2 * scale) + 1;  // voxels less than a row away
  for (int v = rows.begin; v < rows.end; ++v) {
    const Real row = static_cast<Real>(v * kLane<Real>), start = (row - 1 - line.origin) * scale;
    const int base = floor_of(start);
    const Mask<Real> index = __builtin_convertvector(steps + (start - static_cast<Real>(base)), Mask<Real>);
    V distance = (row - line.row(base + 1)) + numbers - line.step * __builtin_convertvector(index, V);
    V sum{};
    for (int j = 1; j <= terms; ++j) {
      const V weight = 1 - magnitude(distance);
      sum += larger(weight, V{}) * LineWindow<Real>::at(voxels + base + j, index);
      distance -= line.step;
    }
    store(sums + v * kLane<Real>, sum);
  }
}

// The same voxel by voxel.
template <class Real>
inline void collect_plain(const ConeBackprojection<Real>& job, const Line<Real>& line, Range rows, const Real* voxels,
                          Real* sums) {
  for (int r = rows.begin * kLane<Real>; r < rows.end * kLane<Real>; ++r) sums[r] = 0;
  sums[-1] = 0;
  const Real most = static_cast<Real>(job.rows);
  for (std::size_t k = 0; k < job.nz; ++k) {
    Real row = line.row(static_cast<int>(k)) + 1;  // counted from a row before the first
    row = row < 0 ? 0 : row;
    row = row > most + 1 ? most + 1 : row;
    const int index = static_cast<int>(row);
    const Real g = row - static_cast<Real>(index);
    sums[index - 1] += (1 - g) * voxels[k];
    sums[index] += g * voxels[k];
  }
}

// Lanes of `voxels` are looked up from 2 vectors.
template <class Real>
inline void collect(const ConeBackprojection<Real>& job, const Line<Real>& line, Range rows, const Real* voxels, Real* sums) {
  if constexpr (LineWindow<Real>::kExists)
    if (fits_window(1 / line.step)) return collect_window(line, rows, voxels, sums);
  collect_plain(job, line, rows, voxels, sums);
}

template <class Real>
inline void add_columns(Range vectors, Real low, Real high, const Real* sums, Real* a, Real* b) {
  for (int v = vectors.begin * kLane<Real>; v < vectors.end * kLane<Real>; v += kLane<Real>) {
    const Vector<Real> sum = load(sums + v);
    store(a + v, load(a + v) + low * sum);
    store(b + v, load(b + v) + high * sum);
  }
}

template <class Real>
inline void scatter(const ConeBackprojection<Real>& job, const Pixels& tile, const Real* image, Real* rows) {
  Real *const voxels = job.line + kConeGuard, *const sums = job.line + fbp::cone_line<Real>(job.rows, job.nz) + kConeGuard;
  over_tile(job, tile, [&](const Meetings<Real>& m, std::size_t l, std::size_t, std::size_t pixel) {
    const Line<Real> line{m.origin[l], m.step[l]};
    const Range seen = vectors_of_rows(job, line.origin, line.row(static_cast<int>(job.nz) - 1));
    if (seen.empty()) return;
    const Real high = m.weight[l] * m.fraction[l], low = m.weight[l] - high;
    for (std::size_t c = 0; c < job.channels; ++c) {
      const Real* from = image + c * job.volume_stride + pixel * job.z_stride;
      for (std::size_t k = 0; k < job.nz; ++k) voxels[k] = from[k];
      collect(job, line, seen, voxels, sums);
      Real* q = rows + c * job.plane_stride + static_cast<std::size_t>(m.column[l]) * job.row_stride;
      add_columns(seen, low, high, sums, q, q + job.row_stride);
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
