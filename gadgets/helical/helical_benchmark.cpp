// Updates (voxel x view that sees it x channel) per second on one core, filter included, beside the multiply-add peak of the same
// run: 512 x 512 voxels, slices as far apart as the rows, 720 views a turn of 512 columns, pitch 1. Names:
//   helical[_adjoint]/rows:64/channels:2       32 parallel views; 16 of them, transposed
#include <benchmark/benchmark.h>
#include <tbb/global_control.h>

#include "core/testing/machine_peak.h"
#include "gadgets/helical/test_scan.h"

namespace counterflow {
namespace {

using namespace helical_testing;
using benchmark::Counter;
using Operator = helical::HelicalOperator<float>;

// An update is at least 2 multiply-adds.
void count_updates(benchmark::State& state, double updates) {
  const double done = updates * static_cast<double>(state.iterations());
  state.counters["updates_per_second"] = Counter(done, Counter::kIsRate);
  state.counters["of_peak"] = Counter(2 * done / testing::multiply_add_peak(), Counter::kIsRate);
}

struct Fixture {
  Fixture(std::size_t rows, std::size_t n)
      : h(header(geometry(Beam::cone_arc, 512, rows, 720, 1, 2.5, 360, 0.7), 512, 0.7, 0.7)), channels(n) {}
  ScanHeader h;
  std::size_t channels;
  tbb::global_control one{tbb::global_control::max_allowed_parallelism, 1};
  Operator op{h.geometry, h.grid, {}, 0.7};
  helical::Volume<float> volume = op.zero_volume(channels);
  long middle = static_cast<long>(h.geometry.views / 2);
  double updates_a_view() const { return 512. * 512 * static_cast<double>(h.geometry.rows * channels); }
};

void backproject(benchmark::State& state, std::size_t rows, std::size_t channels) {
  Fixture f(rows, channels);
  const auto ring = f.op.ring(channels);
  for (auto _ : state) f.op.backproject(ring, f.middle, Operator::kBatch, f.volume);
  count_updates(state, f.updates_a_view() * Operator::kBatch);
}

void adjoint(benchmark::State& state, std::size_t rows, std::size_t channels) {
  const Fixture f(rows, channels);
  for (auto _ : state) benchmark::DoNotOptimize(f.op.transpose(f.middle, helical::kLanes, f.volume));
  count_updates(state, f.updates_a_view() * helical::kLanes);
}

const bool registered = [] {
  for (std::size_t rows : {16, 64})
    for (std::size_t channels : {1, 2, 4}) {
      const std::string size = "/rows:" + std::to_string(rows) + "/channels:" + std::to_string(channels);
      const auto add = [&](const std::string& kind, auto body) {
        benchmark::RegisterBenchmark((kind + size).c_str(), [=](benchmark::State& state) {
          body(state, rows, channels);
        })->Unit(benchmark::kMillisecond);
      };
      add("helical", backproject);
      if (channels < 4) add("helical_adjoint", adjoint);
    }
  return true;
}();

}  // namespace
}  // namespace counterflow
