// Proof of an adjoint, in double. Every named block of the input and of the parameters is moved alone, in a random direction, so
// that no block hides behind a larger one, and the adjoint is held against Richardson's extrapolation of central differences
// (error h^4). The error is scaled by the sum of |terms|, so that cancellation is not an error and a zero gradient never passes
// for a right one. Right adjoints reach 1e-12; one that is wrong by 0.01 % shows 1e-6 and more. Limit for a gadget: 1e-8.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>
#include <string>
#include <vector>

#include "core/gadget/forms.h"

namespace counterflow::testing {

struct GradientError {
  double value = 0;   // largest relative error over all blocks
  std::string block;  // where
};

// Step of the differences, relative to the scale of each block (the larger of its rms value and `floor`).
struct DifferenceStep {
  double relative = 1e-3;
  double floor = 1e-3;
};

namespace detail {

template <class T>
std::vector<std::pair<std::string, std::vector<double>*>> blocks(T& x) {
  std::vector<std::pair<std::string, std::vector<double>*>> out;
  T::each(x, [&](auto name, auto& block) {
    if constexpr (requires { block.values(); }) out.emplace_back(name, &block.values());
    else out.emplace_back(name, &block);
  });
  return out;
}

inline double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

inline double scale_of(const std::vector<double>& v, double floor) {
  return std::max(std::sqrt(dot(v, v) / static_cast<double>(std::max<std::size_t>(v.size(), 1))), floor);
}

// phi along `direction` from the present value, by Richardson's extrapolation; restores the value.
template <class Phi>
double derivative_along(std::vector<double>& value, const std::vector<double>& direction, double h, Phi&& phi) {
  const std::vector<double> start = value;
  const auto at = [&](double t) {
    for (std::size_t i = 0; i < value.size(); ++i) value[i] = start[i] + t * direction[i];
    return phi();
  };
  const auto central = [&](double step) { return (at(step) - at(-step)) / (2 * step); };
  const double derivative = (4 * central(h / 2) - central(h)) / 3;
  value = start;
  return derivative;
}

}  // namespace detail

// Worst error of x_bar and p_bar where `phi()` is a scalar of the present x and p, and (x_bar, p_bar) its claimed gradient.
template <class X, class P, class Phi>
GradientError gradient_error(X& x, const X& x_bar, P& p, const P& p_bar, std::mt19937_64& random, Phi&& phi,
                             DifferenceStep step = {}) {
  GradientError worst;
  std::normal_distribution<double> normal;
  const auto compare = [&](const std::string& name, std::vector<double>& value, const std::vector<double>& bar) {
    if (value.empty()) return;
    if (bar.size() != value.size()) {
      worst = {1e300, name + " (cotangent of another shape)"};
      return;
    }
    std::vector<double> direction(value.size());
    for (double& d : direction) d = normal(random);
    const double h = step.relative * detail::scale_of(value, step.floor);
    const double numeric = detail::derivative_along(value, direction, h, phi);
    double terms = 0;
    for (std::size_t i = 0; i < value.size(); ++i) terms += std::abs(bar[i] * direction[i]);
    const double error = std::abs(numeric - detail::dot(bar, direction)) / std::max({std::abs(numeric), terms, 1e-300});
    if (!(error <= worst.value)) worst = {error, name};
  };
  auto values = detail::blocks(x);
  X x_bar_copy = x_bar;
  auto bars = detail::blocks(x_bar_copy);
  for (std::size_t k = 0; k < values.size(); ++k) compare(values[k].first, *values[k].second, *bars[k].second);
  P p_bar_copy = p_bar;
  auto parameters = detail::blocks(p);
  auto parameter_bars = detail::blocks(p_bar_copy);
  for (std::size_t k = 0; k < parameters.size(); ++k)
    compare(parameters[k].first, *parameters[k].second, *parameter_bars[k].second);
  return worst;
}

// <w, y> over all blocks.
template <class T>
double inner_product(T w, T y) {
  double sum = 0;
  const auto a = detail::blocks(w), b = detail::blocks(y);
  for (std::size_t k = 0; k < a.size(); ++k) sum += detail::dot(*a[k].second, *b[k].second);
  return sum;
}

// A message like `y` with standard normal numbers in every block.
template <class T>
T random_like(T y, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  for (auto& [name, block] : detail::blocks(y))
    for (double& v : *block) v = normal(random);
  return y;
}

// Worst error of a Map's adjoint: phi(x, p) = <w, forward(p, x)> with random w. `prepare(state)` runs after begin() on each
// evaluation, for what calibrate() would have done.
template <class G, class Prepare>
GradientError map_adjoint_error(const G& gadget, const ScanHeader& header, typename G::Params p, typename G::In x, unsigned seed,
                                Prepare&& prepare, DifferenceStep step = {}) {
  std::mt19937_64 random(seed);
  const auto begun = [&] {
    auto state = gadget.begin(p, header);
    prepare(state);
    return state;
  };
  const auto state = begun();
  const auto y = gadget.forward(p, state, x);
  const auto w = random_like(y, random);
  auto p_bar = zero_like(p);
  const auto x_bar = gadget.adjoint(p, state, x, y, w, p_bar);
  return gradient_error(
      x, x_bar, p, p_bar, random, [&] { return inner_product(w, gadget.forward(p, begun(), x)); }, step);
}

template <class G>
GradientError map_adjoint_error(const G& gadget, const ScanHeader& header, typename G::Params p, typename G::In x,
                                unsigned seed) {
  return map_adjoint_error(gadget, header, std::move(p), std::move(x), seed, [](auto&) {});
}

// A gadget whose cotangents of the input are 0.01 % too large: a test of an adjoint that does not see it is worth nothing.
template <class G>
struct TooLarge : G {
  explicit TooLarge(const G& right) : G(right) {}
  typename G::In adjoint(const typename G::Params& p, const typename G::State& state, const typename G::In& x,
                         const typename G::Out& y, const typename G::Out& y_bar, typename G::Params& p_bar) const {
    typename G::In x_bar = G::adjoint(p, state, x, y, y_bar, p_bar);
    for (auto& [name, block] : detail::blocks(x_bar))
      for (double& v : *block) v *= 1 + 1e-4;
    return x_bar;
  }
};

// Over 20 seeds.
struct AdjointErrors {
  GradientError right;                         // the largest of the gadget
  double wrong_least = 1e300, wrong_most = 0;  // of a mutant
  void add(const GradientError& of_gadget, double of_mutant) {
    if (!(of_gadget.value <= right.value)) right = of_gadget;
    wrong_least = std::min(wrong_least, of_mutant);
    wrong_most = std::max(wrong_most, of_mutant);
  }
};

// Of a Map without parameters and its mutant TooLarge at the inputs x(random).
template <class G, class X, class Prepare>
AdjointErrors map_adjoint_errors(const G& gadget, const ScanHeader& header, X&& x, Prepare&& prepare, DifferenceStep step = {}) {
  AdjointErrors errors;
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937_64 random(seed);
    const typename G::In input = x(random);
    errors.add(map_adjoint_error(gadget, header, None(), input, seed, prepare, step),
               map_adjoint_error(TooLarge<G>(gadget), header, None(), input, seed, prepare, step).value);
  }
  return errors;
}
template <class G, class X>
AdjointErrors map_adjoint_errors(const G& gadget, const ScanHeader& header, X&& x, DifferenceStep step = {}) {
  return map_adjoint_errors(
      gadget, header, x, [](auto&) {}, step);
}

