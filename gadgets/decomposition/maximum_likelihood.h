// Areal densities of two or three basis materials from photon counts, ray by ray, by maximum likelihood:
//   minimise over A   sum_b [lambda_b - y_b ln lambda_b]        (Poisson; lambda_b of core/physics/counts_model.h)
// by Newton's method with the full Hessian, to a stated tolerance; its adjoint by the implicit function theorem, or back through
// the steps. Formulas, what happens to rays without an optimum, and measured figures: docs/decomposition.md.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/gadget/decomposition_settings.h"
#include "core/gadget/forms.h"
#include "core/physics/counts_model.h"
#include "gadgets/decomposition/ray_patch.h"
#include "gadgets/decomposition/ray_tables.h"

namespace counterflow {

template <class Real>
class MaximumLikelihood {
 public:
  using In = Counts<Real>;
  using Out = PathLengths<Real>;
  using Params = None;
  struct Tally {
    std::atomic<std::uint64_t> rays{0}, failed{0}, held{0}, unfinished{0}, steps{0};
    std::atomic<std::uint64_t> unrolled{0};  // of adjoint(): steps that it went back through
  };
  // Rays of one view that share their spectra, or that each have thresholds of their own.
  struct Part {
    RayGroup group;
    std::shared_ptr<const RayTables<Real>> tables;
    bool own = false;  // each pixel has thresholds of its own
  };
  // Those of the last view: shifts are mostly the same for all views of a scan.
  struct LastParts {
    std::mutex mutex;
    Array<Real, 3> shift;
    std::shared_ptr<const std::vector<Part>> parts;
  };
  struct State {
    ScanHeader header;
    std::shared_ptr<const CountsModel> model;
    Array<Real, 3> bowtie;  // [material,row,column] of summed rays, g/cm^2; empty where there is none
    RayPlan plan;
    std::shared_ptr<const RayTables<Real>> nominal, own;  // own: for pixels with thresholds of their own; none without thresholds
    NodeError quadrature;                                 // of the energy quadrature
    double moves_error = 0;                               // of the polynomials in own thresholds
    std::shared_ptr<const Channels> channels;
    std::shared_ptr<Tally> tally;     // of forward()
    std::shared_ptr<LastParts> last;  // this and the tally are all that views share
  };
  static constexpr const char* kManual =
      R"(Finds the areal densities A [g/cm^2] of two or three basis materials that make the counts of each ray most likely:

  minimise over A   sum_b [lambda_b - y_b ln lambda_b]
  lambda_b = exposure open_b sum_E w_b(E;T) exp(-sum_m mu_m(E) A_m) / sum_E w_b(E;T0) + background_b

Put AirCalibration before it: the open beam comes from there. Behind a bowtie (a scan whose header names one) w_b(E) is that
behind the ray's part of it, in both sums. Rays without a finite optimum (no counts, dead pixels) get
failed_value and are reported at the end.

  <gadget><dll>counterflow_decomposition</dll><classname>MaximumLikelihood</classname>
    <property name="materials" value="water iodine"/>
    <property name="bias_correction" value="cox-snell"/></gadget>
)";

  void describe(PropertyVisitor& v);
  Params initial(const ScanHeader&) const { return {}; }
  ScanHeader output_header(const ScanHeader& header) const;
  State begin(const Params&, const ScanHeader& header) const;
  Footprint footprint(const ScanHeader& header) const;

  Out forward(const Params&, const State& state, const In& x) const;
  In adjoint(const Params&, const State& state, const In& x, const Out& y, const Out& y_bar, Params&) const;
  std::vector<Remark> report(const State& state) const;

 private:
  void check(const ScanHeader& header) const;
  void check(const State& state, const In& x) const;
  bool pixels_have_own_thresholds(const State& state, const In& x) const;
  void check_own_thresholds(const State& state, const In& x) const;
  RayPatch<Real> patch(const Part& part, const State& state, const In& x) const;
  std::shared_ptr<const std::vector<Part>> parts(const State& state, const In& x) const;
  std::vector<Part> module_parts(const State& state, const In& x) const;
  void adjoin_part(const Part& part, const State& state, const In& x, const Out& y, const Out& y_bar, In& x_bar) const;
  double own_shift(const SpectralSystem& system) const;
  RaySettings<Real> settings(bool bias_correction) const;

  DecompositionSettings asked_{.gadget = "MaximumLikelihood"};
  std::int64_t quadrature_ = 0;
  double quadrature_error_ = 1e-5;
  double largest_shift_ = 2;
  double tolerance_ = 1e-4;
  std::int64_t iterations_ = 50;
  std::int64_t start_iterations_ = static_cast<std::int64_t>(kStartIterations);
  std::string unfinished_ = "hold";
  std::string adjoint_ = "implicit";
  std::string bias_correction_ = "none";
  bool non_negative_ = false;
  bool residual_ = false;
};

}  // namespace counterflow
