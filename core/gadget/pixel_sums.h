// Neighbouring pixels of a view summed into rays, and cotangents of the rays spread back.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/array.h"

namespace counterflow {

// How many rows and columns of pixels are summed into one ray.
struct Summing {
  std::size_t rows = 1, columns = 1;
  bool none() const { return rows * columns == 1; }
};

// Rows and columns of rays.
struct RayRectangle {
  std::size_t first_row = 0, rows = 0, first_column = 0, columns = 0;
  std::size_t rays() const { return rows * columns; }
};

template <class Real>
class PixelSums {
 public:
  // Pixels whose open beam [bin,row,column] is not positive and finite in every bin are left out.
  PixelSums(const Array<Real, 3>& open_beam, RayRectangle range, Summing summing);

  // sum [ray] += factor times the living pixels of a bin of [bin,row,column].
  void add(const Array<Real, 3>& of, std::size_t bin, Real factor, Real* sum) const;
  // A cotangent of sums [ray] to every pixel that was summed.
  void spread(const Real* bar, std::size_t bin, Array<Real, 3>& to) const;

 private:
  template <class Rows, class Visit>
  void each_row(Rows& of, std::size_t bin, Visit&& visit) const;

  RayRectangle range_;
  Summing summing_;
  std::vector<std::uint8_t> alive_;  // [pixel] of the range
};

}  // namespace counterflow
