// What the decomposition leaves of the counts, needing no reference at all:
//   loss = 1/(rays (bins - materials)) sum over rays and bins of d^2,   d the signed root of the deviance (PathLengths::residual)
// About 1 where the model is right, more where thresholds are wrong in a way that no areal densities explain.
#pragma once
#include <cstdint>
#include <string>

#include "core/gadget/forms.h"

namespace counterflow {

template <class Real>
class SpectralConsistency {
 public:
  using In = PathLengths<Real>;
  using Out = PathLengths<Real>;
  using Params = None;
  struct State {
    double sum = 0;
    std::uint64_t freedoms = 0;  // rays x (bins - materials)
  };
  static constexpr const char* kManual =
      R"(The likelihood's own residual: how much of the counts no areal densities explain.

  loss = 1/(rays (bins - materials)) sum d^2,   d_b = sign(y_b - lambda_b) sqrt(2 [lambda_b - y_b + y_b ln(y_b/lambda_b)])

About 1 where the model of counts is right; wrong thresholds raise it. Needs no reference, only the property residual of
MaximumLikelihood; stands behind that. It sees what bins - materials numbers a ray can see, sharply, and nothing of the rest: put it
beside a loss on images. Very stiff: give the optimiser lbfgs some probes.

  <loss after="likelihood"><dll>counterflow_loss</dll><classname>SpectralConsistency</classname></loss>
)";

  void describe(PropertyVisitor&) {}
  Params initial(const ScanHeader&) const { return {}; }
  State begin(const Params&, const ScanHeader&) const { return {}; }
  void restart(const Params&, State& state) const { state = {}; }
  Footprint footprint(const ScanHeader&) const { return {.state = sizeof(State)}; }

  void consume(State& state, const In& x) const {
    const std::size_t bins = x.residual.empty() ? 0 : x.residual.extent(0), materials = x.areal_density.extent(0);
    if (bins == 0)
      throw DataError("SpectralConsistency: view " + std::to_string(x.view.index) +
                      " has no residual; set residual to true on the MaximumLikelihood that it stands behind");
    if (bins <= materials)
      throw DataError("SpectralConsistency: expected more bins than materials, got " + std::to_string(bins) + " and " +
                      std::to_string(materials) + ": nothing is left to see");
    double sum = 0;
    for (Real d : x.residual) sum += static_cast<double>(d) * static_cast<double>(d);
    state.sum += sum;
    state.freedoms += x.residual.size() / bins * (bins - materials);
  }
  double loss(const State& state) const { return state.freedoms > 0 ? state.sum / static_cast<double>(state.freedoms) : 0; }
  In adjoint(const State& state, const In& x) const {
    In bar = zero_like(x);
    const double factor = 2 / static_cast<double>(state.freedoms);
    for (std::size_t i = 0; i < bar.residual.size(); ++i)
      bar.residual[i] = static_cast<Real>(factor * static_cast<double>(x.residual[i]));
    return bar;
  }
  std::vector<Remark> report(const State&) const { return {}; }
};

}  // namespace counterflow
