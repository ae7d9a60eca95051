// Effective energies in the kernels' layout and precision, and their cotangents back.
#pragma once
#include <vector>

#include "core/physics/areal_density_estimator.h"
#include "gadgets/proxy_decomposition/proxy_kernel.h"

namespace counterflow {

template <class Real>
class ProxyTables {
 public:
  // `nodes` at the thresholds of the rays; `failed_value` one a material.
  ProxyTables(const ArealDensityEstimator& estimator, EffectiveNodes nodes, const std::vector<double>& failed_value);
  ProxyTables(const ProxyTables&) = delete;  // the system points into it
  const ProxySystem<Real>& system() const { return system_; }
  const EffectiveNodes& nodes() const { return nodes_; }

 private:
  EffectiveNodes nodes_;
  std::vector<Real> log_weight_, exponent_, attenuation_, centre_value_, centre_slope_;
  ProxySystem<Real> system_;
};

// Sums of cotangents over the rays of one part.
class ProxyNodeBars {
 public:
  explicit ProxyNodeBars(const ArealDensityEstimator& estimator);
  template <class Real>
  void point(ProxyCotangents<Real>& out) {
    out.log_weight_bar = nodes_.log_weight.data();
    out.attenuation_bar = nodes_.attenuation.data();
    out.centre_value_bar = centre_.value.data();
    out.centre_slope_bar = centre_.slope.data();
  }
  // Of `nodes`, those by way of the centre included.
  EffectiveNodes total(const ArealDensityEstimator& estimator, const EffectiveNodes& nodes) const;

 private:
  EffectiveNodes nodes_;
  LogTransmission centre_;
};

}  // namespace counterflow
