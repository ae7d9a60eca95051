// Losses that need no reference, RingUniformity and TotalVariation (docs/losses.md): how far slices are from what images look
// like,
//   1/(slices n) sum over slices and n channels of m(x / sigma),   m a Measure's
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/gadget/forms.h"
#include "gadgets/loss/ring_measure.h"
#include "gadgets/loss/variation_measure.h"

namespace counterflow {

template <class Real, class Measure>
class SliceLoss {
 public:
  using In = Image<Real>;
  using Out = Image<Real>;
  using Params = None;
  struct State {
    double radius = 0;  // [mm]
    // from the first image on
    Channels channels;
    ImageGrid grid;
    std::shared_ptr<const typename Measure::Plan> plan;
    std::vector<double> sigma;  // [channel]
    // of one run
    double sum = 0;
    std::size_t slices = 0;
  };
  static constexpr const char* kManual = Measure::kManual;

  void describe(PropertyVisitor& v);
  Params initial(const ScanHeader&) const { return {}; }
  State begin(const Params&, const ScanHeader& header) const;
  void restart(const Params&, State& state) const { state.sum = 0, state.slices = 0; }
  Footprint footprint(const ScanHeader& header) const;

  void consume(State& state, const In& x) const;
  double loss(const State& state) const;  // 0 without images
  In adjoint(const State& state, const In& x) const;
  std::vector<Remark> report(const State& state) const;

 private:
  void check(const State& state, const In& x) const;
  void prepare(State& state, const In& x) const;
  double measured(const State& state, const In& x, std::size_t channel, std::size_t z, double scale,
                  std::vector<double>& bar) const;

  Measure measure_;
  std::vector<double> sigma_ = {0.001};
  double radius_ = 0;
};

template <class Real>
using RingUniformity = SliceLoss<Real, losses::RingMeasure>;
template <class Real>
using TotalVariation = SliceLoss<Real, losses::VariationMeasure>;

}  // namespace counterflow
