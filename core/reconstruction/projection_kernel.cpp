// One source, compiled for each instruction set (counterflow_kernel); COUNTERFLOW_KERNEL names its namespace.
#include "core/reconstruction/projection_kernel.h"

#include "core/reconstruction/block_vectors.h"
#include "core/reconstruction/line_vectors.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

using projection::Crossing;
using projection::kGuard;
using projection::Lines;

constexpr int kLinesTogether = 16;  // of one ray, whose indices and weights are found as vectors

// Where a ray crosses some lines, as offsets in memory, and the weights of the two voxels there.
template <class Real>
struct Places {
  std::size_t offset[kLinesTogether];
  Real low[kLinesTogether], high[kLinesTogether];
};

inline double whole(double value) {
  const auto i = static_cast<double>(static_cast<long long>(value));
  return i > value ? i - 1 : i;
}

// Small numbers are counted from the place on line `first`, so that float keeps a fraction's digits.
template <class Real>
inline void locate(const Lines& job, const Crossing& ray, int first, Places<Real>& places) {
  const double start = ray.place + ray.slope * first, base = whole(start);
  const Real fraction = static_cast<Real>(start - base), slope = static_cast<Real>(ray.slope);
  const int place = static_cast<int>(base) + static_cast<int>(kGuard), block = static_cast<int>(job.block);
  int offset[kLinesTogether];
#pragma omp simd
  for (int l = 0; l < kLinesTogether; ++l) {
    const Real at = fraction + slope * static_cast<Real>(l);
    int index = static_cast<int>(at);
    index -= static_cast<Real>(index) > at;
    places.high[l] = at - static_cast<Real>(index);
    places.low[l] = 1 - places.high[l];
    offset[l] = (place + index) * block;
  }
  for (int l = 0; l < kLinesTogether; ++l)
    places.offset[l] = static_cast<std::size_t>(first + l) * job.line_stride + static_cast<std::size_t>(offset[l]);
}

// use(places, count) for each piece of a ray.
template <class Real, class Use>
inline void over_pieces(const Lines& job, const Crossing& ray, Use&& use) {
  const int begin = larger_of(ray.begin, static_cast<int>(job.begin)), end = smaller_of(ray.end, static_cast<int>(job.end));
  Places<Real> places;
  for (int first = begin; first < end; first += kLinesTogether) {
    locate(job, ray, first, places);
    use(places, smaller_of(end - first, kLinesTogether));
  }
}

template <class Real, std::size_t Bytes>
inline void add_ray(const Lines& job, const Crossing& ray, const Real* volume, Real* sums) {
  using G = Group<Real, Bytes>;
  over_pieces<Real>(job, ray, [&](const Places<Real>& places, int count) {
    for (std::size_t b = 0; b < job.block; b += Bytes / sizeof(Real)) {
      typename G::Vector low[G::kVectors] = {}, high[G::kVectors] = {};
      for (int l = 0; l < count; ++l) {
        const Real* v = volume + places.offset[l] + b;
        for (std::size_t i = 0; i < G::kVectors; ++i) low[i] += places.low[l] * G::at(v, i);
        for (std::size_t i = 0; i < G::kVectors; ++i) high[i] += places.high[l] * G::at(v + job.block, i);
      }
      for (std::size_t i = 0; i < G::kVectors; ++i) G::at(sums + b, i) += low[i] + high[i];
    }
  });
}

template <class Real, std::size_t Bytes>
inline void spread_ray(const Lines& job, const Crossing& ray, const Real* sums, Real* volume) {
  using G = Group<Real, Bytes>;
  over_pieces<Real>(job, ray, [&](const Places<Real>& places, int count) {
    for (std::size_t b = 0; b < job.block; b += Bytes / sizeof(Real)) {
      typename G::Vector sum[G::kVectors];
      for (std::size_t i = 0; i < G::kVectors; ++i) sum[i] = G::at(sums + b, i);
      for (int l = 0; l < count; ++l) {
        Real* v = volume + places.offset[l] + b;
        for (std::size_t i = 0; i < G::kVectors; ++i) G::at(v, i) += places.low[l] * sum[i];
        for (std::size_t i = 0; i < G::kVectors; ++i) G::at(v + job.block, i) += places.high[l] * sum[i];
      }
    }
  });
}

// One number a voxel: both voxels of a line at once.
template <class Real>
inline void spread_single(const Lines& job, const Crossing& ray, Real sum, Real* volume) {
  typedef Real Pair __attribute__((vector_size(2 * sizeof(Real)), aligned(sizeof(Real)), may_alias));
  over_pieces<Real>(job, ray, [&](const Places<Real>& places, int count) {
    for (int l = 0; l < count; ++l)
      *reinterpret_cast<Pair*>(volume + places.offset[l]) += Pair{places.low[l], places.high[l]} * sum;
  });
}

// One number a voxel: neighbouring rays are the lanes, and those of a line are looked up from two vectors of its voxels.
template <class Real>
struct RayLanes {
  static constexpr int kCount = static_cast<int>(Lanes<Real>::kCount), kNever = 0x7fffffff;
  Vector<Real> place, slope;  // from line `first` on, counted from `base`
  Mask<Real> begin, end;      // lines of each ray
  int first, base;
  int all_begin, all_end, any_begin, any_end;  // lines that all and that any of them cross; empty where begin >= end

