// Counts from thresholds that moved to nominal ones, for pixels side by side. On a scale v of energies (energy_scale.h) threshold
// k stands at v_k = V_k + move_k, nominally at V_k. With the mean density D_j = x_j / h_j of bin j, h_j = v_j+1 - v_j, the
// density at a threshold is the harmonic mean of those around it,
//   d_k = 1 / (a_k / D_k-1 + (1 - a_k) / D_k),   a_k = H_k / (H_k-1 + H_k) of nominal widths, within [1/3, 2/3],
// at either end that of the bin there,
// and the counts above v are the cubic polynomials with these values and slopes (Hermite), which are monotone as 0 <= d <= 3 D
// (Fritsch and Carlson 1980; harmonic slopes: Fritsch and Butland 1984). Between V_k and v_k lie
//   m_k = move_k [d + t (3 D - 2 d - f) + t^2 (d + f - 2 D)],    t = |move_k| / h,
// in the bin on whose side V_k is (D, h; d its slope at v_k, f at its other end), and y_b = x_b + m_b - m_b+1: what one bin
// gives, its neighbour gets. Below the lowest recorded threshold the density stays d_0. Smooth but for curvature where a move is
// 0.
#pragma once
#include <cstddef>
#include <vector>

namespace counterflow {

// Bins of some pixels side by side: those of bin b from first + b stride on.
template <class Real>
struct BinRows {
  Real* first;
  std::size_t stride;
  Real* operator[](std::size_t bin) const { return first + bin * stride; }
};

template <class Real>
class Resampling {
 public:
  static constexpr std::size_t kPixels = 128;  // side by side, at most
  // Buffers of one caller; each [threshold or bin, kPixels].
  struct Work {
    explicit Work(std::size_t bins);
    std::vector<Real> counts, inverse_width, density, slope, flux;  // slope [threshold + 1]
    std::vector<Real> y_bar, width_bar, density_bar, slope_bar;
  };

  // `nominal` [threshold + 1]: V, the end of the last bin too. `keep_total`: nothing passes the lowest threshold.
  Resampling(const std::vector<double>& nominal, bool keep_total);
  std::size_t bins() const { return width_.size(); }

  // n <= kPixels; move [threshold + 1, kPixels], 0 at the end of the last bin.
  void forward(std::size_t n, BinRows<const Real> x, const Real* move, BinRows<Real> y, Work& work) const;
  // x_bar is set, move_bar [threshold + 1, kPixels] is added to.
  void adjoint(std::size_t n, BinRows<const Real> x, const Real* move, BinRows<const Real> y_bar, BinRows<Real> x_bar,
               Real* move_bar, Work& work) const;

 private:
  static Real* row(std::vector<Real>& buffer, std::size_t index) { return buffer.data() + index * kPixels; }
  void spectrum(std::size_t n, BinRows<const Real> x, const Real* move, Work& work) const;
  void adjoint_of_flux(std::size_t threshold, const Real* s, Real* s_bar, Work& work) const;
  void adjoint_of_slopes(Work& work) const;
  std::vector<Real> width_;  // [bin] of nominal thresholds
  std::vector<Real> share_;  // [threshold] a_k
  bool keep_total_;
};

}  // namespace counterflow
