// Bad pixels, from a list and found in the air views, are given what their good neighbours counted:
//   y_b(p) = sum_q c_bq x_b(q),   c_bq = exposure (w_q/o_bq) / sum_q (w_q^2/o_bq)      w: linear between the good pixels q
// Counts and background alike, air views too, so that an AirCalibration behind it sees the open beam that belongs to them.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/gadget/forms.h"
#include "gadgets/bad_pixels/air_statistics.h"
#include "gadgets/bad_pixels/pixel_repair.h"

namespace counterflow {

template <class Real>
class BadPixels {
 public:
  using In = Counts<Real>;
  using Out = Counts<Real>;
  using Params = None;
  struct State {
    Array<Real, 3>::Shape shape{};
    Array<Fault, 2> listed;  // [row,column]
    AirStatistics air;       // until calibrated()
    Array<Fault, 2> faults;  // [row,column], from calibrated() on
    PixelRepair repair;
  };
  static constexpr const char* kManual =
      R"(Gives bad pixels what their good neighbours counted, interpolated in counts divided by open beam.

  y_b(p) = sum_q c_bq x_b(q)       c_bq = exposure (w_q/o_bq) / sum_q (w_q^2/o_bq)      for a bad pixel p and every bin b

w: linear between the nearest good pixels q, along the columns or, where they stand nearer, along the rows; o: open beam. With
exposure 1 the counts of a repaired pixel have the variance of Poisson counts (with two equal neighbours they are their sum), so
that the likelihood's covariance is right for that ray; its correlation with its neighbours is not told. A small exposure tells
an iterative reconstruction that the pixel brings nothing new. The background is interpolated alike.

Bad are the pixels of `pixels`, those of the file that the scan's header names as bad_pixels ("row column" a line), and those
that the air views show, in any bin: dead (far too few counts), hot (far too many), unstable (more dispersion over the air views
than Poisson's, from 8 air views on). Stands before AirCalibration, which then sees repaired air views.

  <gadget><dll>counterflow_bad_pixels</dll><classname>BadPixels</classname>
    <property name="pixels" value="3 17  0 4"/>
  </gadget>
)";

  void describe(PropertyVisitor& v);
  Params initial(const ScanHeader&) const { return {}; }
  State begin(const Params&, const ScanHeader& header) const;
  Footprint footprint(const ScanHeader& header) const;

  void calibrate(State& state, const In& air) const;
  void calibrated(State& state) const;
  Out forward(const Params&, const State& state, const In& x) const;
  In adjoint(const Params&, const State& state, const In& x, const Out& y, const Out& y_bar, Params&) const;
  std::vector<Remark> report(const State& state) const;

 private:
  std::vector<double> pixels_;
  bool find_ = true;
  FaultLimits limits_;
  double exposure_ = 1, largest_share_ = 0.05;
};

}  // namespace counterflow
