// Blocks of numbers that lie side by side, as vectors of the native width or less. Included by kernel sources only.
#pragma once
#include <cstddef>

#include "core/lanes.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

// Bytes of numbers that are handled together.
template <class Real, std::size_t Bytes>
struct Group {
  static constexpr std::size_t kWidth = Bytes < kVectorBytes ? Bytes : kVectorBytes;
  static constexpr std::size_t kVectors = Bytes / kWidth;
  static constexpr std::size_t kElements = kWidth / sizeof(Real);
  typedef Real Vector __attribute__((vector_size(kWidth), aligned(sizeof(Real)), may_alias));
  static const Vector& at(const Real* p, std::size_t i) { return *reinterpret_cast<const Vector*>(p + i * kElements); }
  static Vector& at(Real* p, std::size_t i) { return *reinterpret_cast<Vector*>(p + i * kElements); }
};

template <std::size_t N>
struct Bytes {
  static constexpr std::size_t value = N;
};

// call(Bytes<n>) with the size of group that a block of so many numbers asks for: a power of two up to a cache line.
template <class Real, class Call>
inline void by_group(std::size_t block, Call&& call) {
  switch (block * sizeof(Real)) {
    case sizeof(Real):
      return call(Bytes<sizeof(Real)>());
    case 2 * sizeof(Real):
      return call(Bytes<2 * sizeof(Real)>());
    case 4 * sizeof(Real):
      return call(Bytes<4 * sizeof(Real)>());
    case 8 * sizeof(Real):
      return call(Bytes<8 * sizeof(Real)>());
    default:
      return call(Bytes<64>());
  }
}

}  // namespace
}  // namespace counterflow::COUNTERFLOW_KERNEL
