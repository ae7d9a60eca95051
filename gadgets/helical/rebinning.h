// Rows of views of a fan, turned into rows of parallel views on an equidistant grid, row by row of the detector.
//
// The ray of source angle b and fan angle g has the parallel angle b + g and the offset t = R sin g (all in the plane). Parallel
// view j stands at first_angle + j step: its ray at the offset t_i is that of source view j - asin(t_i/R) / step and of the
// column that sees t_i; both are found by cubic interpolation (Keys 1981, a = -1/2) with weights that do not depend on j.
#pragma once
#include <array>
#include <cstddef>
#include <vector>

#include "core/array.h"
#include "core/geometry/scan_geometry.h"

namespace counterflow::helical {

inline constexpr std::size_t kTaps = 4;

template <class Real>
class Rebinning {
 public:
  // Throws ConfigError where no parallel view is complete.
  explicit Rebinning(const ScanGeometry& geometry);

  std::size_t columns() const { return shift_.size(); }
  double spacing() const { return spacing_; }  // of t [mm]
  double centre() const { return centre_; }    // column of t = 0
  double fan_angle(double column) const;       // asin(t/R) [rad]
  long first() const { return 1 - least_; }    // complete parallel views
  long last() const { return static_cast<long>(views_) - 3 - most_; }
  // Source views that parallel view j needs: j + earliest() .. j + latest().
  long earliest() const { return least_ - 1; }
  long latest() const { return most_ + 2; }
  std::size_t span() const { return static_cast<std::size_t>(latest() - earliest() + 1); }

  // [channel and row][column of the fan] times the weight of each ray becomes [channel and row][column of t]; and its transpose.
  void interpolate(const Array<Real, 3>& view, Real* out) const;
  void transpose(const Real* bar, Array<Real, 3>& view_bar) const;

  // use(column of t, tap, source view) for all of parallel view j; its weight is view_weight(column, tap).
  long source(long j, std::size_t column, std::size_t tap) const { return j + shift_[column] - 1 + static_cast<long>(tap); }
  Real view_weight(std::size_t column, std::size_t tap) const { return view_weight_[column][tap]; }

 private:
  std::size_t views_, rows_, fan_columns_;
  double radius_, spacing_, centre_ = 0;
  long least_ = 0, most_ = 0;  // of shift_
  std::vector<long> shift_;    // [column] whole source views to the one before
  std::vector<std::array<Real, kTaps>> view_weight_, column_weight_;
  std::vector<std::array<std::size_t, kTaps>> column_;
  Array<Real, 2> ray_weight_;  // [row][column of the fan] cosine of the cone angle
};

extern template class Rebinning<float>;
extern template class Rebinning<double>;

}  // namespace counterflow::helical
