// The ramp filter along a detector row, and what it does to the variance of uncorrelated columns.
//
// Kernel for a spacing of 1 (Kak & Slaney 1988, eq. 61 and 3.100): h(0) = 1/4, h(n) = -1/(pi n)^2 for odd n, 0 for even n; on
// an arc of spacing dg times (n dg / sin(n dg))^2. Sampled in space, so that the mean value is right; a window multiplies its
// spectrum up to cutoff x Nyquist, beyond which it is zero. Even, so it is its own transpose.
#pragma once
#include <complex>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

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

template <class Real>
class RampFilter {
 public:
  using Complex = std::complex<Real>;
  // Two real rows at once, as real and imaginary part: they do not mix, as all kernels are real.
  struct Rows {
    std::vector<Complex> value, spectrum;
  };

  explicit RampFilter(const FilterSettings& settings);
  ~RampFilter();
  RampFilter(RampFilter&&) noexcept;

  Rows rows() const;              // storage for one transform
  void filter(Rows& rows) const;  // value[0, columns) is replaced by its convolution with h
  // value = variances of the columns in: variance[k] = sum_j h(k-j)^2 v_j, neighbour[k] = sum_j h(k-j) h(k+1-j) v_j, which is
  // the covariance of k and k+1.
  void variances(Rows& variance, Rows& neighbour) const;

 private:
  struct Transforms;
  void multiply(const std::vector<Complex>& response, const std::vector<Complex>& spectrum, Rows& out) const;
  void analyse(Rows& rows) const;
  std::size_t columns_;
  std::vector<Complex> ramp_, squared_, neighbour_;  // spectra of the kernels, divided by the length of the transform
  std::unique_ptr<Transforms> transforms_;
};

extern template class RampFilter<float>;
extern template class RampFilter<double>;

}  // namespace counterflow::fbp
