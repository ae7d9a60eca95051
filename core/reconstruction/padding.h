// How many numbers are stored where vectors go over them. Plain data: for kernels and for their callers.
#pragma once
#include <cstddef>

namespace counterflow::fbp {

// Whole cache lines.
template <class Real>
constexpr std::size_t padded_line(std::size_t n) {
  constexpr std::size_t line = 64 / sizeof(Real);
  return (n + line - 1) / line * line;
}

// A power of two up to one cache line, then whole cache lines.
template <class Real>
constexpr std::size_t padded_block(std::size_t n) {
  constexpr std::size_t line = 64 / sizeof(Real);
  std::size_t block = 1;
  while (block < n && block < line) block *= 2;
  return n <= line ? block : padded_line<Real>(n);
}

}  // namespace counterflow::fbp
