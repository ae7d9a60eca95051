#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "core/training/optimisers.h"

namespace counterflow {

void Adam::describe(PropertyVisitor& v) {
  v("iterations", iterations_, {.unit = "1", .text = "Steps.", .min = 1, .max = 1e9});
  v("rate", rate_, {.unit = "1", .text = "Length of a first step in each variable.", .min = 1e-12, .max = 10});
  v("schedule", schedule_, {.text = "How the rate falls to last_rate.", .choices = {"constant", "cosine", "exponential"}});
  v("last_rate", last_rate_, {.unit = "1", .text = "Rate of the last step.", .min = 1e-12, .max = 10});
  v("beta1", beta1_, {.unit = "1", .text = "Memory of the gradient's mean.", .min = 0, .max = 0.999999});
  v("beta2", beta2_, {.unit = "1", .text = "Memory of its square.", .min = 0, .max = 0.999999999});
  v("batch", batch_, {.unit = "1", .text = "Units (scans, or blocks of their rows) a step; 0 = all.", .min = 0, .max = 1e9});
  v("seed", seed_, {.unit = "1", .text = "Of the order in which units are taken.", .min = 0, .max = 1e15});
}

std::string Adam::manual() const {
  return "Adam (Kingma and Ba, 2015): for many parameters and batches of scans, or of blocks of their rows.\n\n"
         "  <optimiser name=\"adam\" iterations=\"500\" rate=\"0.02\" batch=\"4\"/>\n";
}

double Adam::rate(std::size_t step) const {
  const double t = iterations_ > 1 ? static_cast<double>(step) / static_cast<double>(iterations_ - 1) : 0;
  if (schedule_ == "cosine") return last_rate_ + (rate_ - last_rate_) * (1 + std::cos(std::numbers::pi * t)) / 2;
  if (schedule_ == "exponential") return rate_ * std::pow(last_rate_ / rate_, t);
  return rate_;
}

// Units in an order of their own each time all have been taken; drawn by Fisher and Yates, the same on every machine.
std::vector<std::size_t> Adam::batch(std::size_t step, std::size_t units) const {
  const std::size_t n = batch_ == 0 ? units : std::min(static_cast<std::size_t>(batch_), units);
  std::vector<std::size_t> out;
  for (std::size_t k = step * n; k < (step + 1) * n; ++k) {
    std::vector<std::size_t> order(units);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::mt19937_64 random(static_cast<std::uint64_t>(seed_) * 0x9E3779B97F4A7C15u + k / units);
    for (std::size_t i = units; i-- > 1;) std::swap(order[i], order[random() % (i + 1)]);
    out.push_back(order[k % units]);
  }
  std::ranges::sort(out);
  return out;
}

std::vector<double> Adam::state() const {
  std::vector<double> s = {static_cast<double>(at_.step), static_cast<double>(at_.evaluations), at_.halvings, at_.start};
  for (const auto* v : {&at_.u, &at_.first, &at_.second}) s.insert(s.end(), v->begin(), v->end());
  return s;
}

void Adam::resume(std::vector<double> s) {
  constexpr std::size_t kHead = 4;
  if (s.size() < kHead || (s.size() - kHead) % 3 != 0) throw ArchiveError("the checkpoint is of another training method");
  const auto n = static_cast<std::ptrdiff_t>((s.size() - kHead) / 3);
  const auto from = s.begin() + kHead;
  at_ = {static_cast<std::size_t>(s[0]), static_cast<std::size_t>(s[1]), s[2], s[3], {from, from + n},
         {from + n, from + 2 * n},       {from + 2 * n, s.end()}};
}

std::vector<double> Adam::minimise(Problem& problem, std::vector<double> u, const OnStep& on_step) {
  constexpr double kSmall = 1e-12, kHopeless = 1e-6;
  if (at_.u.empty()) at_.u = u, at_.first.assign(u.size(), 0), at_.second.assign(u.size(), 0);
  if (at_.u.size() != u.size()) throw ArchiveError("the checkpoint is of another training: it has another number of parameters");
  std::string remark;
  std::vector<double> before = at_.u;
  while (at_.step < static_cast<std::size_t>(iterations_)) {
    const LossEvaluation e = problem.evaluate(at_.u, batch(at_.step, problem.units()));
    if (at_.evaluations++ == 0) at_.start = e.loss;
    if (exploded(e, at_.start)) {
      if (at_.evaluations == 1 || at_.halvings < kHopeless)
        throw DataError("training: the loss is " + number_text(e.loss) +
                        ", expected a number; look at the losses and at the scans");
      at_.halvings /= 2;
      for (std::size_t i = 0; i < at_.u.size(); ++i) at_.u[i] = before[i] + (at_.u[i] - before[i]) / 2;
      remark = "a step to a loss of " + number_text(e.loss) + " was refused and halved";
      continue;
    }
    before = at_.u;
    ++at_.step;
    const double t = static_cast<double>(at_.step), step_rate = rate(at_.step - 1) * at_.halvings;
    double length = 0;
    for (std::size_t i = 0; i < at_.u.size(); ++i) {
      const double g = e.gradient[i];
      at_.first[i] = beta1_ * at_.first[i] + (1 - beta1_) * g;
      at_.second[i] = beta2_ * at_.second[i] + (1 - beta2_) * g * g;
      const double mean = at_.first[i] / (1 - std::pow(beta1_, t)), square = at_.second[i] / (1 - std::pow(beta2_, t));
      const double d = step_rate * mean / (std::sqrt(square) + kSmall);
      at_.u[i] -= d;
      length += d * d;
    }
    const Step step{at_.step, at_.evaluations, norm(e.gradient), std::sqrt(length), e, at_.u, remark};
    remark.clear();
    if (!on_step(step)) break;
  }
  return at_.u;
}

}  // namespace counterflow
