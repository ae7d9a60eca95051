// Loss: how far the means over known places are from their concentrations, RegionConcentration (docs/losses.md):
//   1/P sum over P pairs of place and channel of ((mean over the place - value) / sigma)^2
// The mean is over all slices and the inner part of the place: hardly any noise is left to bias the square.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "core/gadget/forms.h"
#include "core/message/region_pixels.h"

namespace counterflow {

template <class Real>
class RegionConcentration {
 public:
  using In = Image<Real>;
  using Out = Image<Real>;
  using Params = None;
  struct Place {
    Region region;
    std::vector<std::size_t> pixels;  // y nx + x
    std::vector<bool> known;          // [channel]
    std::vector<double> value;        // [channel], where known
    std::vector<double> sum = {};     // [channel] over pixels and slices of a run
    double voxels = 0;                // of a run
    double mean(std::size_t c) const { return sum[c] / voxels; }
  };
  struct State {
    std::vector<Region> regions;
    bool from_truth = false;
    Channels channels;
    ImageGrid grid;
    std::vector<Place> places;  // from the first image on
    std::vector<double> sigma;  // [channel]
    double pairs = 0;
  };
  static constexpr const char* kManual =
      R"(Loss: how far the means over known inserts are from their concentrations, in units of sigma.

  1/P sum over P pairs of place and material of ((mean over all slices - value) / sigma)^2

Places and values are given here, as a calibration laboratory knows them, or are the regions of the scan's truth. A dozen
inserts say little of each threshold: use it beside other losses.

  <loss after="fbp"><dll>counterflow_loss</dll><classname>RegionConcentration</classname>
    <property name="places" value="50 0 14   0 50 14"/><property name="materials" value="water iodine"/>
    <property name="values" value="0.998 0.005   0.998 0.01"/><property name="sigma" value="0.005 0.0002"/></loss>
)";

  void describe(PropertyVisitor& v);
  Params initial(const ScanHeader&) const { return {}; }
  State begin(const Params&, const ScanHeader& header) const;
  void restart(const Params&, State& state) const;
  Footprint footprint(const ScanHeader& header) const;
  std::string reference() const { return places_.empty() ? "truth" : ""; }
  void refer(State&, const In&) const {}  // the header tells the regions

  void consume(State& state, const In& x) const;
  double loss(const State& state) const;  // NaN where no place is known
  In adjoint(const State& state, const In& x) const;
  std::vector<Remark> report(const State& state) const;

 private:
  std::vector<Region> given() const;
  void check(const State& state, const In& x) const;
  void prepare(State& state, const In& x) const;
  Place place(const State& state, const Region& region) const;

  std::vector<double> places_, values_;
  std::vector<std::string> materials_;
  std::vector<double> sigma_ = {0.001};
  double part_ = kMeasuredPart;
};

}  // namespace counterflow
