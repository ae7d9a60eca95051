// Threshold shifts as parameters: of every threshold k, of each module j, of each pixel, piecewise linear in the time t of the
// view (0 at the first object view, 1 at the last):
//   shift(k,row,column,t) = common(t,k) + module_shift(t,k,j) + pixel_shift(k,row,column)       [keV], true minus nominal
// Written into the message for the likelihood (mode `model`), or undone in the counts (mode `resample`). docs/bin_drift.md
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/gadget/forms.h"
#include "gadgets/bin_drift/resampled_view.h"

namespace counterflow {

template <class Real>
class BinDrift {
 public:
  using In = Counts<Real>;
  using Out = Counts<Real>;
  // keV; a block that is switched off has size 0.
  struct Params {
    Array<Real, 2> common;        // [node,threshold]
    Array<Real, 3> module_shift;  // [node,threshold,module]
    Array<Real, 3> pixel_shift;   // [threshold,row,column]
    template <class Self, class Visitor>
    static void each(Self& self, Visitor&& visit) {
      visit("common", self.common);
      visit("module_shift", self.module_shift);
      visit("pixel_shift", self.pixel_shift);
    }
  };
  struct State {
    ScanHeader header;
    double largest = 0;                                    // [keV] of a shift that can be resampled
    std::shared_ptr<const ViewResampler<Real>> resampler;  // mode `resample` only
  };
  static constexpr const char* kManual =
      R"(Learns how far the true thresholds stand above the nominal ones, for each threshold k, module j and time t of the scan:

  shift(k,row,column,t) = common(t,k) + module_shift(t,k,j) + pixel_shift(k,row,column)     [keV], piecewise linear in t

mode "model" adds it to the message's threshold_shift, which the likelihood uses; counts stay as they were recorded.
mode "resample" moves counts between neighbouring bins to where nominal thresholds would have put them, by monotone interpolation
of the counts above a threshold, and leaves no shift. It stands behind AirCalibration; air views pass unchanged. All shifts are 0
before training. docs/bin_drift.md says what an old and a fresh air scan let one see.

  <gadget><dll>counterflow_bin_drift</dll><classname>BinDrift</classname>
    <property name="common_nodes" value="2"/>
    <property name="modules" value="true"/>
  </gadget>
)";

  void describe(PropertyVisitor& v);
  Params initial(const ScanHeader& header) const;
  ParameterDoc parameter(const std::string& name, const ScanHeader& header) const;
  State begin(const Params&, const ScanHeader& header) const;
  void restart(const Params&, State&) const {}  // nothing of it depends on the parameters
  Footprint footprint(const ScanHeader& header) const;

  Out forward(const Params& p, const State& state, const In& x) const;
  In adjoint(const Params& p, const State& state, const In& x, const Out& y, const Out& y_bar, Params& p_bar) const;

 private:
  void check(const State& state, const In& x) const;
  Array<Real, 3> shifts(const Params& p, const State& state, const In& x) const;
  void spread(const auto& bar, const State& state, const View& view, In& x_bar, Params& p_bar) const;
  void check_shifts(const State& state, const View& view, const Array<Real, 3>& shifts) const;

  std::string mode_ = "model";
  bool common_ = true, modules_ = true, pixels_ = false;
  std::int64_t common_nodes_ = 2, module_nodes_ = 1;
  double reference_water_ = 20;
  bool keep_total_ = false;
  std::string air_thresholds_ = "nominal";
};

}  // namespace counterflow
