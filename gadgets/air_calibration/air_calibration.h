// What every pixel counts without object, from the air views that precede the scan:
//   open[bin,row,column] = sum_v (counts_v - background_v) / sum_v exposure_v        (count at exposure 1, summed in double)
// Each object view gets it as Counts::open_beam; counts, background and threshold shift pass unchanged. Without air views the
// header's open_beam_counts N is shared over the bins by the nominal spectra: open_b = N total_b / sum_b total_b.
#pragma once
#include <memory>
#include <vector>

#include "core/gadget/forms.h"

namespace counterflow {

template <class Real>
class AirCalibration {
 public:
  using In = Counts<Real>;
  using Out = Counts<Real>;
  using Params = None;
  struct State {
    Array<double, 3> sum;                             // [bin,row,column], count: over the air views
    double exposure = 0;                              // over the air views
    std::shared_ptr<const Array<Real, 3>> open_beam;  // [bin,row,column], count at exposure 1; none yet = null
  };
  static constexpr const char* kManual =
      R"(Gives each object view the counts without object: the mean of the air views for each pixel and bin.

  open[bin,row,column] = sum_v (counts_v - background_v) / sum_v exposure_v      over the air views v   [count at exposure 1]

The counts themselves pass unchanged; the decomposition needs them as they came. A scan without air views takes the header's
open_beam_counts, shared over the bins by the nominal spectra. Pixels that counted nothing in air are reported.

  <gadget><dll>counterflow_air_calibration</dll><classname>AirCalibration</classname></gadget>
)";

  void describe(PropertyVisitor&) {}
  Params initial(const ScanHeader&) const { return {}; }
  State begin(const Params&, const ScanHeader& header) const;
  Footprint footprint(const ScanHeader& header) const;

  void calibrate(State& state, const In& air) const;
  void calibrated(State& state) const;
  Out forward(const Params&, const State& state, const In& x) const;
  In adjoint(const Params&, const State&, const In&, const Out&, const Out& y_bar, Params&) const { return y_bar; }
  std::vector<Remark> report(const State& state) const;
};

}  // namespace counterflow
