// One source, compiled for each instruction set (counterflow_kernel); COUNTERFLOW_KERNEL names its namespace.
#include "gadgets/helical/backprojection_kernel.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

using helical::Helix;
using helical::kLanes;
using helical::kRows;
using helical::Tile;
using helical::Views;

inline float root(float v) { return __builtin_sqrtf(v); }
inline double root(double v) { return __builtin_sqrt(v); }

// Where kLanes views see a pixel.
template <class Real>
struct Places {
  int column[kLanes];                 // guarded
  Real fraction[kLanes];              // of the next column
  Real slope[kLanes], other[kLanes];  // half heights a voxel along z, from this side and from the other
  Real centre[kLanes];                // of the ray in the central plane, along z
  Real other_centre[kLanes];          // of that from the other side, an even number of half turns away
};

template <bool kFlat, class Real>
void locate_as(const Helix<Real>& h, const Views<Real>& views, std::size_t first, Real x, Real y, Places<Real>& p) {
  const Real *c = views.cosine + first, *s = views.sine + first, *table = views.table + first;
#pragma omp simd
  for (std::size_t l = 0; l < kLanes; ++l) {
    const Real t = x * s[l] - y * c[l], along = x * c[l] + y * s[l];
    Real column = t * h.columns_per_mm + h.centre;
    column = column < 0 ? 0 : column;
    column = column > h.last ? h.last : column;
    const int index = static_cast<int>(column);
    const Real fraction = column - static_cast<Real>(index);
    const Real fan = h.fan[index] + fraction * (h.fan[index + 1] - h.fan[index]);
    const Real depth = root(h.radius * h.radius - t * t);  // of the middle of the chord
    const Real slope = kFlat ? h.slope * h.radius / depth : h.slope;
    p.column[l] = index;
    p.fraction[l] = fraction;
    p.slope[l] = slope / (depth - along);
    p.other[l] = slope / (depth + along);
    p.centre[l] = table[l] - h.turn * fan;
    p.other_centre[l] = table[l] + h.turn * fan;
  }
}

// Voxels first .. end - 1 along z that lane l's view sees.
struct Span {
  std::size_t first = 0, end = 0;
};

inline long floor_of(float v) { return static_cast<long>(__builtin_floorf(v)); }
inline long floor_of(double v) { return static_cast<long>(__builtin_floor(v)); }

template <class Real>
Span span_of(const Helix<Real>& h, const Places<Real>& p, std::size_t l) {
  const Real half = 1 / p.slope[l];
  const Real low = p.centre[l] - (1 + h.offset) * half, high = p.centre[l] + (1 - h.offset) * half;
  if (!(high >= 0) || !(low < static_cast<Real>(h.nz))) return {};
  const long first = low < 0 ? 0 : floor_of(low) + 1;
  const std::size_t end = static_cast<std::size_t>(floor_of(high) + 1);
  return {static_cast<std::size_t>(first), end < h.nz ? end : h.nz};
}

// sum[i] += w(slope i + place): 1 up to the plateau, then 1 - f^2 (3 - 2 f), f from 0 to 1 at the edge (smoothstep).
template <class Real>
inline void add_weights(Real fade, Real slope, Real place, Real* sum) {
#pragma omp simd
  for (std::size_t i = 0; i < kLanes; ++i) {
    const Real u = slope * static_cast<Real>(static_cast<int>(i)) + place;
    Real f = (1 - (u < 0 ? -u : u)) * fade;
    f = f < 0 ? 0 : f;
    f = f > 1 ? 1 : f;
    sum[i] += f * f * (3 - 2 * f);
  }
}

// Rows and weights of kLanes voxels of one view.
template <class Real>
struct Chunk {
  int row[kLanes];
  Real low[kLanes], high[kLanes];  // of rows row and row + 1
};

// Of the voxels from z on. Beyond the view's span the weights are 0.
template <class Real>
inline void weigh(const Helix<Real>& h, const Places<Real>& p, std::size_t l, int from, int to, Real z, Chunk<Real>& chunk) {
  constexpr Real kLength = static_cast<Real>(kLanes - 1);
  const Real slope = p.slope[l], place = slope * (z - p.centre[l]) + h.offset;
  Real own[kLanes] = {}, all[kLanes];
  add_weights(h.fade, slope, place, own);
  for (std::size_t i = 0; i < kLanes; ++i) all[i] = own[i];
  for (int k = from; k <= to; ++k) {
    if (k == 0) continue;
    const bool same = (k & 1) == 0;
    const Real s = same ? slope : p.other[l];
    const Real at = s * (z - static_cast<Real>(k) * h.half_turn - (same ? p.centre[l] : p.other_centre[l])) + h.offset;
    if (at < 1 && at + s * kLength > -1) add_weights(h.fade, s, at, all);
  }
  const Real last = static_cast<Real>(h.rows - 1), middle = last / 2;
#pragma omp simd
  for (std::size_t i = 0; i < kLanes; ++i) {
    Real row = (slope * static_cast<Real>(static_cast<int>(i)) + place) * h.half_rows + middle;
    row = row < 0 ? 0 : row;
    row = row > last ? last : row;
    const int index = static_cast<int>(row);
    const Real fraction = row - static_cast<Real>(index);
    const Real weight = own[i] / (all[i] + Real(1e-30));
    chunk.row[i] = index;
    chunk.high[i] = weight * fraction;
    chunk.low[i] = weight - weight * fraction;
  }
}

