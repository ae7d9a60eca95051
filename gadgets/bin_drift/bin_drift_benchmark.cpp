// Counts resampled per second on one core: views of 16 rows, 512 columns, 5 bins, 32 modules; beside a plain copy of the view.
#include <benchmark/benchmark.h>

#include <random>

#include "core/physics/detector_response.h"
#include "core/testing/gadget_with.h"
#include "gadgets/bin_drift/bin_drift.h"

namespace counterflow {
namespace {

struct Case {
  explicit Case(bool pixels)
      : gadget(testing::gadget_with<BinDrift<float>>({{"mode", "resample"}, {"pixels", pixels ? "true" : "false"}})) {
    header.system.thresholds = {30, 51, 62, 72, 83};
    header.system.bins = 5;
    header.system.tube_voltage = 120;
    header.system.filters = "Al 3.0; Ti 0.9";
    header.system.detector = "ideal";
    prepare_response(header.system, "");
    header.geometry.rows = 16;
    header.geometry.columns = 512;
    header.geometry.views = 720;
    header.modules = 32;
    std::mt19937_64 random(1);
    std::normal_distribution<float> normal;
    p = gadget.initial(header);
    BinDrift<float>::Params::each(p, [&](auto, auto& block) {
      for (float& v : block) v = 0.3F * normal(random);
    });
    x.counts = Array<float, 3>({5, 16, 512});
    for (float& v : x.counts) v = 300 + 50 * normal(random);
    state = gadget.begin(p, header);
  }
  void count(benchmark::State& run) const {
    run.counters["counts_per_second"] =
        benchmark::Counter(static_cast<double>(x.counts.size() * run.iterations()), benchmark::Counter::kIsRate);
  }
  ScanHeader header;
  BinDrift<float> gadget;
  BinDrift<float>::Params p;
  BinDrift<float>::State state;
  Counts<float> x;
};

void CopyView(benchmark::State& run) {
  const Case c(false);
  for (auto _ : run) benchmark::DoNotOptimize(Counts<float>(c.x));
  c.count(run);
}
BENCHMARK(CopyView);

void Resample(benchmark::State& run) {
  const Case c(run.range(0) != 0);
  for (auto _ : run) benchmark::DoNotOptimize(c.gadget.forward(c.p, c.state, c.x));
  c.count(run);
}
BENCHMARK(Resample)->ArgName("pixels")->Arg(0)->Arg(1);

void ResampleAdjoint(benchmark::State& run) {
  const Case c(run.range(0) != 0);
  const auto y = c.gadget.forward(c.p, c.state, c.x);
  auto p_bar = zero_like(c.p);
  for (auto _ : run) benchmark::DoNotOptimize(c.gadget.adjoint(c.p, c.state, c.x, y, y, p_bar));
  c.count(run);
}
BENCHMARK(ResampleAdjoint)->ArgName("pixels")->Arg(0)->Arg(1);

}  // namespace
}  // namespace counterflow
