// Areal densities of two or three basis materials from photon counts in a few fixed steps: the fast stand-in for
// MaximumLikelihood, near its efficiency, and trainable. Formulas: core/physics/areal_density_estimator.h; when to use which,
// and measured figures: docs/proxy.md.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/gadget/decomposition_settings.h"
#include "core/gadget/forms.h"
#include "core/physics/areal_density_estimator.h"
#include "gadgets/proxy_decomposition/proxy_tables.h"
#include "gadgets/proxy_decomposition/summed_rays.h"

namespace counterflow {

template <class Real>
class ProxyDecomposition {
 public:
  using In = Counts<Real>;
  using Out = PathLengths<Real>;
  // Effective energies of the bins (core/physics/effective_spectra.h): bin b has the nodes first_b .. first_b+1 - 1.
  struct Params {
    std::vector<Real> log_weight;       // [node]
    std::vector<Real> log_attenuation;  // [node, material] of cm^2/g
    template <class Self, class Visitor>
    static void each(Self& self, Visitor&& visit) {
      visit("log_weight", self.log_weight);
      visit("log_attenuation", self.log_attenuation);
    }
  };
  struct Tally {
    std::atomic<std::uint64_t> rays{0}, failed{0}, outside{0};
  };
  struct State {
    ScanHeader header;
    std::shared_ptr<const ArealDensityEstimator> estimator;
    EffectiveNodes nodes;  // of the parameters, at nominal thresholds
    std::shared_ptr<const Channels> channels;
    std::shared_ptr<Tally> tally;  // of forward(); the only thing that views share
  };
  static constexpr const char* kManual =
      R"(Estimates the areal densities A [g/cm^2] of two or three basis materials from the counts of each ray in a few fixed steps,
many times faster than MaximumLikelihood and as exact where every bin counts a few photons:

  linear   least squares of ln((counts - background) / (exposure open_b)), weighted by counts, about one point
  log      the same about the last answer, once for two materials, twice for three
  score    A + F^-1 sum_b J_b (counts_b / lambda_b - 1), F the Fisher information

with each bin's transmission as a few effective energies, P_b(A) = sum_n exp(log_weight_n - sum_m attenuation_nm A_m), fitted to
the counts model at load, or trained (parameters log_weight and log_attenuation). Put AirCalibration before it. Rays without counts
get failed_value and are reported at the end. Thresholds may be off by up to 2 keV, and by a third of the narrowest bin.

  <gadget><dll>counterflow_proxy_decomposition</dll><classname>ProxyDecomposition</classname>
    <property name="materials" value="water iodine"/></gadget>
)";

  void describe(PropertyVisitor& v);
  Params initial(const ScanHeader& header) const;
  ScanHeader output_header(const ScanHeader& header) const;
  State begin(const Params& p, const ScanHeader& header) const;
  Footprint footprint(const ScanHeader& header) const;

  Out forward(const Params&, const State& state, const In& x) const;
  In adjoint(const Params&, const State& state, const In& x, const Out& y, const Out& y_bar, Params& p_bar) const;
  std::vector<Remark> report(const State& state) const;

 protected:
  static void set_nodes(const Params& p, State& s);  // the part of begin() that depends on the parameters

 private:
  void check(const ScanHeader& header) const;
  void check(const State& state, const In& x) const;
  std::shared_ptr<const ArealDensityEstimator> fit(const ScanHeader& header) const;
  ProxyTables<Real> tables(const State& state, const RayGroup& group) const;
  EffectiveNodes adjoin_group(const State& state, const RayGroup& group, const SummedRays<Real>& sums,
                              const Array<Real, 3>& density_bar, Array<Real, 3>& counts_bar,
                              Array<Real, 3>& background_bar) const;

  DecompositionSettings asked_{.gadget = "ProxyDecomposition"};
  std::vector<double> range_;
};

}  // namespace counterflow
