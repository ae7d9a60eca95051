// True counts from recorded ones, where a counter is blind for a dead time tau after each count (non-paralyzable):
//   y_b = x_b / (1 - m tau),   m = sum_b x_b / view time       [count/s], for each pixel
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/gadget/forms.h"

namespace counterflow {

template <class Real>
class PileUp {
 public:
  using In = Counts<Real>;
  using Out = Counts<Real>;
  struct Params {
    std::vector<Real> dead_time;  // [1] or [pixel = row columns + column], ns
    template <class Self, class Visitor>
    static void each(Self& self, Visitor&& visit) {
      visit("dead_time", self.dead_time);
    }
  };
  struct Tally {
    std::atomic<std::uint64_t> pixels{0}, saturated{0};
  };
  struct State {
    double view_time = 0;  // [s]
    std::shared_ptr<Tally> tally;
  };
  static constexpr const char* kManual =
      R"(Gives back the counts that a pixel lost while it was blind after each count (non-paralyzable dead time tau).

  y_b = x_b / (1 - m tau)       m = sum_b x_b / view time: the rate recorded above the lowest threshold [count/s]

All bins of a pixel, and its background, are scaled alike: what pile-up does to the spectrum stays (docs/detector.md). Pixels with
m tau above largest_loss are scaled as at largest_loss, pass no gradient to the rate, and are counted. The time of a view is the
header's rotation time over the views of a rotation, or view_time. Air views are corrected too: it stands before AirCalibration.

  <gadget><dll>counterflow_pile_up</dll><classname>PileUp</classname>
    <property name="dead_time" value="10"/>
  </gadget>
)";

  void describe(PropertyVisitor& v);
  Params initial(const ScanHeader& header) const;
  State begin(const Params&, const ScanHeader& header) const;
  Footprint footprint(const ScanHeader& header) const;

  Out forward(const Params& p, const State& state, const In& x) const;
  In adjoint(const Params& p, const State& state, const In& x, const Out& y, const Out& y_bar, Params& p_bar) const;
  std::vector<Remark> report(const State& state) const;

 private:
  double dead_time_ = 0, view_time_ = 0, largest_loss_ = 0.9;
  bool by_pixel_ = false;
};

}  // namespace counterflow
