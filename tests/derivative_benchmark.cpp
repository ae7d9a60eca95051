// Three ways to differentiate a decomposition, on the same view of 16 x 512 rays behind 0-40 g/cm^2 of water and other materials,
// 8 bins, 1e5 open-beam counts, thresholds of 32 modules shifted by up to 1 keV; float, one core. Names:
// derivative/materials:2/way:implicit
//   implicit, unrolled        MaximumLikelihood and its two adjoints
//   unrolled_3_steps          three Newton steps from the line of the logarithms, and no more
//   proxy                     ProxyDecomposition
// Values, of the last material, in sigmas of the Cramer-Rao bound of each ray:
//   bias, rms                 with noise;  model_error: rms without
// Gradients of a sum with random weights, in units of 1/sigma:
//   counts_off, counts_off_worst   by counts, from those of the optimum in double: the differences of a ray's over their size,
//   median
//                                  and 99th percentile of the rays; at the usual tolerance, in double
//   shifts_off                     the same by the thresholds of the modules, all rays and modules together
//   rounding                       what float makes of those by counts, median
// Times over the forward of the implicit way:  forward, backward
// Bytes a ray:
//   kept                      what the way back needs besides messages: the iterates, of the rays of one vector at a time
//   automatic                 what a prototype by automatic differentiation keeps of every ray from forward to backward, at
//   least: exp(-mu A) and
//                             its products with mu, of all steps and energies
#include <benchmark/benchmark.h>

#include <map>

#include "core/testing/counts_scan.h"
#include "core/testing/gadget_with.h"
#include "core/testing/gradient_check.h"
#include "core/testing/turns.h"
#include "gadgets/decomposition/maximum_likelihood.h"
#include "gadgets/proxy_decomposition/proxy_decomposition.h"

namespace counterflow {
namespace {

using testing::Settings;
using testing::SmallScan;

constexpr std::size_t kRows = 16, kColumns = 512, kModules = 32, kStartEnergies = 24;
constexpr double kRays = kRows * kColumns;

template <class G>
struct Run {
  G gadget;
  typename G::Params p;
  typename G::State state;
  Run(const SmallScan& scan, const Settings& settings)
      : gadget(testing::gadget_with<G>(settings)), p(gadget.initial(scan.header)), state(gadget.begin(p, scan.header)) {}
  auto forward(const auto& x) const { return gadget.forward(p, state, x); }
  auto adjoint(const auto& x, const auto& y, const auto& y_bar) const {
    auto p_bar = zero_like(p);
    return gadget.adjoint(p, state, x, y, y_bar, p_bar);
  }
};

double at_end(const Array<double, 3>& a, std::size_t i) { return a.block(a.extent(0) - 1)[i]; }

// A view, the bound of its last material, and the gradient of the optimum.
struct Fixture {
  Settings settings;
  SmallScan noisy, plain;
  std::vector<double> sigma, plain_sigma;  // [ray] of the last material
  PathLengths<double> y_bar;
  Counts<double> gradient;  // of the optimum

  explicit Fixture(std::size_t materials)
      : settings{{"materials", materials == 2 ? "water iodine" : "water calcium iodine"}},
        noisy(scan(materials, true)),
        plain(scan(materials, false)) {
    Settings exact = settings;
    exact.insert({{"tolerance", "1e-12"}, {"covariance", "true"}});
    const Run<MaximumLikelihood<double>> run(noisy, exact);
    const auto y = run.forward(noisy.x), at_plain = run.forward(plain.x);
    for (std::size_t i = 0; i < kRows * kColumns; ++i) {
      sigma.push_back(std::sqrt(at_end(y.covariance, i)));
      plain_sigma.push_back(std::sqrt(at_end(at_plain.covariance, i)));
    }
    std::mt19937_64 random(1);
    y_bar = testing::random_like(y, random);
    for (std::size_t m = 0; m < materials; ++m) {
      const auto variance = y.covariance.block(m * materials - m * (m - 1) / 2);  // of an upper triangle by rows
      for (std::size_t i = 0; i < variance.size(); ++i)
        y_bar.areal_density.block(m)[i] *= variance[i] > 0 ? 1 / std::sqrt(variance[i]) : 0;
    }
    gradient = run.adjoint(noisy.x, y, y_bar);
  }

