// Loss: how unlikely the counts are behind a known object, ReferenceLikelihood (docs/losses.md). Of rays i and bins b,
//   1/(rays bins) sum 2 [lambda_b - y_b + y_b ln(y_b / lambda_b)],   lambda_b = exposure open_b P_b(A_i; T) / P_b(0; T0) + s_b
// the Poisson deviance with the model of core/physics/counts_model.h at the line integrals A of the truth: about 1 where the
// model is right. Its derivative reaches threshold shifts of any shape, backgrounds and counts.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/gadget/forms.h"
#include "gadgets/loss/known_rays.h"

namespace counterflow {

template <class Real>
class ReferenceLikelihood {
 public:
  using In = Counts<Real>;
  using Out = Counts<Real>;
  using Params = None;
  struct State {
    ScanHeader header;
    std::shared_ptr<losses::KnownRays<Real>> known;  // none without the truth
    double sum = 0;                                  // of one run
    std::uint64_t rays = 0;                          // terms of the sum / bins
    std::uint64_t compared = 0, seen = 0;            // pixels of all views
  };
  static constexpr const char* kManual =
      R"(Loss: how unlikely the counts of a known object are, without any reconstruction.

  1/(rays bins) sum 2 [lambda - y + y ln(y/lambda)],  lambda_b = exposure open_b P_b(A; T) / P_b(0; T0) + background_b

A are the line integrals of the scan's truth, T the thresholds that the view says (threshold_shift). Each threshold of each module is
seen, which images do not do; but it takes an object that is known exactly, in materials and in place. Attach it behind the gadget
that writes the shifts or the background, before the decomposition. Rays at edges and in deep shadow are left out; sum_rows
adds those of a column that pass the same matter, which costs no knowledge and saves the time. Ready chain:
xml/chains/drift_likelihood.xml.

  <loss after="drift"><dll>counterflow_loss</dll><classname>ReferenceLikelihood</classname>
    <property name="energy_step" value="0.5"/><property name="sum_rows" value="true"/></loss>
)";

  void describe(PropertyVisitor& v);
  Params initial(const ScanHeader&) const { return {}; }
  State begin(const Params&, const ScanHeader& header) const;
  void restart(const Params&, State& state) const { state.sum = 0, state.rays = state.compared = state.seen = 0; }
  Footprint footprint(const ScanHeader& header) const;
  std::string reference() const { return "truth"; }
  void refer(State& state, const In& x) const;  // the line integrals of the view

  void consume(State& state, const In& x) const;
  double loss(const State& state) const;  // NaN without the truth
  In adjoint(const State& state, const In& x) const;
  std::vector<Remark> report(const State& state) const;

 private:
  struct Part;
  struct Counted;
  void check(const State& state, const In& x) const;
  void check_shifts(const State& state, const In& x) const;
  Counted count(const State& state, const In& x, const Part& part) const;
  double compare(const State& state, const In& x, const Part& part) const;
  std::size_t cache_bytes() const { return static_cast<std::size_t>(cache_) << 20; }

  double energy_step_ = 1;
  double least_counts_ = 20, steepest_ = 0.2;
  bool sum_rows_ = false;
  std::string air_thresholds_ = "nominal";
  std::int64_t cache_ = 512;
};

}  // namespace counterflow
