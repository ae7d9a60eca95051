// Rays a second of the decomposition and of its adjoint, on one core, beside the multiply-add peak of the same run.
// Noisy rays behind 0-40 g/cm^2 of water and the other materials, 1e6 or 1e5 open-beam counts (all bins), 100 energies, float.
#include <benchmark/benchmark.h>

#include "core/kernel.h"
#include "core/testing/machine_peak.h"
#include "gadgets/decomposition/test_scan.h"
#include "gadgets/decomposition/test_scene.h"

namespace counterflow {
namespace {

using testing::Rays;
using testing::Scene;

// Multiply-adds of one ray-step: exponent, exp2, sums, curvature.
double multiply_adds(std::size_t materials, std::size_t bins, std::size_t energies) {
  const std::size_t pairs = materials * (materials + 1) / 2;
  return static_cast<double>(energies * (materials + 5 + bins * (materials + 1) + bins + pairs));
}

template <class Real>
struct Fixture {
  Scene scene;
  BinWeights weights = scene.weights();
  RayTables<Real> tables{plan_rays(scene.attenuation, weights), weights, weights, false};
  std::mt19937_64 random{1};
  Rays<Real> rays;
  RaySettings<Real> settings;

  explicit Fixture(const benchmark::State& state)
      : scene(state.range(0) == 2 ? std::vector<std::string>{"water", "iodine"}
                                  : std::vector<std::string>{"water", "calcium", "iodine"},
              static_cast<std::size_t>(state.range(1))),
        rays(scene, 1 << 13, static_cast<double>(state.range(2)), std::vector<double>(scene.materials(), 0.),
             state.range(0) == 2 ? std::vector<double>{40, 0.1} : std::vector<double>{40, 1, 0.1}, true, 0, random) {
    settings.tolerance = static_cast<Real>(1e-4);
    settings.iterations = 50;
  }
  void solve(RaySolution<Real>& solution) {
    using F = void(const RaySystem<Real>&, const RaySettings<Real>&, const RayData<Real>&, RaySolution<Real>&);
    choose<F>(kernel_baseline::solve_rays, kernel_avx2::solve_rays, kernel_avx512::solve_rays)(tables.system(), settings,
                                                                                               rays.data(), solution);
  }
  double count() const { return static_cast<double>(rays.count); }
};

template <class Real>
void forward(benchmark::State& state) {
  Fixture<Real> f(state);
  std::uint64_t steps = 0;
  for (auto _ : state) {
    RaySolution<Real> solution{f.rays.density.data(), nullptr, f.rays.fate.data(), 0};
    std::fill(f.rays.fate.begin(), f.rays.fate.end(), kSolved);
    f.solve(solution);
    steps = solution.steps;
  }
  const double rounds = static_cast<double>(state.iterations()), per_ray = static_cast<double>(steps) / f.count();
  using benchmark::Counter;
  state.counters["rays/s"] = Counter(rounds * f.count(), Counter::kIsRate);
  state.counters["steps"] = per_ray;
  state.counters["s/ray-step"] = Counter(rounds * static_cast<double>(steps), Counter::kIsRate | Counter::kInvert);
  const double work =
      rounds * static_cast<double>(steps) * multiply_adds(f.scene.materials(), f.scene.bins(), f.scene.energies.size());
  state.counters["of_peak"] = Counter(work / testing::multiply_add_peak(), Counter::kIsRate);
  state.counters["not_solved"] = f.count() - static_cast<double>(std::count(f.rays.fate.begin(), f.rays.fate.end(), kSolved));
}

template <class Real>
void adjoint(benchmark::State& state) {
  Fixture<Real> f(state);
  RaySolution<Real> solution{f.rays.density.data(), nullptr, f.rays.fate.data(), 0};
  f.solve(solution);
  std::vector<Real> bar(f.rays.density.size(), 1), counts_bar(f.rays.counts.size()), background_bar(f.rays.counts.size());
  std::vector<double> threshold_bar(f.scene.bins());
  using F = void(const RaySystem<Real>&, const RaySettings<Real>&, const RayData<Real>&, const RaySolution<Real>&,
                 const RayCotangents<Real>&);
  auto* kernel = choose<F>(kernel_baseline::adjoint_rays, kernel_avx2::adjoint_rays, kernel_avx512::adjoint_rays);
  const bool thresholds = state.range(3) != 0;
  for (auto _ : state)
    kernel(f.tables.system(), f.settings, f.rays.data(), solution,
           {bar.data(), counts_bar.data(), background_bar.data(), thresholds ? threshold_bar.data() : nullptr});
  state.counters["rays/s"] = benchmark::Counter(static_cast<double>(state.iterations()) * f.count(), benchmark::Counter::kIsRate);
}

// The whole gadget on a view of 16 rows and 512 columns, 8 bins: what gathering adds; with shifts, spectra of 32 modules too.
void whole_view(benchmark::State& state) {
  const bool shifts = state.range(0) != 0;
  const testing::SmallScan scan = testing::small_scan({.bins = 8, .total = 1e6, .shift_rows = shifts ? 1U : 0U}, 1, 16, 512, 32);
  const auto x = testing::converted<float>(scan.x);
  const MaximumLikelihood<float> gadget;
  const auto begun = gadget.begin({}, scan.header);
  for (auto _ : state) {
    auto y = gadget.forward({}, begun, x);
    benchmark::DoNotOptimize(y.areal_density.data());
  }
  state.counters["rays/s"] = benchmark::Counter(static_cast<double>(state.iterations()) * 16 * 512, benchmark::Counter::kIsRate);
}

void forward_cases(benchmark::internal::Benchmark* b) {
  b->ArgNames({"materials", "bins", "counts"});
  for (std::int64_t counts : {1000000, 100000})
    for (auto [materials, bins] : {std::pair{2, 8}, {2, 5}, {3, 8}}) b->Args({materials, bins, counts});
}
void adjoint_cases(benchmark::internal::Benchmark* b) {
  b->ArgNames({"materials", "bins", "counts", "thresholds"});
  for (auto [materials, bins] : {std::pair{2, 8}, {2, 5}, {3, 8}})
    for (std::int64_t thresholds : {0, 1}) b->Args({materials, bins, 1000000, thresholds});
}
BENCHMARK(whole_view)->ArgName("shifts")->Arg(0)->Arg(1);
BENCHMARK(forward<float>)->Apply(forward_cases);
BENCHMARK(forward<double>)->Apply(forward_cases);
BENCHMARK(adjoint<float>)->Apply(adjoint_cases);

}  // namespace
}  // namespace counterflow
