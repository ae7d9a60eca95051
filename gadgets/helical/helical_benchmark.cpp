// Updates (voxel x view that sees it x channel) per second on one core, filter included: 512 x 512 voxels, slices as far apart as
// the rows, 720 views a turn of 512 columns, pitch 1.
#include <benchmark/benchmark.h>
#include <tbb/global_control.h>

#include "core/testing/machine_peak.h"
#include "gadgets/helical/test_scan.h"

namespace counterflow {
namespace {

using namespace helical_testing;
using Operator = helical::HelicalOperator<float>;

ScanHeader body_scan(std::size_t rows) {
  return header(geometry(Beam::cone_arc, 512, rows, 720, 1, 2.5, 360, 0.7), 512, 0.7, 0.7);
}

void count_updates(benchmark::State& state, double updates) {
  const double done = updates * static_cast<double>(state.iterations());
  state.counters["updates_per_second"] = benchmark::Counter(done, benchmark::Counter::kIsRate);
  state.counters["of_multiply_add_peak"] =
      benchmark::Counter(2 * done / testing::multiply_add_peak(), benchmark::Counter::kIsRate);  // at least 2 of them each
}

struct Case {
  explicit Case(const benchmark::State& state)
      : h(body_scan(static_cast<std::size_t>(state.range(0)))), channels(static_cast<std::size_t>(state.range(1))) {}
  ScanHeader h;
  std::size_t channels;
  Operator op{h.geometry, h.grid, {}, 0.7};
  helical::Volume<float> volume = op.zero_volume(channels);
  long middle = static_cast<long>(h.geometry.views / 2);
  double updates_a_view() const { return 512. * 512 * static_cast<double>(h.geometry.rows * channels); }
};

void HelicalBackproject(benchmark::State& state) {
  const tbb::global_control one(tbb::global_control::max_allowed_parallelism, 1);
  Case c(state);
  const auto ring = c.op.ring(c.channels);
  for (auto _ : state) c.op.backproject(ring, c.middle, Operator::kBatch, c.volume);
  count_updates(state, c.updates_a_view() * Operator::kBatch);
}
BENCHMARK(HelicalBackproject)->ArgNames({"rows", "channels"})->ArgsProduct({{16, 64}, {1, 2, 4}})->Unit(benchmark::kMillisecond);

void HelicalAdjoint(benchmark::State& state) {
  const Case c(state);
  for (auto _ : state) benchmark::DoNotOptimize(c.op.transpose(c.middle, helical::kLanes, c.volume));
  count_updates(state, c.updates_a_view() * helical::kLanes);
}
BENCHMARK(HelicalAdjoint)->ArgNames({"rows", "channels"})->ArgsProduct({{16, 64}, {1, 2}})->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace counterflow