// Worst error of a Fold's adjoint: phi(x_1 .. x_n, p) = sum of <w, y> over all that end() emits, each input moved alone.
template <class G>
GradientError fold_adjoint_error(const G& gadget, const ScanHeader& header, typename G::Params p, std::vector<typename G::In> xs,
                                 unsigned seed, DifferenceStep step = {}) {
  using Out = typename G::Out;
  std::mt19937_64 random(seed);
  const auto results = [&] {
    auto state = gadget.begin(p, header);
    for (const auto& x : xs) gadget.add(p, state, x);
    std::vector<Out> ys;
    gadget.end(p, state, [&](Out y) { ys.push_back(std::move(y)); });
    return ys;
  };
  std::vector<Sent<Out>> bars;
  for (auto& y : results()) bars.push_back(std::make_shared<const Out>(random_like(std::move(y), random)));
  const auto phi = [&] {
    const auto ys = results();
    double sum = 0;
    for (std::size_t k = 0; k < ys.size(); ++k) sum += inner_product(*bars[k], ys[k]);
    return sum;
  };
  auto state = gadget.begin(p, header);
  for (const auto& x : xs) gadget.add(p, state, x);
  const auto z = gadget.adjoint_begin(p, state, bars);
  auto p_bar = zero_like(p);
  std::vector<typename G::In> x_bars;
  for (const auto& x : xs) x_bars.push_back(gadget.adjoint(p, state, x, z, p_bar));
  GradientError worst;
  None nothing;
  const auto keep = [&](GradientError error) {
    if (!(error.value <= worst.value)) worst = std::move(error);
  };
  for (std::size_t v = 0; v < xs.size(); ++v) keep(gradient_error(xs[v], x_bars[v], nothing, None(), random, phi, step));
  keep(gradient_error(nothing, None(), p, p_bar, random, phi, step));
  return worst;
}

// Worst error of a loss's adjoint: phi(x_1 .. x_n) = loss after all were consumed, each input moved alone. `prepare(state)` runs
// once after begin(): for refer(). Each evaluation is a run of its own, restarted.
template <class G, class Prepare>
GradientError sink_adjoint_error(const G& gadget, const ScanHeader& header, std::vector<typename G::In> xs, unsigned seed,
                                 Prepare&& prepare, DifferenceStep step = {}) {
  std::mt19937_64 random(seed);
  const typename G::Params p = gadget.initial(header);
  auto begun = gadget.begin(p, header);
  prepare(begun);
  const auto consumed = [&] {
    auto state = begun;
    if constexpr (HasRestart<G>) gadget.restart(p, state);
    for (const auto& x : xs) gadget.consume(state, x);
    return state;
  };
  std::vector<typename G::In> x_bars;
  {
    const auto state = consumed();
    for (const auto& x : xs) x_bars.push_back(gadget.adjoint(state, x));
  }
  GradientError worst;
  None nothing;
  for (std::size_t k = 0; k < xs.size(); ++k) {
    auto error = gradient_error(
        xs[k], x_bars[k], nothing, None(), random, [&] { return gadget.loss(consumed()); }, step);
    if (!(error.value <= worst.value)) worst = std::move(error);
  }
  return worst;
}

}  // namespace counterflow::testing
