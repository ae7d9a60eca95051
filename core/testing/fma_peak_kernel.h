// The most multiply-adds that one core does in float: the ceiling beside the figures of benchmarks.
#pragma once
#include <cstddef>

namespace counterflow::kernel_baseline {
std::size_t multiply_adds(std::size_t rounds, float* sink);  // the number done; sink keeps them from being optimised away
}
namespace counterflow::kernel_avx2 {
std::size_t multiply_adds(std::size_t rounds, float* sink);
}
namespace counterflow::kernel_avx512 {
std::size_t multiply_adds(std::size_t rounds, float* sink);
}
