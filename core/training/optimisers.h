// The methods that there are.
#pragma once
#include <cstdint>
#include <random>

#include "core/training/journal.h"
#include "core/training/optimiser.h"

namespace counterflow {

// Limited-memory BFGS (Nocedal 1980; libLBFGS), backtracking line search with the strong Wolfe conditions.
class Lbfgs final : public Optimiser {
 public:
  void describe(PropertyVisitor& v) override;
  std::string manual() const override;
  std::vector<double> minimise(Problem& problem, std::vector<double> u, const OnStep& on_step) override;
  std::vector<double> state() const override { return journal_.state(); }
  void resume(std::vector<double> state) override { journal_.resume(std::move(state)); }

 private:
  struct Search;
  Journal journal_;
  std::int64_t iterations_ = 100, memory_ = 20;
  double tolerance_ = 1e-5, decrease_ = 1e-7;
};

// Gauss-Newton with Levenberg and Marquardt's damping; each step by conjugate gradients on products with the matrix.
class GaussNewton final : public Optimiser {
 public:
  void describe(PropertyVisitor& v) override;
  std::string manual() const override;
  std::vector<double> minimise(Problem& problem, std::vector<double> u, const OnStep& on_step) override;
  std::vector<double> state() const override { return journal_.state(); }
  void resume(std::vector<double> state) override { journal_.resume(std::move(state)); }

 private:
  std::vector<double> step(Problem& problem, const std::vector<double>& u, const std::vector<double>& gradient, double damping);
  Journal journal_;
  std::int64_t iterations_ = 12, products_ = 40;
  double damping_ = 1e-6, tolerance_ = 1e-5, decrease_ = 1e-7;
};

// Adam (Kingma and Ba 2015) over batches of units.
class Adam final : public Optimiser {
 public:
  void describe(PropertyVisitor& v) override;
  std::string manual() const override;
  std::vector<double> minimise(Problem& problem, std::vector<double> u, const OnStep& on_step) override;
  std::vector<double> state() const override;
  void resume(std::vector<double> state) override;

 private:
  struct Moments {
    std::size_t step = 0, evaluations = 0;
    double halvings = 1;  // of the rate, after refused steps
    double start = 0;     // loss of the first batch
    std::vector<double> u, first, second;
  };
  double rate(std::size_t step) const;
  std::vector<std::size_t> batch(std::size_t step, std::size_t units) const;
  bool refused(const LossEvaluation& e) const;

  Moments at_;
  std::int64_t iterations_ = 200, batch_ = 0, seed_ = 1;
  double rate_ = 0.05, last_rate_ = 0.001, beta1_ = 0.9, beta2_ = 0.999;
  std::string schedule_ = "cosine";
};

// Whether a step came to where nothing can be learned: a loss or gradient that is no number, or a loss a hundred times the
// start's.
bool exploded(const LossEvaluation& e, double start);
double norm(const std::vector<double>& v);
double dot(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace counterflow
