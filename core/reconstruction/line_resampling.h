// Sampling a line of numbers at even steps, by linear interpolation, and the exact transpose.
//
//   sample[k] = (1-g) number[i] + g number[i+1],   i + g = origin + step k,   step > 0; zero beyond the line's ends
//
// Lines are padded to whole cache lines, with zeros. Included by kernel sources only.
#pragma once
#include "core/reconstruction/line_vectors.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

template <class Real>
constexpr int kLane = static_cast<int>(Lanes<Real>::kCount);

// How `samples` of a line of `numbers` lie on it.
template <class Real>
struct Sampling {
  Real origin, step;
  std::size_t samples, numbers;
  Real at(int k) const { return origin + step * static_cast<Real>(k); }
};

struct Range {  // of whole vectors, [begin, end)
  int begin, end;
  bool empty() const { return begin >= end; }
};

// Vectors of samples in (-1, numbers): others are zero.
template <class Real>
inline Range vectors_of_samples(const Sampling<Real>& line) {
  const Real scale = 1 / line.step, last = static_cast<Real>(line.samples - 1);
  const Real low = (Real(-1) - line.origin) * scale, high = (static_cast<Real>(line.numbers) - line.origin) * scale;
  if (!(low < last + 1) || !(high > 0)) return {0, 0};
  return {low > 0 ? static_cast<int>(low) / kLane<Real> : 0, static_cast<int>(high < last ? high : last) / kLane<Real> + 1};
}

// Whole vectors around the numbers from `low` to `high`, and one more on either side, of a line as stored.
template <class Real>
inline Range vectors_of_numbers(std::size_t stored, Real low, Real high) {
  const Real last = static_cast<Real>(stored);
  const Real begin = low - 1, end = high + 2;
  return {begin > 0 ? static_cast<int>(begin < last ? begin : last) / kLane<Real> : 0,
          end > 0 ? (static_cast<int>(end < last ? end : last) + kLane<Real> - 1) / kLane<Real> : 0};
}

// The weights are 1 - g and g, or their squares.
template <bool squared, class V>
inline V between(V low, V high, V g) {
  if constexpr (squared) return (1 - g) * (1 - g) * low + g * g * high;
  else return low + g * (high - low);
}

// Window: the samples of a vector span less than two vectors.
template <bool squared, class Real>
inline void resample_window(const Sampling<Real>& line, Range samples, const Real* numbers, Real* out) {
  using V = Vector<Real>;
  const V steps = line.step * lane_numbers<Real>();
  for (int v = samples.begin; v < samples.end; ++v) {
    const Real start = line.at(v * kLane<Real>);
    const int base = floor_of(start);
    const V place = steps + (start - static_cast<Real>(base));
    const Mask<Real> index = __builtin_convertvector(place, Mask<Real>);
    const V g = place - __builtin_convertvector(index, V);
    const V low = LineWindow<Real>::at(numbers + base, index), high = LineWindow<Real>::at(numbers + base + 1, index);
    Real* const to = out + v * kLane<Real>;
    store(to, load(to) + between<squared>(low, high, g));
  }
}

template <bool squared, class Real>
inline void resample_plain(const Sampling<Real>& line, Range samples, const Real* numbers, Real* out) {
  const Real most = static_cast<Real>(line.numbers);
  const int begin = samples.begin * kLane<Real>, end = smaller_of(samples.end * kLane<Real>, static_cast<int>(line.samples));
#pragma omp simd
  for (int k = begin; k < end; ++k) {
    Real place = line.origin + line.step * static_cast<Real>(k) + 1;  // counted from the zero before the first
    place = place < 0 ? 0 : place;
    place = place > most + 1 ? most + 1 : place;
    const int index = static_cast<int>(place);
    const Real g = place - static_cast<Real>(index);
    out[k] += between<squared>(numbers[index - 1], numbers[index], g);
  }
}

