// Searches for the variables u that make a problem's loss smallest. Chosen by <optimiser name="..."/>, whose other attributes are
// the method's properties (`counterflow describe --optimisers`).
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/chain/chain.h"

namespace counterflow {

struct LossEvaluation {
  double loss = 0;  // of all, the prior included
  double prior = 0;
  std::vector<double> losses;  // of each loss of the chain, mean over the units, without weights
  std::vector<double> gradient;
};

class Problem {
 public:
  virtual ~Problem() = default;
  virtual std::size_t size() const = 0;
  virtual std::size_t units() const = 0;
  // Loss and gradient over some units; empty = all.
  virtual LossEvaluation evaluate(std::span<const double> u, std::span<const std::size_t> units) = 0;
  // Gauss-Newton's matrix times v: J^T (d2 loss / d messages^2) J v, and the prior's.
  virtual std::vector<double> curvature(std::span<const double> u, std::span<const double> v) = 0;
};

// What a step came to.
struct Step {
  std::size_t number = 0;       // from 0, where nothing has moved yet
  std::size_t evaluations = 0;  // so far
  double gradient_norm = 0;
  double length = 0;  // of the step in u
  LossEvaluation at;
  std::vector<double> u;
  std::string remark;  // "refused ..., halved"; "" = nothing to tell
};
// Called after each step, in order; false ends the search.
using OnStep = std::function<bool(const Step&)>;

class Optimiser {
 public:
  virtual ~Optimiser() = default;
  virtual void describe(PropertyVisitor& v) = 0;
  virtual std::string manual() const = 0;
  // From u, or from where a resumed search stood; returns the best u.
  virtual std::vector<double> minimise(Problem& problem, std::vector<double> u, const OnStep& on_step) = 0;
  // All that the search needs to go on to the same bits; to be taken within on_step, given before minimise().
  virtual std::vector<double> state() const = 0;
  virtual void resume(std::vector<double> state) = 0;
};

// Throws ConfigError for a method or property that there is not. No name: lbfgs.
std::unique_ptr<Optimiser> make_optimiser(const OptimiserText& text);
std::vector<std::string> optimiser_names();

}  // namespace counterflow
