// Convolution of many detector rows at once by the discrete Fourier transform: a lane of a vector is a row, so every access is
// contiguous and nothing is shuffled. Two rows travel in a lane, as real and imaginary part: they do not mix, but for rounding,
// as the kernels of the convolutions are real.
//
// The transform is Stockham's (in order, from one buffer to the other and back), radices 2, 3, 4 and 5; the inverse is the same
// with real and imaginary parts exchanged.
// This header is included by sources compiled for other instruction sets: plain data only.
#pragma once
#include <cstddef>

namespace counterflow::fbp {

// out[k out_step] = after[k] sum_j h(k - j) before[j] in[j in_step]. Where in and out are the same place, all is read before it
// is written.
template <class Real>
struct FilterRow {
  const Real* in = nullptr;  // null: no row
  std::size_t in_step = 1;
  const Real* before = nullptr;  // [columns]; null: 1
  Real* out = nullptr;
  std::size_t out_step = 1;
  const Real* after = nullptr;  // [columns]; null: 1
};

template <class Real>
struct RowTransform {
  std::size_t columns = 0, length = 0;  // of a row, and of the circle that holds the convolution
  const int* radices = nullptr;         // their product is `length`
  std::size_t passes = 0;
  const Real* twiddles = nullptr;  // of all passes: cos, sin of -2 pi p j / n for p < n / radix, j = 1 .. radix - 1
  const Real* response = nullptr;  // [length] re, im of the convolution's kernel, divided by `length`
};

inline constexpr std::size_t kFilterLanes = 16;  // the longest vector; room for a transform is 4 length kFilterLanes numbers

// rows[i].out = filtered rows[i].in, where rows 2 i and 2 i + 1 share a lane; `skip` columns at the end are not written.
template <class Real>
using FilterRows = void(const RowTransform<Real>&, const FilterRow<Real>* rows, std::size_t pairs, std::size_t skip, Real* room);

}  // namespace counterflow::fbp

namespace counterflow::kernel_baseline {
fbp::FilterRows<float> filter_rows;
fbp::FilterRows<double> filter_rows;
}  // namespace counterflow::kernel_baseline

namespace counterflow::kernel_avx2 {
fbp::FilterRows<float> filter_rows;
fbp::FilterRows<double> filter_rows;
}  // namespace counterflow::kernel_avx2

namespace counterflow::kernel_avx512 {
fbp::FilterRows<float> filter_rows;
fbp::FilterRows<double> filter_rows;
}  // namespace counterflow::kernel_avx512
