// Rays a second of ProxyDecomposition and MaximumLikelihood on the same view, one core, with their ratio.
#include <benchmark/benchmark.h>

#include <ctime>

#include "gadgets/decomposition/test_scan.h"
#include "gadgets/proxy_decomposition/proxy_decomposition.h"

namespace counterflow {
namespace {

using testing::SmallScan;

constexpr std::size_t kRows = 16, kColumns = 512;

struct Case {
  const char* name;
  std::vector<std::string> materials;
  std::vector<double> high;
  std::size_t bins, shift_rows;
};
const std::vector<Case>& cases() {
  static const std::vector<Case> all = {{"water iodine, 8 bins", {"water", "iodine"}, {40, 0.1}, 8, 0},
                                        {"water iodine, 5 bins", {"water", "iodine"}, {40, 0.1}, 5, 0},
                                        {"water iodine, 8 bins, shifts of 32 modules", {"water", "iodine"}, {40, 0.1}, 8, 1},
                                        {"three materials, 8 bins", {"water", "calcium", "gadolinium"}, {30, 1, 0.1}, 8, 0}};
  return all;
}

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

double seconds(auto&& body, int rounds) {
  const std::clock_t start = std::clock();
  for (int k = 0; k < rounds; ++k) body();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC / rounds;
}

void proxy_and_likelihood(benchmark::State& state) {
  const Case& c = cases()[static_cast<std::size_t>(state.range(0))];
  state.SetLabel(c.name);
  const std::vector<double> low(c.high.size(), 0.);
  const SmallScan scan = testing::small_scan(
      {.materials = c.materials, .low = low, .high = c.high, .bins = c.bins, .total = 1e5, .shift_rows = c.shift_rows}, 1, kRows,
      kColumns, 32);
  const Run<ProxyDecomposition<float>> proxy(c, scan);
  const Run<MaximumLikelihood<float>> likelihood(c, scan);
  std::vector<double> of_proxy, of_adjoint, of_likelihood;
  for (auto _ : state) {  // turn by turn, so that a busy machine slows both
    PathLengths<float> y;
    of_proxy.push_back(seconds([&] { y = proxy.forward(); }, 10));
    of_adjoint.push_back(seconds([&] { benchmark::DoNotOptimize(proxy.adjoint(y)); }, 5));
    of_likelihood.push_back(seconds([&] { benchmark::DoNotOptimize(likelihood.forward()); }, 1));
  }
  const auto median = [](std::vector<double>& v) {
    std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
    return v[v.size() / 2];
  };
  const double rays = kRows * kColumns, p = median(of_proxy), l = median(of_likelihood);
  state.counters["proxy_rays_per_second"] = rays / p;
  state.counters["proxy_adjoint_over_forward"] = median(of_adjoint) / p;
  state.counters["likelihood_rays_per_second"] = rays / l;
  state.counters["ratio"] = l / p;
}
BENCHMARK(proxy_and_likelihood)->DenseRange(0, 3)->Iterations(21)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace counterflow
