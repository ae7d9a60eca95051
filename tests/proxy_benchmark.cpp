// Rays a second of ProxyDecomposition and MaximumLikelihood on the same view of 16 x 512 rays behind 0-40 g/cm^2 of water and
// other materials, 1e5 open-beam counts, one core, with their ratio. Names: proxy/materials:2/bins:8[/thresholds:module].
#include <benchmark/benchmark.h>

#include "core/testing/counts_scan.h"
#include "core/testing/gadget_with.h"
#include "core/testing/turns.h"
#include "gadgets/decomposition/maximum_likelihood.h"
#include "gadgets/proxy_decomposition/proxy_decomposition.h"

namespace counterflow {
namespace {

using testing::SmallScan;

constexpr std::size_t kRows = 16, kColumns = 512;

struct Case {
  std::vector<std::string> materials;
  std::vector<double> high;
  std::size_t bins = 8, shift_rows = 0;
  std::string name() const {
    return "proxy/materials:" + std::to_string(materials.size()) + "/bins:" + std::to_string(bins) +
           (shift_rows > 0 ? "/thresholds:module" : "");
  }
};

template <class G>
struct Run {
  G gadget;
  typename G::Params p;
  typename G::State state;
  Counts<float> x;
  Run(const Case& c, const SmallScan& scan)
      : gadget(testing::gadget_with<G>({{"materials", joined(c.materials, " ")}})),
        p(gadget.initial(scan.header)),
        state(gadget.begin(p, scan.header)),
        x(testing::converted<float>(scan.x)) {}
  auto forward() const { return gadget.forward(p, state, x); }
  auto adjoint(const PathLengths<float>& y) const {
    auto p_bar = zero_like(p);
    return gadget.adjoint(p, state, x, y, y, p_bar);
  }
};

void proxy_and_likelihood(benchmark::State& state, const Case& c) {
  const SmallScan scan = testing::small_scan({.materials = c.materials,
                                              .low = std::vector<double>(c.high.size()),
                                              .high = c.high,
                                              .bins = c.bins,
                                              .total = 1e5,
                                              .shift_rows = c.shift_rows},
                                             1, kRows, kColumns, 32);
  const Run<ProxyDecomposition<float>> proxy(c, scan);
  const Run<MaximumLikelihood<float>> likelihood(c, scan);
  PathLengths<float> y;
  for (auto _ : state) y = proxy.forward();
  const double rays = kRows * kColumns;
  state.counters["rays_per_second"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * rays, benchmark::Counter::kIsRate);
  const auto [forward, adjoint, of_likelihood] = testing::in_turns(
      testing::processor_seconds, 15, [&] { y = proxy.forward(); }, [&] { benchmark::DoNotOptimize(proxy.adjoint(y)); },
      [&] { benchmark::DoNotOptimize(likelihood.forward()); });
  state.counters["likelihood_rays_per_second"] = rays / of_likelihood;
  state.counters["over_likelihood"] = of_likelihood / forward;
  state.counters["adjoint_over_forward"] = adjoint / forward;
}

[[maybe_unused]] const bool registered = [] {
  const Case cases[] = {{.materials = {"water", "iodine"}, .high = {40, 0.1}},
                        {.materials = {"water", "iodine"}, .high = {40, 0.1}, .bins = 5},
                        {.materials = {"water", "iodine"}, .high = {40, 0.1}, .shift_rows = 1},
                        {.materials = {"water", "calcium", "gadolinium"}, .high = {30, 1, 0.1}}};
  for (const Case& c : cases)
    benchmark::RegisterBenchmark(c.name().c_str(), [c](benchmark::State& state) { proxy_and_likelihood(state, c); });
  return true;
}();

}  // namespace
}  // namespace counterflow
