#include <algorithm>
#include <cmath>

#include "core/training/optimisers.h"

namespace counterflow {

void GaussNewton::describe(PropertyVisitor& v) {
  v("iterations", iterations_, {.unit = "1", .text = "Steps at most.", .min = 1, .max = 1e6});
  v("products", products_, {.unit = "1", .text = "Products with the matrix in a step at most.", .min = 1, .max = 1e6});
  v("damping", damping_, {.unit = "1", .text = "Added to the matrix's diagonal before the first step.", .min = 0, .max = 1e12});
  v("tolerance", tolerance_, {.unit = "1", .text = "Ends where |gradient| < tolerance max(1, |u|).", .min = 0, .max = 1});
  v("decrease", decrease_,
    {.unit = "1", .text = "Ends where a step lowered the loss by less than this part of the start's.", .min = 0, .max = 1});
}

std::string GaussNewton::manual() const {
  return "Gauss-Newton steps (H + damping) d = -gradient by conjugate gradients: for stiff losses, as the likelihood's "
         "residual.\n"
         "A step that raises the loss is refused and the damping raised. A product costs about four passes over the scans.\n\n"
         "  <optimiser name=\"gauss-newton\" iterations=\"12\"/>\n";
}

// Steihaug (1983): stops where the matrix is not positive, or a tenth of the gradient's norm is left.
std::vector<double> GaussNewton::step(Problem& problem, const std::vector<double>& u, const std::vector<double>& gradient,
                                      double damping) {
  constexpr double kLeft = 0.1;
  std::vector<double> d(u.size()), r(u.size());
  for (std::size_t i = 0; i < u.size(); ++i) r[i] = -gradient[i];
  std::vector<double> p = r;
  double rr = dot(r, r);
  const double enough = std::min(kLeft, std::sqrt(norm(gradient))) * norm(gradient);
  for (std::int64_t k = 0; k < products_ && std::sqrt(rr) > enough; ++k) {
    std::vector<double> hp = journal_.curvature(problem, u, p);
    for (std::size_t i = 0; i < hp.size(); ++i) hp[i] += damping * p[i];
    const double php = dot(p, hp);
    if (!(php > 0)) return k == 0 ? p : d;
    const double alpha = rr / php;
    for (std::size_t i = 0; i < d.size(); ++i) {
      d[i] += alpha * p[i];
      r[i] -= alpha * hp[i];
    }
    const double next = dot(r, r);
    for (std::size_t i = 0; i < p.size(); ++i) p[i] = r[i] + next / rr * p[i];
    rr = next;
  }
  return d;
}

std::vector<double> GaussNewton::minimise(Problem& problem, std::vector<double> u, const OnStep& on_step) {
  constexpr int kRefusals = 12;
  double damping = damping_;
  LossEvaluation at = journal_.evaluate(problem, u);
  if (exploded(at, at.loss))
    throw DataError("training: the loss before the first step is " + number_text(at.loss) +
                    ", expected a number; look at the losses and at the scans (counterflow evaluate)");
  const double start = at.loss;
  Step step;
  step.evaluations = 1;
  int refusals = 0;
  while (step.number < static_cast<std::size_t>(iterations_) && refusals < kRefusals) {
    if (norm(at.gradient) < tolerance_ * std::max(1.0, norm(u))) break;
    const std::vector<double> d = this->step(problem, u, at.gradient, damping);
    std::vector<double> next = u;
    for (std::size_t i = 0; i < u.size(); ++i) next[i] += d[i];
    LossEvaluation there = journal_.evaluate(problem, next);
    ++step.evaluations;
    if (exploded(there, at.loss) || there.loss > at.loss) {
      damping = std::max(8 * damping, 1e-9 * std::abs(at.loss));
      step.remark = "a step to a loss of " + number_text(there.loss) + " was refused, the damping raised";
      ++refusals;
      continue;
    }
    const double gained = at.loss - there.loss;
    refusals = 0;
    damping /= 3;
    ++step.number;
    step.gradient_norm = norm(there.gradient);
    step.length = norm(d);
    step.u = u = next;
    step.at = at = std::move(there);
    if (!on_step(step) || gained < decrease_ * std::abs(start)) break;
    step.remark.clear();
  }
  return u;
}

}  // namespace counterflow