// use(chunk, lane, view, pixel, first voxel of the chunk) for all that a tile sees.
template <class Real, class Use>
inline void over_tile(const Helix<Real>& h, const Views<Real>& views, const Tile& tile, Use&& use) {
  const auto locate = h.flat ? locate_as<true, Real> : locate_as<false, Real>;
  Places<Real> places;
  Chunk<Real> chunk;
  for (std::size_t y = tile.y_begin; y < tile.y_end; ++y)
    for (std::size_t x = tile.x_begin; x < tile.x_end; ++x)
      for (std::size_t first = 0; first < views.count; first += kLanes) {
        locate(h, views, first, h.x[x], h.y[y], places);
        for (std::size_t l = 0; l < kLanes && first + l < views.count; ++l) {
          const auto span = span_of(h, places, l);
          const int from = views.first_partner[first + l], to = views.last_partner[first + l];
          for (std::size_t z = span.first; z < span.end; z += kLanes) {
            weigh(h, places, l, from < -h.reach ? -h.reach : from, to > h.reach ? h.reach : to, static_cast<Real>(z), chunk);
            use(chunk, places.column[l], places.fraction[l], first + l, ((y * h.nx + x) * h.channels) * h.depth + z);
          }
        }
      }
}

// to[i] += low[i] row[r_i] + high[i] row[r_i + 1] with r_i = chunk.row[i] - base.
template <class Real>
inline void interpolate(const Chunk<Real>& chunk, int base, const Real* row, Real* to) {
#pragma omp simd
  for (std::size_t i = 0; i < kLanes; ++i) {
    const Real* at = row + (chunk.row[i] - base);
    to[i] += chunk.low[i] * at[0] + chunk.high[i] * at[1];
  }
}
#if defined(__AVX512F__)  // the same by permutations of registers, several times as fast as gathers
inline void interpolate(const Chunk<float>& chunk, int base, const float* row, float* to) {
  const __m512 first = _mm512_loadu_ps(row), second = _mm512_loadu_ps(row + 16);
  const __m512i at = _mm512_sub_epi32(_mm512_loadu_si512(chunk.row), _mm512_set1_epi32(base));
  const __m512i next = _mm512_add_epi32(at, _mm512_set1_epi32(1));
  __m512 sum = _mm512_loadu_ps(to);
  sum = _mm512_fmadd_ps(_mm512_loadu_ps(chunk.low), _mm512_permutex2var_ps(first, at, second), sum);
  sum = _mm512_fmadd_ps(_mm512_loadu_ps(chunk.high), _mm512_permutex2var_ps(first, next, second), sum);
  _mm512_storeu_ps(to, sum);
}
#elif defined(__AVX2__)
inline __m256 pick(__m256 first, __m256 second, __m256i at) {  // of 16 numbers
  const __m256 beyond = _mm256_castsi256_ps(_mm256_cmpgt_epi32(at, _mm256_set1_epi32(7)));
  return _mm256_blendv_ps(_mm256_permutevar8x32_ps(first, at), _mm256_permutevar8x32_ps(second, at), beyond);
}
inline void interpolate(const Chunk<float>& chunk, int base, const float* row, float* to) {
  for (std::size_t i = 0; i < kLanes; i += 8) {
    const int from = chunk.row[i];
    if (chunk.row[i + 7] - from > 14) {
      for (std::size_t l = i; l < i + 8; ++l)
        to[l] += chunk.low[l] * row[chunk.row[l] - base] + chunk.high[l] * row[chunk.row[l] - base + 1];
      continue;
    }
    const __m256 first = _mm256_loadu_ps(row + (from - base)), second = _mm256_loadu_ps(row + (from - base) + 8);
    const __m256i at =
        _mm256_sub_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(chunk.row + i)), _mm256_set1_epi32(from));
    const __m256i next = _mm256_add_epi32(at, _mm256_set1_epi32(1));
    __m256 sum = _mm256_loadu_ps(to + i);
    sum = _mm256_fmadd_ps(_mm256_loadu_ps(chunk.low + i), pick(first, second, at), sum);
    sum = _mm256_fmadd_ps(_mm256_loadu_ps(chunk.high + i), pick(first, second, next), sum);
    _mm256_storeu_ps(to + i, sum);
  }
}
#endif