 private:
  static SmallScan scan(std::size_t materials, bool noise) {
    const bool two = materials == 2;
    return testing::small_scan(
        {.materials = two ? std::vector<std::string>{"water", "iodine"} : std::vector<std::string>{"water", "calcium", "iodine"},
         .low = std::vector<double>(materials),
         .high = two ? std::vector<double>{40, 0.1} : std::vector<double>{30, 1, 0.1},
         .bins = 8,
         .total = 1e5,
         .noisy = noise,
         .shift_rows = 1},
        1, kRows, kColumns, kModules);
  }
};

const Fixture& fixture(std::size_t materials) {
  static std::map<std::size_t, Fixture> kept;
  return kept.try_emplace(materials, materials).first->second;
}

PathLengths<float> converted(const PathLengths<double>& y) {
  PathLengths<float> out{y.view, Array<float, 3>(y.areal_density.shape()), {}, y.channels};
  std::ranges::transform(y.areal_density, out.areal_density.begin(), [](double v) { return static_cast<float>(v); });
  return out;
}

// |a - b| / |b| of the numbers from, from + step, ...
double off(const auto& a, const auto& b, std::size_t from = 0, std::size_t step = 1) {
  double difference = 0, size = 0;
  for (std::size_t i = from; i < b.size(); i += step) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    difference += d * d;
    size += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return size > 0 ? std::sqrt(difference / size) : 0;
}
// Of each ray, sorted.
std::vector<double> rays_off(const auto& a, const auto& b) {
  std::vector<double> found;
  for (std::size_t i = 0; i < kRows * kColumns; ++i) found.push_back(off(a, b, i, kRows * kColumns));
  std::ranges::sort(found);
  return found;
}

// Mean and root mean square of the last material's errors [sigma], rays that failed left out.
std::pair<double, double> errors(const PathLengths<float>& y, const SmallScan& scan, const std::vector<double>& sigma) {
  const auto found = y.areal_density.block(y.areal_density.extent(0) - 1);
  double sum = 0, squares = 0, count = 0;
  for (std::size_t i = 0; i < sigma.size(); ++i) {
    if (!(sigma[i] > 0) || found[i] == 0) continue;
    const double e = (static_cast<double>(found[i]) - at_end(scan.truth, i)) / sigma[i];
    sum += e;
    squares += e * e;
    ++count;
  }
  return {sum / count, std::sqrt(squares / count)};
}

// A ray, of a way back that has just been gone once.
struct Bytes {
  double kept = 0, automatic = 0;
};
Bytes bytes(const Run<MaximumLikelihood<float>>& run, std::size_t materials) {
  const auto& tally = *run.state.tally;
  const double steps = static_cast<double>(tally.unrolled) / kRays, channels = static_cast<double>(materials);
  const double on_all = std::min(steps, static_cast<double>(tally.steps) / kRays);
  const double energies = on_all * static_cast<double>(run.state.model->energies().size()) + (steps - on_all) * kStartEnergies;
  return {steps * (channels + 2) * sizeof(float), energies * (channels + 1) * sizeof(float)};
}
Bytes bytes(const Run<ProxyDecomposition<float>>& run, std::size_t materials) {
  const double steps = static_cast<double>(materials + 1), channels = static_cast<double>(materials);
  return {steps * channels * sizeof(float),
          steps * static_cast<double>(run.p.log_weight.size()) * (channels + 1) * sizeof(float)};
}

template <template <class> class G>
void way(benchmark::State& state, std::size_t materials, Settings settings) {
  const Fixture& f = fixture(materials);
  settings.insert(f.settings.begin(), f.settings.end());
  const Run<G<float>> run(f.noisy, settings);
  const Run<MaximumLikelihood<float>> implicit(f.noisy, f.settings);
  const PathLengths<float> y_bar = converted(f.y_bar);
  const Counts<float> x = testing::converted<float>(f.noisy.x);
  PathLengths<float> y;
  Counts<float> x_bar;
  y = run.forward(x);
  x_bar = run.adjoint(x, y, y_bar);
  const auto [kept, automatic] = bytes(run, materials);
  state.counters["kept"] = kept;
  state.counters["automatic"] = automatic;
  for (auto _ : state) {
    const auto [of_implicit, forward, backward] = testing::in_turns(
        testing::processor_seconds, 5, [&] { benchmark::DoNotOptimize(implicit.forward(x)); }, [&] { y = run.forward(x); },
        [&] { x_bar = run.adjoint(x, y, y_bar); });
    state.counters["forward"] = forward / of_implicit;
    state.counters["backward"] = backward / of_implicit;
  }
  const auto [bias, rms] = errors(y, f.noisy, f.sigma);
  state.counters["bias"] = bias;
  state.counters["rms"] = rms;
  state.counters["model_error"] = errors(run.forward(testing::converted<float>(f.plain.x)), f.plain, f.plain_sigma).second;
  const Run<G<double>> in_double(f.noisy, settings);
  const auto exact = in_double.adjoint(f.noisy.x, in_double.forward(f.noisy.x), f.y_bar);
  const auto counts_off = rays_off(exact.counts, f.gradient.counts);
  state.counters["counts_off"] = counts_off[counts_off.size() / 2];
  state.counters["counts_off_worst"] = counts_off[counts_off.size() * 99 / 100];
  state.counters["shifts_off"] = off(exact.threshold_shift, f.gradient.threshold_shift);
  state.counters["rounding"] = rays_off(x_bar.counts, exact.counts)[counts_off.size() / 2];
}

template <template <class> class G>
void add(std::size_t materials, const std::string& name, const Settings& settings = {}) {
  benchmark::RegisterBenchmark(("derivative/materials:" + std::to_string(materials) + "/way:" + name).c_str(),
                               [=](benchmark::State& state) { way<G>(state, materials, settings); })
      ->Iterations(1);
}

[[maybe_unused]] const bool registered = [] {
  for (std::size_t materials : {2, 3}) {
    add<MaximumLikelihood>(materials, "implicit");
    add<MaximumLikelihood>(materials, "unrolled", {{"adjoint", "unrolled"}});
    add<MaximumLikelihood>(
        materials, "unrolled_3_steps",
        {{"adjoint", "unrolled"}, {"unfinished", "keep"}, {"start_iterations", "0"}, {"iterations", "3"}, {"tolerance", "1e-9"}});
    add<ProxyDecomposition>(materials, "proxy");
  }
  return true;
}();

}  // namespace
}  // namespace counterflow
