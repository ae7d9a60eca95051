// Whether all values of a view are good, in one pass.
// This header is included by sources compiled for other instruction sets: plain data only.
#pragma once
#include <cstddef>
#include <cstdint>

namespace counterflow {

// True where every value's bits, under `mask`, are those of a finite float that is not negative: as integers these go from 0 to
// below infinity's. The mask keeps or drops the sign; kept, -0 fails too.
using AllFinite = bool(const float* values, std::size_t n, std::uint32_t mask);

namespace kernel_baseline {
AllFinite all_finite;
}
namespace kernel_avx2 {
AllFinite all_finite;
}
namespace kernel_avx512 {
AllFinite all_finite;
}

}  // namespace counterflow
