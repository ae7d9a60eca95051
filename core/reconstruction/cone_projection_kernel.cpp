// One source, compiled for each instruction set (counterflow_kernel); COUNTERFLOW_KERNEL names its namespace.
#include "core/reconstruction/cone_projection_kernel.h"

#include "core/reconstruction/cone_kernel.h"
#include "core/reconstruction/line_resampling.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

using fbp::kConeGuard;
using projection::ConeLines;
using projection::Crossing;
using projection::kGuard;

// A column's rays on one line.
template <class Real>
struct Meeting {
  std::size_t offset;  // of the first of the two voxel columns
  Real low, high;      // their weights
  Sampling<Real> rows;
};

template <class Real>
inline Meeting<Real> meet(const ConeLines<Real>& job, const Crossing& ray, int line) {
  const double place = ray.place + ray.slope * line + kGuard;  // > 0
  const int index = static_cast<int>(place);
  Meeting<Real> m;
  m.offset = static_cast<std::size_t>(line) * job.lines.line_stride + static_cast<std::size_t>(index) * job.lines.block;
  m.high = static_cast<Real>(place - index);
  m.low = 1 - m.high;
  m.rows = {static_cast<Real>(ray.height + ray.height_slope * line), static_cast<Real>(ray.step + ray.step_slope * line),
            job.rows, job.slices};
  return m;
}

// use(ray, meeting, z) for each line of each ray that meets voxels: z are the vectors of slices that its rows see.
template <class Real, class Start, class Use>
inline void over_meetings(const ConeLines<Real>& job, Start&& start, Use&& use) {
  for (std::size_t k = 0; k < job.lines.rays; ++k) {
    const Crossing& ray = job.lines.crossings[k];
    const int begin = larger_of(ray.begin, static_cast<int>(job.lines.begin));
    const int end = smaller_of(ray.end, static_cast<int>(job.lines.end));
    if (begin < end) start(k);
    for (int line = begin; line < end; ++line) use(k, meet(job, ray, line));
  }
}

template <class Real>
inline void add(const ConeLines<Real>& job, const Real* volume, Real* sums) {
  Real* const column = job.room + kConeGuard;
  over_meetings(
      job, [](std::size_t) {},
      [&](std::size_t ray, const Meeting<Real>& m) {
        const Range rows = vectors_of_samples(m.rows);
        if (rows.empty()) return;
        const Range z =
            vectors_of_numbers(job.lines.block, m.rows.at(rows.begin * kLane<Real>), m.rows.at(rows.end * kLane<Real>));
        for (std::size_t c = 0; c < job.channels; ++c) {
          const Real* v = volume + c * job.volume_stride + m.offset;
          blend(z, m.low, v, m.high, v + job.lines.block, column);
          resample<false>(m.rows, rows, column, sums + c * job.sums_stride + ray * job.row_stride);
        }
      });
  for (std::size_t z = 0; z < job.lines.block; ++z) column[z] = 0;
}

template <class Real>
inline void spread(const ConeLines<Real>& job, const Real* sums, Real* volume) {
  const std::size_t room = fbp::cone_line<Real>(job.rows, job.slices);
  Real *const rows = job.room + kConeGuard, *const column = job.room + room + kConeGuard;
  for (std::size_t c = 0; c < job.channels; ++c) {
    over_meetings(
        job,
        [&](std::size_t ray) {
          const Real* from = sums + c * job.sums_stride + ray * job.row_stride;
          for (std::size_t r = 0; r < job.rows; ++r) rows[r] = from[r];
        },
        [&](std::size_t, const Meeting<Real>& m) {
          const Range z = vectors_of_numbers(job.lines.block, m.rows.origin, m.rows.at(static_cast<int>(job.rows) - 1));
          if (z.empty()) return;
          collect(m.rows, z, rows, column);
          Real* v = volume + c * job.volume_stride + m.offset;
          unblend(z, m.low, m.high, column, v, v + job.lines.block);
        });
  }
  for (std::size_t r = 0; r < job.rows; ++r) rows[r] = 0;
}

}  // namespace

void add_cone_lines(const ConeLines<float>& job, const float* volume, float* sums) { add(job, volume, sums); }
void add_cone_lines(const ConeLines<double>& job, const double* volume, double* sums) { add(job, volume, sums); }
void spread_cone_lines(const ConeLines<float>& job, const float* sums, float* volume) { spread(job, sums, volume); }
void spread_cone_lines(const ConeLines<double>& job, const double* sums, double* volume) { spread(job, sums, volume); }

}  // namespace counterflow::COUNTERFLOW_KERNEL