  // `count` rays; further lanes repeat the last.
  RayLanes(const Crossing* rays, int count, int line) : first(line) {
    const auto place_of = [&](const Crossing& ray) { return ray.place + ray.slope * line; };
    const double a = place_of(rays[0]), b = place_of(rays[count - 1]), least = whole(a < b ? a : b);
    base = static_cast<int>(least);
    all_begin = 0, any_begin = all_end = kNever, any_end = 0;
    for (int l = 0; l < kCount; ++l) {
      const Crossing& ray = rays[smaller_of(l, count - 1)];
      place[l] = static_cast<Real>(place_of(ray) - least);
      slope[l] = static_cast<Real>(ray.slope);
      begin[l] = ray.begin, end[l] = ray.end;
      all_begin = larger_of(all_begin, ray.begin), all_end = smaller_of(all_end, ray.end);
      if (ray.begin < ray.end) any_begin = smaller_of(any_begin, ray.begin), any_end = larger_of(any_end, ray.end);
    }
  }
  // Between the outermost rays on a line; the rays of a bundle keep their order.
  Real width(int line) const {
    const Real w = place[kCount - 1] - place[0] + (slope[kCount - 1] - slope[0]) * static_cast<Real>(line - first);
    return w < 0 ? -w : w;
  }
  bool fits(int begin_line, int end_line) const {
    constexpr Real most = 2 * kCount - 3;  // two vectors less the neighbour, and rounding at either end
    return width(begin_line) < most && width(end_line - 1) < most;
  }
};

// A ray that misses a line reads what is there, and does not add it.
template <bool all_cross, class Real>
inline Vector<Real> at_line(const RayLanes<Real>& rays, int line, const Real* volume) {
  using V = Vector<Real>;
  constexpr Real kRounding = Real(0.01);
  const Real step = static_cast<Real>(line - rays.first);
  const V place = rays.place + rays.slope * step;
  const Real a = place[0], b = place[RayLanes<Real>::kCount - 1];
  const int base = floor_of((a < b ? a : b) - kRounding);
  const V from_base = place - static_cast<Real>(base);
  const Mask<Real> index = __builtin_convertvector(from_base, Mask<Real>);
  const V f = from_base - __builtin_convertvector(index, V);
  const Real* v = volume + rays.base + base;
  const V low = LineWindow<Real>::at(v, index), high = LineWindow<Real>::at(v + 1, index);
  const V value = low + f * (high - low);
  if constexpr (all_cross) return value;
  else return line >= rays.begin && line < rays.end ? value : V{};
}

template <class Real>
inline bool add_side_by_side(const Lines& job, const Crossing* crossings, int count, const Real* volume, Real* sums) {
  const int first = static_cast<int>(job.begin);
  const RayLanes<Real> rays(crossings, count, first);
  const int begin = larger_of(first, rays.any_begin), end = smaller_of(static_cast<int>(job.end), rays.any_end);
  if (begin >= end) return true;
  if (!rays.fits(begin, end)) return false;
  const int inner_begin = smaller_of(larger_of(begin, rays.all_begin), end);
  const int inner_end = larger_of(smaller_of(end, rays.all_end), inner_begin);
  const auto line_of = [&](int line) { return volume + static_cast<std::size_t>(line) * job.line_stride + kGuard; };
  Vector<Real> sum{};
  for (int line = begin; line < inner_begin; ++line) sum += at_line<false>(rays, line, line_of(line));
  for (int line = inner_begin; line < inner_end; ++line) sum += at_line<true>(rays, line, line_of(line));
  for (int line = inner_end; line < end; ++line) sum += at_line<false>(rays, line, line_of(line));
  for (int l = 0; l < count; ++l) sums[l] += sum[l];
  return true;
}

template <class Real>
inline void add_single(const Lines& job, const Real* volume, Real* sums) {
  constexpr int lanes = static_cast<int>(Lanes<Real>::kCount);
  const int n = static_cast<int>(job.rays);
  for (int first = 0; first < n; first += lanes) {
    const int count = smaller_of(lanes, n - first);
    if constexpr (LineWindow<Real>::kExists)
      if (add_side_by_side(job, job.crossings + first, count, volume, sums + first)) continue;
    for (int k = first; k < first + count; ++k) add_ray<Real, sizeof(Real)>(job, job.crossings[k], volume, sums + k);
  }
}

template <class Real>
inline void add(const Lines& job, const Real* volume, Real* sums) {
  if (job.block == 1) return add_single(job, volume, sums);
  by_group<Real>(job.block, [&](auto bytes) {
    for (std::size_t k = 0; k < job.rays; ++k) add_ray<Real, bytes.value>(job, job.crossings[k], volume, sums + k * job.block);
  });
}

template <class Real>
inline void spread(const Lines& job, const Real* sums, Real* volume) {
  if (job.block == 1) {
    for (std::size_t k = 0; k < job.rays; ++k) spread_single(job, job.crossings[k], sums[k], volume);
    return;
  }
  by_group<Real>(job.block, [&](auto bytes) {
    for (std::size_t k = 0; k < job.rays; ++k) spread_ray<Real, bytes.value>(job, job.crossings[k], sums + k * job.block, volume);
  });
}

}  // namespace

void add_lines(const Lines& job, const float* volume, float* sums) { add(job, volume, sums); }
void add_lines(const Lines& job, const double* volume, double* sums) { add(job, volume, sums); }
void spread_lines(const Lines& job, const float* sums, float* volume) { spread(job, sums, volume); }
void spread_lines(const Lines& job, const double* sums, double* volume) { spread(job, sums, volume); }

}  // namespace counterflow::COUNTERFLOW_KERNEL
