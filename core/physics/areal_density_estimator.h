// Areal densities from counts in a few fixed steps, no search, on the effective energies of core/physics/effective_spectra.h:
//
//   linear   least squares of ln(p_b/o_b) with the model linear about one point (Alvarez, 2011), weights w_b
//   log      the same with the model linear about the last answer: removes what beam hardening did to it; once for two
//            materials, twice for three
//   score    A + F^-1 sum_b J_b (y_b/lambda_b - 1): one step of Fisher's scoring, which brings an estimate that is near enough to
//            the efficiency of maximum likelihood (Le Cam, 1956) and takes the bias of the logarithm out of it
//
//   o_b = exposure open_b,  u_b = max(y_b - s_b, 0),  p_b = max(u_b, 1/2),  w_b = u_b^2/(u_b + s_b + 1), near 1/var(ln p_b)
//   P_b(A) transmission, D_b = d ln P_b/dA;  lambda_b = o_b P_b + s_b,  J_b = o_b P_b D_b,  F = sum_b J_b J_b^T/lambda_b + tau
//
// tau = diag(1/(3 range_m)^2) about the first point keeps rays without information finite; where there is any it is nothing.
// Plain arrays for kernels; the functions here are their reference, in double.
#pragma once
#include <span>
#include <vector>

#include "core/physics/effective_spectra.h"

namespace counterflow {

// Logarithm of the transmission of each bin and its slope.
struct LogTransmission {
  std::vector<double> value;  // [bin] ln P_b
  Array<double, 2> slope;     // [bin, material] D_b
};

// One ray: counts, open beam times exposure, background (or empty), each [bin].
struct MeasuredRay {
  std::span<const double> counts, open, background;
};

class ArealDensityEstimator {
 public:
  // Throws ConfigError for fewer than two materials or fewer bins than materials.
  explicit ArealDensityEstimator(const CountsModel& model) : ArealDensityEstimator(model, EffectiveSpectra::Settings()) {}
  ArealDensityEstimator(const CountsModel& model, const EffectiveSpectra::Settings& settings);

  const EffectiveSpectra& spectra() const { return spectra_; }
  const std::vector<double>& centre() const { return centre_; }  // [material] where the first step is linear
  const std::vector<double>& prior() const { return prior_; }    // [material] tau, cm^4/g^2

  LogTransmission at(const EffectiveNodes& nodes, std::span<const double> density) const;
  // Adds (d at / d nodes)^T bar to nodes_bar.
  void adjoin(const EffectiveNodes& nodes, std::span<const double> density, const LogTransmission& bar,
              EffectiveNodes& nodes_bar) const;

  std::vector<double> log_step(const EffectiveNodes& nodes, const MeasuredRay& ray, std::span<const double> density) const;
  std::vector<double> score_step(const EffectiveNodes& nodes, const MeasuredRay& ray, std::span<const double> density) const;
  // All steps.
  std::vector<double> estimate(const EffectiveNodes& nodes, const MeasuredRay& ray) const;

 private:
  EffectiveSpectra spectra_;
  std::vector<double> centre_, prior_;
};

}  // namespace counterflow
