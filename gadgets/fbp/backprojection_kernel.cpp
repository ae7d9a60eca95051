// One source, compiled for each instruction set (counterflow_kernel); COUNTERFLOW_KERNEL names its namespace.
#include "gadgets/fbp/backprojection_kernel.h"

#include "core/reconstruction/block_vectors.h"
#include "core/reconstruction/ray_hit.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

using fbp::Backprojection;
using fbp::kLanes;
using fbp::Rays;
using fbp::Tile;

// Column and weights of kLanes pairs of a pixel and a view.
template <class Real>
struct PixelViews {
  int index[kLanes];
  Real low[kLanes], high[kLanes];  // weights of columns index and index + 1
};

template <Rays rays, class Real, class Across, class Along>
inline void locate_as(const Backprojection<Real>& job, PixelViews<Real>& lanes, Across&& across, Along&& along) {
#pragma omp simd
  for (std::size_t l = 0; l < kLanes; ++l) {
    Real column, weight;
    hit<rays>(job.radius, job.scale, across(l), along(l), column, weight);
    column += job.centre;
    column = column < 0 ? 0 : column;
    column = column > job.last ? job.last : column;
    const int index = static_cast<int>(column);
    const Real fraction = column - static_cast<Real>(index);
    lanes.index[l] = index;
    lanes.high[l] = weight * fraction;
    lanes.low[l] = weight - weight * fraction;
  }
}

template <class Real, class Across, class Along>
inline void locate(const Backprojection<Real>& job, PixelViews<Real>& lanes, Across&& across, Along&& along) {
  switch (job.rays) {
    case Rays::arc:
      return locate_as<Rays::arc>(job, lanes, across, along);
    case Rays::flat:
      return locate_as<Rays::flat>(job, lanes, across, along);
    case Rays::parallel:
      return locate_as<Rays::parallel>(job, lanes, across, along);
  }
}

// Index and weights of the views [first, first + kLanes) for one pixel.
template <class Real>
inline void locate_views(const Backprojection<Real>& job, Real x, Real y, std::size_t first, PixelViews<Real>& lanes) {
  const Real *c = job.cosine + first, *s = job.sine + first;
  locate(
      job, lanes, [=](std::size_t l) { return x * s[l] - y * c[l]; }, [=](std::size_t l) { return x * c[l] + y * s[l]; });
}

// One slice-material: the views are the vector.
template <class Real>
inline void collect_one(const PixelViews<Real>& lanes, std::size_t count, const Real* rows, std::size_t stride, Real* pixel) {
  Real sum = 0;
  const int step = static_cast<int>(stride), n = static_cast<int>(count);  // 32-bit offsets, as gathers like them
#pragma omp simd reduction(+ : sum)
  for (int l = 0; l < n; ++l) {
    const int at = l * step + lanes.index[l];
    sum += lanes.low[l] * rows[at] + lanes.high[l] * rows[at + 1];
  }
  *pixel += sum;
}

template <class Real, std::size_t Bytes>
inline void collect(const PixelViews<Real>& lanes, std::size_t count, const Real* rows, std::size_t stride, std::size_t block,
                    Real* pixel) {
  using G = Group<Real, Bytes>;
  for (std::size_t b = 0; b < block; b += Bytes / sizeof(Real)) {
    typename G::Vector low[G::kVectors] = {}, high[G::kVectors] = {};
    for (std::size_t l = 0; l < count; ++l) {
      const Real* q = rows + l * stride + static_cast<std::size_t>(lanes.index[l]) * block + b;
      for (std::size_t i = 0; i < G::kVectors; ++i) low[i] += lanes.low[l] * G::at(q, i);
      for (std::size_t i = 0; i < G::kVectors; ++i) high[i] += lanes.high[l] * G::at(q + block, i);
    }
    for (std::size_t i = 0; i < G::kVectors; ++i) G::at(pixel + b, i) += low[i] + high[i];
  }
}

template <class Real, std::size_t Bytes>
inline void collect_variance(const PixelViews<Real>& lanes, std::size_t count, const Real* v, const Real* c, std::size_t stride,
                             std::size_t block, Real* pixel) {
  using G = Group<Real, Bytes>;
  for (std::size_t b = 0; b < block; b += Bytes / sizeof(Real)) {
    typename G::Vector sum[G::kVectors] = {};
    for (std::size_t l = 0; l < count; ++l) {
      const std::size_t at = l * stride + static_cast<std::size_t>(lanes.index[l]) * block + b;
      const Real low = lanes.low[l], high = lanes.high[l];
      for (std::size_t i = 0; i < G::kVectors; ++i)
        sum[i] += low * low * G::at(v + at, i) + high * high * G::at(v + at + block, i) + 2 * low * high * G::at(c + at, i);
    }
    for (std::size_t i = 0; i < G::kVectors; ++i) G::at(pixel + b, i) += sum[i];
  }
}

