// True counts from recorded ones, where a counter is blind for a dead time tau after each count (non-paralyzable) and adds up the
// pulses that arrive meanwhile:
//   y_b = x_b s_b(m tau, T) / (1 - m tau),   m = sum_b x_b / view time       [count/s], for each pixel
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/gadget/forms.h"
#include "gadgets/pile_up/pulse_shape.h"

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
    std::array<std::size_t, 3> shape_of_counts{};
    PulseShape shape;
    std::vector<double> open;  // [pixel] recorded counts of the open beam at exposure 1; until calibrated() summed over air views
    bool open_is_true = false;  // they are the header's, not recorded
    double exposure = 0;        // of the air views summed
    std::shared_ptr<Tally> tally;
  };
  static constexpr const char* kManual =
      R"(Gives back the counts that a pixel lost while it was blind after each count (non-paralyzable dead time tau).

  y_b = x_b s_b(m tau, T) / (1 - m tau)   m = sum_b x_b / view time: the rate recorded above the lowest threshold [count/s]

Pulses that arrive while a pixel is blind add to the one it counts, which moves counts to higher bins. s_b undoes that for a spectrum
behind water, as much of it as the object's transmission T = true counts / true counts of the air views says (docs/detector.md);
with spectrum "none" s_b = 1. Background is scaled like counts. Pixels with m tau above largest_loss are scaled as air at it,
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

  void calibrate(State& state, const In& air) const;
  void calibrated(State& state) const;
  Out forward(const Params& p, const State& state, const In& x) const;
  In adjoint(const Params& p, const State& state, const In& x, const Out& y, const Out& y_bar, Params& p_bar) const;
  std::vector<Remark> report(const State& state) const;

 private:
  struct Factors;
  void factors_at(const State& state, const In& x, std::size_t pixel, double tau, Factors& f) const;

  double dead_time_ = 0, view_time_ = 0, largest_loss_ = 0.7;
  std::string spectrum_ = "water";
  bool by_pixel_ = false;
};

}  // namespace counterflow
