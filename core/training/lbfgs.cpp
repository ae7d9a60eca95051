#include <lbfgs.h>

#include <algorithm>
#include <cmath>
#include <exception>

#include "core/training/optimisers.h"

namespace counterflow {
namespace {

constexpr double kRefused = 1e250;  // what the line search is told of a place where nothing can be learned: it halves its step

}  // namespace

void Lbfgs::describe(PropertyVisitor& v) {
  v("iterations", iterations_, {.unit = "1", .text = "Steps at most.", .min = 1, .max = 1e6});
  v("memory", memory_, {.unit = "1", .text = "Steps whose changes describe the curvature.", .min = 3, .max = 1000});
  v("tolerance", tolerance_, {.unit = "1", .text = "Ends where |gradient| < tolerance max(1, |u|).", .min = 0, .max = 1});
  v("decrease", decrease_,
    {.unit = "1", .text = "Ends where five steps lowered the loss by less than this part of the start's.", .min = 0, .max = 1});
}

std::string Lbfgs::manual() const {
  return "Limited-memory BFGS (libLBFGS): for up to some thousand parameters and a loss that is evaluated whole.\n\n"
         "  <optimiser name=\"lbfgs\" iterations=\"60\"/>\n";
}

// What libLBFGS calls back with. It is C: errors wait here until it has returned.
struct Lbfgs::Search {
  Problem& problem;
  Journal& journal;
  const OnStep& on_step;
  Step step;
  LossEvaluation last;  // of the last place asked for
  double start = 0;
  std::vector<double> best;
  double decrease = 0;
  std::vector<double> lately = {};  // losses after the last steps
  std::exception_ptr error = nullptr;

  double evaluate(const double* x, double* gradient, std::size_t n) {
    std::fill_n(gradient, n, 0.0);
    if (error) return kRefused;
    try {
      last = journal.evaluate(problem, {x, problem.size()});
    } catch (...) {
      error = std::current_exception();
      return kRefused;
    }
    if (step.evaluations++ == 0) start = last.loss;
    if (exploded(last, start)) {
      if (step.evaluations == 1) return kRefused;
      step.remark = "a step to a loss of " + number_text(last.loss) + " was refused and halved";
      return kRefused;
    }
    std::copy(last.gradient.begin(), last.gradient.end(), gradient);
    return last.loss;
  }
  int stepped(const double* x, double gradient_norm, double length, std::size_t number) {
    step.number = number;
    step.gradient_norm = gradient_norm;
    step.length = length;
    step.at = last;
    step.u.assign(x, x + problem.size());
    best = step.u;
    bool go_on = false;
    try {
      go_on = on_step(step);
    } catch (...) {
      error = std::current_exception();
    }
    step.remark.clear();
    return go_on && !stalls() ? 0 : 1;
  }
  // libLBFGS's own test divides by the loss, which may be zero or less.
  bool stalls() {
    constexpr std::size_t kSteps = 5;
    lately.push_back(last.loss);
    const std::size_t n = lately.size();
    return n > kSteps && lately[n - 1 - kSteps] - lately[n - 1] < decrease * std::abs(start);
  }
};

std::vector<double> Lbfgs::minimise(Problem& problem, std::vector<double> u, const OnStep& on_step) {
  Search search{problem, journal_, on_step, {}, {}, 0, u, decrease_};
  lbfgs_parameter_t settings;
  lbfgs_parameter_init(&settings);
  settings.m = static_cast<int>(memory_);
  settings.max_iterations = static_cast<int>(iterations_);
  settings.epsilon = tolerance_;
  settings.linesearch = LBFGS_LINESEARCH_BACKTRACKING_STRONG_WOLFE;
  settings.max_linesearch = 30;

  constexpr std::size_t kMultiple = 16;  // of doubles, which the library's vectors want
  const std::size_t n = (u.size() + kMultiple - 1) / kMultiple * kMultiple;
  const std::unique_ptr<lbfgsfloatval_t, decltype(&lbfgs_free)> x(lbfgs_malloc(static_cast<int>(n)), &lbfgs_free);
  std::fill_n(x.get(), n, 0.0);
  std::copy(u.begin(), u.end(), x.get());
  const auto evaluate = [](void* self, const double* at, double* gradient, const int size, const double) {
    return static_cast<Search*>(self)->evaluate(at, gradient, static_cast<std::size_t>(size));
  };
  const auto progress = [](void* self, const double* at, const double*, const double, const double, const double gnorm,
                           const double length, int, int number, int) {
    return static_cast<Search*>(self)->stepped(at, gnorm, length, static_cast<std::size_t>(number));
  };
  double loss = 0;
  const int status = lbfgs(static_cast<int>(n), x.get(), &loss, evaluate, progress, &search, &settings);
  if (search.error) std::rethrow_exception(search.error);
  if (search.step.evaluations == 1 && exploded(search.last, search.last.loss))
    throw DataError("training: the loss before the first step is " + number_text(search.last.loss) +
                    ", expected a number; look at the losses and at the scans (counterflow evaluate)");
  if (status == LBFGSERR_OUTOFMEMORY) throw Error("training: not enough memory for the optimiser");
  return search.best;  // all other endings are a place from which the line search found nothing lower
}

}  // namespace counterflow
