// What a bad pixel is given instead of its own counts: its good neighbours', interpolated after division by their open beam.
#pragma once
#include <array>
#include <cstddef>
#include <vector>

#include "core/array.h"
#include "gadgets/bad_pixels/air_statistics.h"

namespace counterflow {

// A bad pixel and the one or two good ones it is made of (index = row columns + column), with weights that sum to 1.
struct RepairedPixel {
  std::size_t pixel = 0;
  std::size_t sources = 0;
  std::array<std::size_t, 2> from{};
  std::array<double, 2> weight{};
};

// Linear between the nearest good pixels on both sides: along the columns, unless those along the rows stand nearer together.
// Where neither direction has both, the nearest good pixel in the same row, else in the same column. Throws DataError where there
// is none at all.
std::vector<RepairedPixel> plan_repair(const Array<Fault, 2>& faults);

// y_b(p) = sum_q c_bq x_b(q). With open beams o the coefficients are
//   c_bq = exposure (w_q / o_bq) / sum_q (w_q^2 / o_bq) .
// Then the mean of y in air is its open beam, and equal to its variance at exposure 1: a repaired pixel looks to a likelihood
// like one that counted as many photons as its value is worth. Without open beams (all pixels alike) c_bq = w_q.
class PixelRepair {
 public:
  PixelRepair() = default;
  // `open_beam` [bin,row,column], or empty.
  PixelRepair(const Array<Fault, 2>& faults, const Array<double, 3>& open_beam, double exposure);

  const std::vector<RepairedPixel>& pixels() const { return pixels_; }
  template <class Real>
  void apply(Array<Real, 3>& counts) const;
  // The transpose of apply().
  template <class Real>
  void apply_transposed(Array<Real, 3>& counts_bar) const;

 private:
  double coefficient(std::size_t pixel, std::size_t bin, std::size_t source) const;

  std::vector<RepairedPixel> pixels_;
  Array<double, 3> coefficients_;  // [repaired pixel, bin, source]; empty: the weights
};

}  // namespace counterflow
