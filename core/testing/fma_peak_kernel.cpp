#include "core/testing/fma_peak_kernel.h"

namespace counterflow::COUNTERFLOW_KERNEL {

#if defined(__AVX512F__)
typedef float Vector __attribute__((vector_size(64)));
#elif defined(__AVX2__)
typedef float Vector __attribute__((vector_size(32)));
#else
typedef float Vector __attribute__((vector_size(16)));
#endif

std::size_t multiply_adds(std::size_t rounds, float* sink) {
  constexpr std::size_t kChains = 12;  // independent: more than latency x units
  Vector sum[kChains];
  for (std::size_t c = 0; c < kChains; ++c) sum[c] = Vector{} + *sink * static_cast<float>(c);  // equal ones would be merged
  const Vector a = Vector{} + *sink, b = Vector{} + 1e-6f;
  for (std::size_t i = 0; i < rounds; ++i)
    for (std::size_t c = 0; c < kChains; ++c) sum[c] = sum[c] * a + b;
  Vector all = {};
  for (std::size_t c = 0; c < kChains; ++c) all += sum[c];
  *sink = all[0] > 1 ? 0.4f : 0.5f;
  return rounds * kChains * sizeof(Vector) / sizeof(float);
}

}  // namespace counterflow::COUNTERFLOW_KERNEL