// use(lanes, count, first view, pixel offset) for every pixel of a tile and each group of kLanes views.
template <class Real, class Use>
inline void over_pixels(const Backprojection<Real>& job, const Tile& tile, Use&& use) {
  PixelViews<Real> lanes;
  for (std::size_t y = tile.y_begin; y < tile.y_end; ++y)
    for (std::size_t x = tile.x_begin; x < tile.x_end; ++x)
      for (std::size_t first = 0; first < job.views; first += kLanes) {
        locate_views(job, job.x[x], job.y[y], first, lanes);
        const std::size_t left = job.views - first;
        use(lanes, left < kLanes ? left : kLanes, first * job.row_stride, (y * job.nx + x) * job.block);
      }
}

template <class Real, std::size_t Bytes>
void gather_groups(const Backprojection<Real>& job, const Tile& tile, const Real* rows, Real* image) {
  over_pixels(job, tile, [&](const PixelViews<Real>& lanes, std::size_t count, std::size_t row, std::size_t pixel) {
    if constexpr (Bytes == sizeof(Real)) {
      if (count == kLanes) collect_one(lanes, kLanes, rows + row, job.row_stride, image + pixel);
      else collect_one(lanes, count, rows + row, job.row_stride, image + pixel);
    } else {
      collect<Real, Bytes>(lanes, count, rows + row, job.row_stride, job.block, image + pixel);
    }
  });
}

template <class Real, std::size_t Bytes>
void variance_groups(const Backprojection<Real>& job, const Tile& tile, const Real* v, const Real* c, Real* image) {
  over_pixels(job, tile, [&](const PixelViews<Real>& lanes, std::size_t count, std::size_t row, std::size_t pixel) {
    collect_variance<Real, Bytes>(lanes, count, v + row, c + row, job.row_stride, job.block, image + pixel);
  });
}

template <class Real, std::size_t Bytes>
inline void spread(const PixelViews<Real>& lanes, std::size_t count, std::size_t block, const Real* pixels, Real* row) {
  using G = Group<Real, Bytes>;
  for (std::size_t l = 0; l < count; ++l) {
    Real* q = row + static_cast<std::size_t>(lanes.index[l]) * block;
    const Real* pixel = pixels + l * block;
    for (std::size_t b = 0; b < block; b += Bytes / sizeof(Real))
      for (std::size_t i = 0; i < G::kVectors; ++i) {
        const typename G::Vector z = G::at(pixel + b, i);
        G::at(q + b, i) += lanes.low[l] * z;
        G::at(q + block + b, i) += lanes.high[l] * z;
      }
  }
}

template <class Real, std::size_t Bytes>
void scatter_groups(const Backprojection<Real>& job, const Tile& tile, const Real* image, Real* row) {
  const Real c = job.cosine[0], s = job.sine[0];
  PixelViews<Real> lanes;
  for (std::size_t y = tile.y_begin; y < tile.y_end; ++y)
    for (std::size_t first = tile.x_begin; first < tile.x_end; first += kLanes) {
      const Real* x = job.x + first;
      const Real at = job.y[y];
      locate(
          job, lanes, [=](std::size_t l) { return x[l] * s - at * c; }, [=](std::size_t l) { return x[l] * c + at * s; });
      const std::size_t left = tile.x_end - first;
      spread<Real, Bytes>(lanes, left < kLanes ? left : kLanes, job.block, image + (y * job.nx + first) * job.block, row);
    }
}

}  // namespace

void gather(const Backprojection<float>& job, const Tile& tile, const float* rows, float* image) {
  by_group<float>(job.block, [&](auto bytes) { gather_groups<float, bytes.value>(job, tile, rows, image); });
}
void gather_variance(const Backprojection<float>& job, const Tile& tile, const float* v, const float* c, float* image) {
  by_group<float>(job.block, [&](auto bytes) { variance_groups<float, bytes.value>(job, tile, v, c, image); });
}
void scatter(const Backprojection<float>& job, const Tile& tile, const float* image, float* row) {
  by_group<float>(job.block, [&](auto bytes) { scatter_groups<float, bytes.value>(job, tile, image, row); });
}
void gather(const Backprojection<double>& job, const Tile& tile, const double* rows, double* image) {
  by_group<double>(job.block, [&](auto bytes) { gather_groups<double, bytes.value>(job, tile, rows, image); });
}
void gather_variance(const Backprojection<double>& job, const Tile& tile, const double* v, const double* c, double* image) {
  by_group<double>(job.block, [&](auto bytes) { variance_groups<double, bytes.value>(job, tile, v, c, image); });
}
void scatter(const Backprojection<double>& job, const Tile& tile, const double* image, double* row) {
  by_group<double>(job.block, [&](auto bytes) { scatter_groups<double, bytes.value>(job, tile, image, row); });
}
}  // namespace counterflow::COUNTERFLOW_KERNEL
