// Vectors along a line in memory, and a window of two of them in which any lane can be looked up: what resampling a line takes.
// Included by kernel sources only. kWindow is false where there is no such look-up; then plain loops do the same.
#pragma once
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "core/lanes.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

// p[lane index[l]] for 0 <= index < 2 lanes.
template <class Real>
struct LineWindow {
  static constexpr bool kExists = false;
};

#if defined(__AVX512F__)
template <>
struct LineWindow<float> {
  static constexpr bool kExists = true;
  static Vector<float> at(const float* p, Mask<float> index) {
    return (Vector<float>)_mm512_permutex2var_ps(_mm512_loadu_ps(p), (__m512i)index, _mm512_loadu_ps(p + 16));
  }
};
#elif defined(__AVX2__)
template <>
struct LineWindow<float> {
  static constexpr bool kExists = true;
  static Vector<float> at(const float* p, Mask<float> index) {
    const __m256i i = (__m256i)index;
    const __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(p), i),
                 high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(p + 8), i);
    return (Vector<float>)_mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(i, 28)));  // by bit 3 of the index
  }
};
#endif

// 0, 1, 2, ...
template <class Real>
inline Vector<Real> lane_numbers() {
  Vector<Real> v;
  for (std::size_t l = 0; l < Lanes<Real>::kCount; ++l) v[l] = static_cast<Real>(l);
  return v;
}

// Largest integer <= value, |value| < 2^24.
template <class Real>
inline int floor_of(Real value) {
  const int i = static_cast<int>(value);
  return i - (static_cast<Real>(i) > value);
}

inline int smaller_of(int a, int b) { return a < b ? a : b; }
inline int larger_of(int a, int b) { return a > b ? a : b; }

}  // namespace
}  // namespace counterflow::COUNTERFLOW_KERNEL
