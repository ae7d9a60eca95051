// Pixels a second of BinDrift in mode `resample`, on one core: views of 16 x 512 pixels, 5 bins, shifts of 32 modules or of each
// pixel. Names: bin_drift/thresholds:module|pixel
#include <benchmark/benchmark.h>

#include <random>

#include "core/physics/detector_response.h"
#include "core/testing/gadget_with.h"
#include "core/testing/turns.h"
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
  ScanHeader header;
  BinDrift<float> gadget;
  BinDrift<float>::Params p;
  BinDrift<float>::State state;
  Counts<float> x;
};

void resample(benchmark::State& state, bool pixels) {
  const Case c(pixels);
  Counts<float> y;
  for (auto _ : state) y = c.gadget.forward(c.p, c.state, c.x);
  state.counters["rays_per_second"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * 16 * 512, benchmark::Counter::kIsRate);
  auto p_bar = zero_like(c.p);
  const auto [forward, adjoint] = testing::in_turns(
      testing::processor_seconds, 15, [&] { y = c.gadget.forward(c.p, c.state, c.x); },
      [&] { benchmark::DoNotOptimize(c.gadget.adjoint(c.p, c.state, c.x, y, y, p_bar)); });
  state.counters["adjoint_over_forward"] = adjoint / forward;
}
BENCHMARK_CAPTURE(resample, module, false)->Name("bin_drift/thresholds:module");
BENCHMARK_CAPTURE(resample, pixel, true)->Name("bin_drift/thresholds:pixel");

}  // namespace
}  // namespace counterflow
