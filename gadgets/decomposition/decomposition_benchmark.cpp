// Rays a second of the decomposition and of its adjoint, on one core, beside the multiply-add peak of the same run.
// Noisy rays behind 0-40 g/cm^2 of water and other materials, float, cold start to 1e-4 sigma. Names tell what differs from
// 1e6 open-beam counts (all bins), thresholds shared by all rays, all energies:
//   decomposition[_double|_adjoint]/materials:2/bins:8/energies:100[/counts:100000][/thresholds:shared|pixel][/quadrature:32]
//   decomposition_gadget/bins:8[/thresholds:module]      a view of 16 x 512 rays through the whole gadget
// of_peak: the multiply-adds of the steps on the full spectra over the peak; that of the start is not counted as work.
#include <benchmark/benchmark.h>

#include <map>
#include <memory>

#include "core/kernel.h"
#include "core/parallel.h"
#include "core/testing/counts_scan.h"
#include "core/testing/gadget_with.h"
#include "core/testing/machine_peak.h"
#include "core/testing/turns.h"
#include "gadgets/decomposition/maximum_likelihood.h"
#include "gadgets/decomposition/test_scene.h"

namespace counterflow {
namespace {

using benchmark::Counter;
using testing::Rays;
using testing::Scene;

struct Case {
  std::size_t materials = 2, bins = 8, energies = 100;
  double counts = 1e6;
  bool own_thresholds = false, threshold_cotangents = false;
  std::size_t quadrature = 0;

  std::string name(const std::string& kind) const {
    std::string text = kind + "/materials:" + std::to_string(materials) + "/bins:" + std::to_string(bins) +
                       "/energies:" + std::to_string(energies);
    if (counts != 1e6) text += "/counts:" + std::to_string(static_cast<long>(counts));
    if (own_thresholds) text += "/thresholds:pixel";
    else if (threshold_cotangents) text += "/thresholds:shared";
    if (quadrature > 0) text += "/quadrature:" + std::to_string(quadrature);
    return text;
  }
};

// Multiply-adds of one ray-step: exponent, exp2, sums, curvature; with thresholds of its own their spectra and sums besides.
double multiply_adds(const Case& c) {
  const std::size_t pairs = c.materials * (c.materials + 1) / 2, energies = c.quadrature > 0 ? c.quadrature : c.energies;
  const std::size_t own = c.own_thresholds ? c.bins * (2 * kMovePowers + c.materials + 1) : 0;
  return static_cast<double>(energies * (c.materials + 5 + c.bins * (c.materials + 1) + c.bins + pairs + own));
}

template <class Real>
struct Fixture {
  Case c;
  Scene scene;
  BinWeights weights = scene.weights();
  RayPlan plan = plan_rays(scene.attenuation, weights, {}, c.quadrature);
  RayTables<Real> tables;
  std::mt19937_64 random{1};
  Rays<Real> rays;
  RaySettings<Real> settings;
  std::vector<Real> shift;

  explicit Fixture(const Case& given)
      : c(given),
        scene(c.materials == 2 ? std::vector<std::string>{"water", "iodine"}
                               : std::vector<std::string>{"water", "calcium", "iodine"},
              c.bins, 100. / static_cast<double>(c.energies)),
        tables(c.own_thresholds ? own_tables() : RayTables<Real>(plan, weights, weights, false)),
        rays(scene, 1 << 13, c.counts, std::vector<double>(c.materials, 0.),
             c.materials == 2 ? std::vector<double>{40, 0.1} : std::vector<double>{40, 1, 0.1}, true, 0, random),
        shift(c.own_thresholds ? c.bins * rays.count : 0) {
    settings.tolerance = static_cast<Real>(1e-4);
    settings.iterations = 50;
    for (Real& s : shift) s = static_cast<Real>(std::uniform_real_distribution<>(-1, 1)(random));
  }
  RayData<Real> data() const {
    auto d = rays.data();
    d.shift = shift.empty() ? nullptr : shift.data();
    return d;
  }
  RaySolution<Real> solve() {
    RaySolution<Real> solution{rays.density.data(), nullptr, rays.fate.data(), 0};
    std::ranges::fill(rays.fate, kSolved);
    choose<SolveRays<Real>>(kernel_baseline::solve_rays, kernel_avx2::solve_rays, kernel_avx512::solve_rays)(
        tables.system(), settings, data(), solution);
    return solution;
  }
  double count() const { return static_cast<double>(rays.count); }

