#include "core/training/optimiser.h"

#include <cmath>

#include "core/training/optimisers.h"
#include "core/training/scaled_search.h"

namespace counterflow {

std::vector<std::string> optimiser_names() { return {"lbfgs", "gauss-newton", "adam"}; }

std::unique_ptr<Optimiser> make_optimiser(const OptimiserText& text) {
  std::unique_ptr<Optimiser> method;
  const std::string name = text.name.empty() ? "lbfgs" : text.name;
  if (name == "lbfgs") method = std::make_unique<Lbfgs>();
  if (name == "gauss-newton") method = std::make_unique<GaussNewton>();
  if (name == "adam") method = std::make_unique<Adam>();
  if (!method)
    throw ConfigError(text.where + ": <optimiser>: there is no method '" + name + "'" + did_you_mean(name, optimiser_names()));
  method = std::make_unique<ScaledSearch>(std::move(method));
  PropertyReader read(text.settings, "<optimiser>");
  method->describe(read);
  read.finish();
  return method;
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}
double norm(const std::vector<double>& v) { return std::sqrt(dot(v, v)); }

bool exploded(const LossEvaluation& e, double start) {
  constexpr double kTimes = 100;
  return !std::isfinite(e.loss) || !std::isfinite(norm(e.gradient)) ||
         std::abs(e.loss) > kTimes * std::max(std::abs(start), 1e-12);
}

}  // namespace counterflow
