// A search in variables that each have about the same curvature: w = sqrt(d) u, with d the diagonal of Gauss-Newton's matrix H at
// the start, estimated by its products with random signs (Bekas, Kokiopoulou and Saad 2007): d_i = mean of v_i (H v)_i, at least
// a tenth of the row's norm, sqrt(mean of (H v)_i^2). For losses whose parameters are seen with very different precision.
#pragma once
#include <cstdint>
#include <memory>

#include "core/training/optimiser.h"

namespace counterflow {

class ScaledSearch final : public Optimiser {
 public:
  explicit ScaledSearch(std::unique_ptr<Optimiser> method) : method_(std::move(method)) {}
  void describe(PropertyVisitor& v) override;
  std::string manual() const override { return method_->manual(); }
  std::vector<double> minimise(Problem& problem, std::vector<double> u, const OnStep& on_step) override;
  std::vector<double> state() const override;
  void resume(std::vector<double> state) override;

 private:
  std::vector<double> measured(Problem& problem, const std::vector<double>& u) const;

  std::unique_ptr<Optimiser> method_;
  std::int64_t probes_ = 0;
  std::vector<double> scale_;  // w / u; empty = not known yet, or none
};

}  // namespace counterflow