 private:
  RayTables<Real> own_tables() const {
    const auto at = [&](double s) { return scene.weights(std::vector<double>(c.bins, s)); };
    return {plan, weights, plan_moves(plan, 2, at), false};
  }
};

// Kept between repetitions: drawing the rays takes longer than solving them.
template <class Real>
Fixture<Real>& fixture(const Case& c) {
  static std::map<std::string, std::unique_ptr<Fixture<Real>>> kept;
  auto& found = kept[c.name("")];
  if (!found) found = std::make_unique<Fixture<Real>>(c);
  return *found;
}

void count_rays(benchmark::State& state, double rays) {
  state.counters["rays_per_second"] = Counter(static_cast<double>(state.iterations()) * rays, Counter::kIsRate);
}

template <class Real>
void forward(benchmark::State& state, const Case& c) {
  auto& f = fixture<Real>(c);
  std::uint64_t steps = 0;
  for (auto _ : state) steps = f.solve().steps;
  const double rounds = static_cast<double>(state.iterations());
  count_rays(state, f.count());
  state.counters["steps"] = static_cast<double>(steps) / f.count();
  state.counters["of_peak"] =
      Counter(rounds * static_cast<double>(steps) * multiply_adds(c) / testing::multiply_add_peak(), Counter::kIsRate);
  state.counters["not_solved"] = f.count() - static_cast<double>(std::ranges::count(f.rays.fate, kSolved));
}

void adjoint(benchmark::State& state, const Case& c) {
  auto& f = fixture<float>(c);
  const RaySolution<float> solution = f.solve();
  std::vector<float> bar(f.rays.density.size(), 1), counts_bar(f.rays.counts.size()), background_bar(f.rays.counts.size());
  std::vector<float> shift_bar(f.rays.counts.size());
  std::vector<double> threshold_bar(c.bins);
  auto* kernel =
      choose<AdjointRays<float>>(kernel_baseline::adjoint_rays, kernel_avx2::adjoint_rays, kernel_avx512::adjoint_rays);
  const auto adjoin = [&] {
    kernel(f.tables.system(), f.settings, f.data(), solution,
           {bar.data(), counts_bar.data(), background_bar.data(), c.threshold_cotangents ? threshold_bar.data() : nullptr,
            c.own_thresholds ? shift_bar.data() : nullptr});
  };
  for (auto _ : state) adjoin();
  count_rays(state, f.count());
  const auto [backward, forward] = testing::in_turns(testing::processor_seconds, 21, adjoin, [&] { f.solve(); });
  state.counters["of_forward"] = backward / forward;
}

// The whole gadget on a view of 16 rows and 512 columns, 8 bins: what gathering adds; with shifts, spectra of 32 modules too.
struct Gadget {
  static constexpr std::size_t kRows = 16, kColumns = 512, kModules = 32;
  testing::SmallScan scan;
  Counts<float> x = testing::converted<float>(scan.x);
  MaximumLikelihood<float> gadget = {};
  MaximumLikelihood<float>::State begun = gadget.begin({}, scan.header);
  explicit Gadget(bool shifts)
      : scan(testing::small_scan({.bins = 8, .total = 1e6, .shift_rows = shifts ? 1U : 0U}, 1, kRows, kColumns, kModules)) {}
  void operator()() const {
    const auto y = gadget.forward({}, begun, x);
    benchmark::DoNotOptimize(y.areal_density.data());
  }
};

void gadget(benchmark::State& state, bool shifts) {
  const Gadget gadget(shifts);
  for (auto _ : state) gadget();
  count_rays(state, Gadget::kRows * Gadget::kColumns);
}

void views_on_two_threads(benchmark::State& state) {
  const Gadget gadget(false);
  testing::two_threads(state, [&](int) { parallel_chunks(256, 1, [&](std::size_t, std::size_t) { gadget(); }); });
}

void add_forward(const Case& c) {
  benchmark::RegisterBenchmark(c.name("decomposition").c_str(), [c](benchmark::State& s) { forward<float>(s, c); });
}
void add_adjoint(const Case& c) {
  benchmark::RegisterBenchmark(c.name("decomposition_adjoint").c_str(), [c](benchmark::State& s) { adjoint(s, c); });
}

const bool registered = [] {
  for (std::size_t materials : {2, 3}) {
    for (std::size_t bins = materials; bins <= 8; ++bins)
      if (bins == 5 || bins == 8 || materials == 2) add_forward({.materials = materials, .bins = bins});
    for (std::size_t energies : {32, 64, 200}) add_forward({.materials = materials, .energies = energies});
    for (double counts : {1e4, 1e5, 1e7}) add_forward({.materials = materials, .counts = counts});
    add_forward({.materials = materials, .own_thresholds = true});
    add_forward({.materials = materials, .counts = 1e5, .own_thresholds = true});
    for (std::size_t nodes : {32, 40}) add_forward({.materials = materials, .quadrature = nodes});
    const Case real{.materials = materials};
    benchmark::RegisterBenchmark(real.name("decomposition_double").c_str(),
                                 [real](benchmark::State& s) { forward<double>(s, real); });
    add_adjoint({.materials = materials});
    add_adjoint({.materials = materials, .threshold_cotangents = true});
    add_adjoint({.materials = materials, .own_thresholds = true});
    add_adjoint({.materials = materials, .quadrature = 32});
  }
  add_adjoint({.bins = 5});
  benchmark::RegisterBenchmark("decomposition_gadget/bins:8", [](benchmark::State& s) { gadget(s, false); });
  benchmark::RegisterBenchmark("decomposition_gadget/bins:8/thresholds:module", [](benchmark::State& s) { gadget(s, true); });
  benchmark::RegisterBenchmark("two_threads/of:decomposition", views_on_two_threads)->Iterations(1);
  return true;
}();

}  // namespace
}  // namespace counterflow
