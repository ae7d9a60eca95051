// True counts from recorded ones, where a counter is blind for a dead time tau after each count (non-paralyzable) and adds up the
// pulses that arrive meanwhile:
//   y_b = x_b s_b(m tau) / (1 - m tau),   m = sum_b x_b / view time       [count/s], for each pixel
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
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
    double view_time = 0;    // [s]
    Array<double, 2> shape;  // [bin, degree] ln s_b in Chebyshev polynomials over m tau of 0 to largest_loss; empty: 1
    std::shared_ptr<Tally> tally;
  };
  static constexpr const char* kManual =
      R"(Gives back the counts that a pixel lost while it was blind after each count (non-paralyzable dead time tau).

  y_b = x_b s_b(m tau) / (1 - m tau)    m = sum_b x_b / view time: the rate recorded above the lowest threshold [count/s]

Pulses that arrive while a pixel is blind add to the one it counts, which moves counts to higher bins. s_b undoes that for the
spectrum of air: exactly without object, where rates are highest, and nearly behind one, where they are low (docs/detector.md);
with spectrum "none" s_b = 1. Background is scaled like counts. Pixels with m tau above largest_loss are scaled as at largest_loss,
pass no gradient to the rate, and are counted. The time of a view is the header's rotation time over the views of a rotation, or
view_time. Air views are corrected too: it stands before AirCalibration.

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
  struct Factors;
  Array<double, 2> shape_of(const ScanHeader& header) const;
  void factors_at(const State& state, double loss, Factors& f) const;

  double dead_time_ = 0, view_time_ = 0, largest_loss_ = 0.8;
  std::string spectrum_ = "air";
  bool by_pixel_ = false;
};

}  // namespace counterflow
