// One view of counts resampled to nominal thresholds, and its adjoint.
#pragma once
#include <vector>

#include "core/message/message.h"
#include "gadgets/bin_drift/energy_scale.h"
#include "gadgets/bin_drift/resampling.h"

namespace counterflow {

// y = R(x), the background likewise. Where the air scan had the same shifts (`air_shifted`), its counts o are resampled too and y
// is given relative to them as they were recorded: y_b = R(x)_b o_b / R(o)_b.
template <class Real>
class ViewResampler {
 public:
  ViewResampler(EnergyScale scale, bool keep_total, bool air_shifted);

  // `shift` [threshold, row or 1, module or column] keV; `place` [column]: the index of each column's shifts.
  void forward(const Counts<Real>& x, const Array<Real, 3>& shift, const std::vector<std::size_t>& place, Counts<Real>& y) const;
  // Sets counts and background of x_bar; returns the cotangent of the shifts, in their shape.
  Array<double, 3> adjoint(const Counts<Real>& x, const Array<Real, 3>& shift, const std::vector<std::size_t>& place,
                           const Counts<Real>& y_bar, Counts<Real>& x_bar) const;

 private:
  struct Patch;
  struct Moves;
  void each_patch(const Counts<Real>& x, const Moves& moves, const std::vector<std::size_t>& place, auto&& body) const;
  void adjoin_patch(const Counts<Real>& x, const Counts<Real>& y_bar, Patch& patch, Counts<Real>& x_bar) const;

  EnergyScale scale_;
  Resampling<Real> resampling_;
  bool air_shifted_;
};

}  // namespace counterflow
