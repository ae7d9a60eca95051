// What rays count above each threshold, each ray with thresholds of its own:
//   C_k(A; x) = sum_E [ S(E; T_k + x_k) - S(E; end) ] exp(-sum_a mu_a(E) A_a) / C_0(0; 0)
// S of core/physics/counts_model.h, `end` the upper end of the last bin (infinity where it has none). Bin b counts C_b - C_b+1,
// the last C_b. A holds the materials, and behind them those of the bowtie where the system has one; C_0(0; 0) is behind neither.
// For many rays whose areal densities are known: 1e-6 of the model's own sums in float, in vectors of energies.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "core/kernel.h"
#include "core/physics/counts_above_kernel.h"
#include "core/physics/counts_model.h"

namespace counterflow {

template <class Real>
class CountsAbove {
 public:
  explicit CountsAbove(const CountsModel& model, Isa isa = best_isa());

  std::size_t thresholds() const { return thresholds_; }
  std::size_t attenuators() const { return attenuators_; }
  std::size_t bytes() const { return (exponent_.size() + above_.size()) * sizeof(Real); }

  // `areal_density` [ray, attenuator] g/cm^2; `shift` [ray, threshold] keV, within the model's largest, or empty; `value`, and
  // `slope` unless it is empty, [ray, threshold]: C_k and its derivative in x_k.
  void operator()(std::span<const Real> areal_density, std::span<const Real> shift, std::span<Real> value,
                  std::span<Real> slope) const;

 private:
  void add_row(std::vector<Real>& rows, std::span<const double> row, double factor) const;
  void tabulate(const CountsModel& model);
  void tabulate_fixed(const CountsModel& model);

  CountAbove<Real>* kernel_;
  std::size_t attenuators_ = 0, thresholds_ = 0, nodes_ = 0, energies_ = 0;
  double spacing_ = 1;
  std::vector<Real> exponent_, above_;
};

extern template class CountsAbove<float>;
extern template class CountsAbove<double>;

}  // namespace counterflow
