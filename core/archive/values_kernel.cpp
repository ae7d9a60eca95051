#include "core/archive/values_kernel.h"

namespace counterflow::COUNTERFLOW_KERNEL {

bool all_finite(const float* values, std::size_t n, std::uint32_t mask) {
  constexpr std::uint32_t kLargest = 0x7f7fffff, kSign = 0x80000000;
  std::uint32_t bad = 0;
#pragma omp simd reduction(| : bad)
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, values[i]) & mask;
    bad |= bits | (kLargest - bits);
  }
  return (bad & kSign) == 0;
}

}  // namespace counterflow::COUNTERFLOW_KERNEL
