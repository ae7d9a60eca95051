#include "core/training/scaled_search.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "core/training/optimisers.h"

namespace counterflow {
namespace {

constexpr double kLeastOfRow = 0.1, kLeastOfAll = 1e-8;
constexpr std::uint64_t kSeed = 1;

std::vector<double> times(std::span<const double> a, const std::vector<double>& b) {
  std::vector<double> out(a.begin(), a.end());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] *= b[i];
  return out;
}

// The problem as a function of w = scale u.
class Scaled final : public Problem {
 public:
  Scaled(Problem& problem, const std::vector<double>& scale) : problem_(problem) {
    for (double s : scale) per_scale_.push_back(1 / s);
  }
  std::size_t size() const override { return problem_.size(); }
  std::size_t units() const override { return problem_.units(); }
  LossEvaluation evaluate(std::span<const double> w, std::span<const std::size_t> units) override {
    LossEvaluation e = problem_.evaluate(times(w, per_scale_), units);
    e.gradient = times(e.gradient, per_scale_);
    return e;
  }
  std::vector<double> curvature(std::span<const double> w, std::span<const double> v) override {
    return times(problem_.curvature(times(w, per_scale_), times(v, per_scale_)), per_scale_);
  }
  std::vector<double> unscaled(std::span<const double> w) const { return times(w, per_scale_); }

 private:
  Problem& problem_;
  std::vector<double> per_scale_;
};

}  // namespace

void ScaledSearch::describe(PropertyVisitor& v) {
  method_->describe(v);
  v("probes", probes_,
    {.unit = "1",
     .text = "Products with Gauss-Newton's matrix that tell the variables' curvature, by which they are scaled; 0 = as they are.",
     .min = 0,
     .max = 1e4});
}

std::vector<double> ScaledSearch::measured(Problem& problem, const std::vector<double>& u) const {
  const std::size_t n = u.size();
  std::mt19937_64 random(kSeed);
  std::vector<double> v(n), diagonal(n), row(n);
  for (std::int64_t k = 0; k < probes_; ++k) {
    for (double& sign : v) sign = random() & 1 ? 1 : -1;
    const auto product = problem.curvature(u, v);
    for (std::size_t i = 0; i < n; ++i) {
      diagonal[i] += v[i] * product[i] / static_cast<double>(probes_);
      row[i] += product[i] * product[i] / static_cast<double>(probes_);
    }
  }
  for (std::size_t i = 0; i < n; ++i) diagonal[i] = std::max(diagonal[i], kLeastOfRow * std::sqrt(row[i]));
  const double largest = n > 0 ? *std::ranges::max_element(diagonal) : 0;
  if (!(largest > 0) || !std::isfinite(largest)) return std::vector<double>(n, 1);  // nothing is seen
  for (double& d : diagonal) d = std::sqrt(std::max(d, kLeastOfAll * largest));
  return diagonal;
}

std::vector<double> ScaledSearch::minimise(Problem& problem, std::vector<double> u, const OnStep& on_step) {
  if (probes_ == 0) return method_->minimise(problem, std::move(u), on_step);
  if (scale_.empty()) scale_ = measured(problem, u);
  Scaled scaled(problem, scale_);
  const auto w = method_->minimise(scaled, times(u, scale_), [&](const Step& step) {
    Step own = step;
    own.u = scaled.unscaled(step.u);
    own.at.gradient = times(step.at.gradient, scale_);
    own.gradient_norm = norm(own.at.gradient);
    return on_step(own);
  });
  return scaled.unscaled(w);
}

// [size, scales, the method's own].
std::vector<double> ScaledSearch::state() const {
  if (probes_ == 0) return method_->state();
  std::vector<double> out = {static_cast<double>(scale_.size())};
  out.insert(out.end(), scale_.begin(), scale_.end());
  const auto of_method = method_->state();
  out.insert(out.end(), of_method.begin(), of_method.end());
  return out;
}

void ScaledSearch::resume(std::vector<double> state) {
  if (probes_ == 0) return method_->resume(std::move(state));
  if (state.empty() || !(state[0] >= 0 && state[0] < static_cast<double>(state.size())))
    throw ArchiveError("the checkpoint is of another training: it does not hold the scales of its variables");
  const auto n = static_cast<std::size_t>(state[0]);
  const auto begin = state.begin() + 1, end = begin + static_cast<std::ptrdiff_t>(n);
  scale_.assign(begin, end);
  method_->resume({end, state.end()});
}

}  // namespace counterflow
