// The ramp filter along a detector row, and what it does to the variance of uncorrelated columns.
//
// Kernel for a spacing of 1 (Kak & Slaney 1988, eq. 61 and 3.100): h(0) = 1/4, h(n) = -1/(pi n)^2 for odd n, 0 for even n; on
// an arc of spacing dg times (n dg / sin(n dg))^2. Sampled in space, so that the mean value is right; a window multiplies its
// spectrum up to cutoff x Nyquist, beyond which it is zero. Even, so it is its own transpose.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/kernel.h"
#include "core/reconstruction/row_filter_kernel.h"

namespace counterflow::fbp {

struct FilterSettings {
  std::size_t columns = 0;
  double arc_spacing = 0;       // dg [rad]; 0: a straight row
  std::string window = "hann";  // one of windows()
  double cutoff = 1;            // of Nyquist's frequency
  bool variance = false;        // tables for variances() too
};

const std::vector<std::string>& windows();
// Gain at f = frequency / Nyquist frequency.
double window_gain(const std::string& window, double cutoff, double f);

// What rows are convolved with: the ramp h; and where they are variances v of the columns, h^2, which gives the variance of the
// filtered column k, or h(k-j) h(k+1-j), which gives the covariance of k and k+1.
enum class Kernel { ramp, squared, neighbours };

template <class Real>
class RampFilter {
 public:
  explicit RampFilter(const FilterSettings& settings, Isa isa = best_isa());

  // Room for one thread's transforms, made at the first call; kept between calls where it can be.
  using Room = std::unique_ptr<Real[]>;
  // rows[i].out = convolution of rows[i].in. Rows 2 i and 2 i + 1 share a lane of a vector: they should be of one material, as
  // rounding of the one reaches the other. Whole vectors (16 pairs of float) cost least. With neighbours the last column is not
  // written. An odd last row is alone.
  void filter(std::span<const FilterRow<Real>> rows, Room& room, Kernel kernel = Kernel::ramp) const;

 private:
  Isa isa_;
  std::size_t columns_;
  std::vector<int> radices_;
  std::vector<Real> twiddles_;
  std::vector<Real> ramp_, squared_, neighbour_;  // re, im of the kernels' spectra, divided by the length of the transform
};

// The rows of one channel behind `list`, in pairs for the filter: each with the one half of them later, so that lanes that lie
// side by side stay so.
template <class Real>
void push_pairs(std::span<const FilterRow<Real>> rows, std::vector<FilterRow<Real>>& list) {
  const std::size_t half = (rows.size() + 1) / 2;
  for (std::size_t i = 0; i < half; ++i) {
    list.push_back(rows[i]);
    list.push_back(i + half < rows.size() ? rows[i + half] : FilterRow<Real>());
  }
}

extern template class RampFilter<float>;
extern template class RampFilter<double>;

}  // namespace counterflow::fbp