template <class Real>
void gather_all(const Helix<Real>& h, const Views<Real>& views, const Tile& tile, const Real* rows, Real* image) {
  over_tile(h, views, tile, [&](const Chunk<Real>& chunk, int column, Real fraction, std::size_t view, std::size_t voxel) {
    const std::size_t next = h.channels * h.row_stride;
    const Real* q = rows + view * h.view_stride + static_cast<std::size_t>(column) * next;
    const int base = chunk.row[0], needed = chunk.row[kLanes - 1] - base + 2;
    for (std::size_t c = 0; c < h.channels; ++c, q += h.row_stride, voxel += h.depth) {
      Real* to = image + voxel;
      Real row[kRows + 16];  // of the place between two columns; the rest is loaded and not used
      const Real *a = q + base, *b = a + next;
      if (needed <= static_cast<int>(kRows)) {
#pragma omp simd
        for (std::size_t r = 0; r < kRows; ++r) row[r] = a[r] + fraction * (b[r] - a[r]);
        interpolate(chunk, base, row, to);
      } else {  // slices much thicker than rows
        for (std::size_t i = 0; i < kLanes; ++i) {
          a = q + chunk.row[i], b = a + next;
          to[i] += chunk.low[i] * (a[0] + fraction * (b[0] - a[0])) + chunk.high[i] * (a[1] + fraction * (b[1] - a[1]));
        }
      }
    }
  });
}

constexpr std::size_t kApart = 4;  // sums of voxels that follow each other, which often meet the same rows, stand apart

template <class Real>
void scatter_all(const Helix<Real>& h, const Views<Real>& views, const Tile& tile, const Real* image, Real* rows) {
  over_tile(h, views, tile, [&](const Chunk<Real>& chunk, int column, Real fraction, std::size_t view, std::size_t voxel) {
    const std::size_t next = h.channels * h.row_stride;
    Real* q = rows + view * h.view_stride + static_cast<std::size_t>(column) * next;
    const int base = chunk.row[0], needed = chunk.row[kLanes - 1] - base + 2;
    for (std::size_t c = 0; c < h.channels; ++c, q += h.row_stride, voxel += h.depth) {
      const Real* from = image + voxel;
      Real *a = q + base, *b = a + next;
      if (needed <= static_cast<int>(kRows)) {
        Real row[kApart][kRows] = {};
        for (std::size_t i = 0; i < kLanes; ++i) {
          Real* at = row[i % kApart] + (chunk.row[i] - base);
          at[0] += chunk.low[i] * from[i];
          at[1] += chunk.high[i] * from[i];
        }
#pragma omp simd
        for (std::size_t r = 0; r < kRows; ++r) row[0][r] = (row[0][r] + row[1][r]) + (row[2][r] + row[3][r]);
#pragma omp simd
        for (std::size_t r = 0; r < kRows; ++r) a[r] += row[0][r] - fraction * row[0][r];  // b may begin within these
#pragma omp simd
        for (std::size_t r = 0; r < kRows; ++r) b[r] += fraction * row[0][r];
      } else {
        for (std::size_t i = 0; i < kLanes; ++i) {
          a = q + chunk.row[i], b = a + next;
          const Real low = chunk.low[i] * from[i], high = chunk.high[i] * from[i];
          a[0] += low - fraction * low, b[0] += fraction * low;
          a[1] += high - fraction * high, b[1] += fraction * high;
        }
      }
    }
  });
}

}  // namespace

void gather(const Helix<float>& h, const Views<float>& views, const Tile& tile, const float* rows, float* image) {
  gather_all(h, views, tile, rows, image);
}
void gather(const Helix<double>& h, const Views<double>& views, const Tile& tile, const double* rows, double* image) {
  gather_all(h, views, tile, rows, image);
}
void scatter(const Helix<float>& h, const Views<float>& views, const Tile& tile, const float* image, float* rows) {
  scatter_all(h, views, tile, image, rows);
}
void scatter(const Helix<double>& h, const Views<double>& views, const Tile& tile, const double* image, double* rows) {
  scatter_all(h, views, tile, image, rows);
}
}  // namespace counterflow::COUNTERFLOW_KERNEL
