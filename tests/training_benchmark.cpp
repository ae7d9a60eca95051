// One gradient of the whole chain, and one product with Gauss-Newton's matrix, over the chain's forward pass: drift_training.xml
// on the scan of the worked example with 120 views of 512 columns x 16 rows, in memory; processor time of one thread.
#include <benchmark/benchmark.h>

#include "core/testing/turns.h"
#include "core/training/learning.h"
#include "core/training/objective.h"
#include "tests/support.h"

namespace counterflow {
namespace {

struct Trained {
  testing::Scan scan;
  Chain<float> chain;
  ScanHeader header;
  ParameterSpace space;
  Workers workers{1};
  Team team;

  Trained()
      : scan(testing::simulate(scenario())),
        chain(load_chain<float>(testing::source_dir() / "xml/chains/drift_training.xml", testing::plugin_folders())),
        header(scan.header),
        space(chain, header, initial_parameters(chain, header)) {}

  Objective<float> objective(std::size_t memory) {
    TrainingScan<float> one{"scan", header, [this] { return scan.source(); }, {}};
    one.header.truth = std::make_shared<const Truth>(scan.truth);
    return {chain, {one}, space, workers, {.memory = memory, .rows_per_block = 0}, team, nullptr};
  }

 private:
  static Scenario scenario() {
    Scenario s = testing::scenario("drift_gammex");
    auto& g = s.header.geometry;
    g.angle_step *= static_cast<double>(g.views) / 120;
    g.views = g.views_per_rotation = 120;
    s.acquisition.air_views = 8;
    s.sampling.column_rays = 1;
    return s;
  }
};

void training_parts(benchmark::State& state) {
  Trained t;
  Objective<float> keeps = t.objective(std::size_t{4} << 30), again = t.objective(0);
  const std::vector<double> u(t.space.size(), 0.1);
  std::vector<double> v(u.size());
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = i % 3 == 0 ? 1 : -0.5;
  ScanRun<float> run(t.chain, t.header, t.workers, t.space.at(u));
  for (auto _ : state) {
    const auto [forward, kept, recomputed, product] = testing::in_turns(
        testing::processor_seconds, 3,
        [&] {
          run.restart(t.space.at(u));
          run.forward(t.scan.source());
        },
        [&] { keeps.evaluate(u, {}); }, [&] { again.evaluate(u, {}); }, [&] { keeps.curvature(u, v); });
    state.counters["forward_seconds"] = forward;
    state.counters["gradient_over_forward"] = kept / forward;
    state.counters["recomputed_over_forward"] = recomputed / forward;
    state.counters["product_over_forward"] = product / forward;
  }
}
BENCHMARK(training_parts)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace counterflow