// Lanes of a window are looked up from up to 2 vectors: first fraction < 1, then (lanes - 1) steps.
template <class Real>
inline bool fits_window(Real step) {
  return LineWindow<Real>::kExists && step * static_cast<Real>(kLane<Real> - 1) < static_cast<Real>(2 * kLane<Real> - 2);
}

// out[k] += sample k, for some vectors of samples. There are zeros on either side of the numbers.
template <bool squared, class Real>
inline void resample(const Sampling<Real>& line, Range samples, const Real* numbers, Real* out) {
  if constexpr (LineWindow<Real>::kExists)
    if (fits_window(line.step)) return resample_window<squared>(line, samples, numbers, out);
  resample_plain<squared>(line, samples, numbers, out);
}

template <class Real>
inline void collect_window(const Sampling<Real>& line, Range numbers, const Real* samples, Real* sums) {
  using V = Vector<Real>;
  const Real scale = 1 / line.step;
  const V lanes = lane_numbers<Real>(), steps = scale * lanes;
  const int terms = static_cast<int>(2 * scale) + 1;  // samples less than 1 away
  for (int v = numbers.begin; v < numbers.end; ++v) {
    const Real number = static_cast<Real>(v * kLane<Real>), start = (number - 1 - line.origin) * scale;
    const int base = floor_of(start);
    const Mask<Real> index = __builtin_convertvector(steps + (start - static_cast<Real>(base)), Mask<Real>);
    V distance = (number - line.at(base + 1)) + lanes - line.step * __builtin_convertvector(index, V);
    V sum{};
    for (int j = 1; j <= terms; ++j) {
      const V weight = 1 - magnitude(distance);
      sum += larger(weight, V{}) * LineWindow<Real>::at(samples + base + j, index);
      distance -= line.step;
    }
    store(sums + v * kLane<Real>, sum);
  }
}

// The same sample by sample.
template <class Real>
inline void collect_plain(const Sampling<Real>& line, Range numbers, const Real* samples, Real* sums) {
  for (int i = numbers.begin * kLane<Real>; i < numbers.end * kLane<Real>; ++i) sums[i] = 0;
  sums[-1] = 0;
  const Real most = static_cast<Real>(line.numbers);
  for (std::size_t k = 0; k < line.samples; ++k) {
    Real place = line.at(static_cast<int>(k)) + 1;  // counted from a number before the first
    place = place < 0 ? 0 : place;
    place = place > most + 1 ? most + 1 : place;
    const int index = static_cast<int>(place);
    const Real g = place - static_cast<Real>(index);
    sums[index - 1] += (1 - g) * samples[k];
    sums[index] += g * samples[k];
  }
}

// The transpose: sums[i] = sum over samples k of (1 - |i - origin - step k|)+ sample[k], for some vectors of numbers that hold
// all that is not zero. There are zeros on either side of the samples.
template <class Real>
inline void collect(const Sampling<Real>& line, Range numbers, const Real* samples, Real* sums) {
  if constexpr (LineWindow<Real>::kExists)
    if (fits_window(1 / line.step)) return collect_window(line, numbers, samples, sums);
  collect_plain(line, numbers, samples, sums);
}

// out = low a + high b, for some vectors; and its transpose.
template <class Real>
inline void blend(Range vectors, Real low, const Real* a, Real high, const Real* b, Real* out) {
  for (int v = vectors.begin * kLane<Real>; v < vectors.end * kLane<Real>; v += kLane<Real>)
    store(out + v, low * load(a + v) + high * load(b + v));
}
template <class Real>
inline void unblend(Range vectors, Real low, Real high, const Real* sums, Real* a, Real* b) {
  for (int v = vectors.begin * kLane<Real>; v < vectors.end * kLane<Real>; v += kLane<Real>) {
    const Vector<Real> sum = load(sums + v);
    store(a + v, load(a + v) + low * sum);
    store(b + v, load(b + v) + high * sum);
  }
}

}  // namespace
}  // namespace counterflow::COUNTERFLOW_KERNEL
