// The shipped chain material_images.xml on a scan in memory, processor time of one thread: 180 views of 512 columns x 16 rows x 5
// bins to 16 slices of 512 x 512, and how the cost grows. Names: chain/views:360, chain/rows:32, chain/columns:1024,
// chain/bins:8.
#include <benchmark/benchmark.h>

#include <map>

#include "core/testing/turns.h"
#include "tests/support.h"

namespace counterflow {
namespace {

using testing::Scan;

struct Size {
  std::size_t views = 180, rows = 16, columns = 512, bins = 5;
  auto operator<=>(const Size&) const = default;
};

constexpr double kThresholds[] = {25, 38, 51, 62, 72, 83, 92, 101};

// The demo's phantom and scanner, with other numbers; drawn once.
const Scan& scan_of(const Size& size) {
  static std::map<Size, Scan> scans;
  const auto [found, missing] = scans.try_emplace(size);
  if (!missing) return found->second;
  Scenario s = testing::scenario("gammex");
  auto& g = s.header.geometry;
  g.angle_step *= static_cast<double>(g.views) / static_cast<double>(size.views);
  g.views = g.views_per_rotation = size.views;
  g.rows = s.header.grid.nz = size.rows;
  g.column_pitch *= static_cast<double>(g.columns) / static_cast<double>(size.columns);
  g.columns = size.columns;
  s.header.system.bins = size.bins;
  s.header.system.thresholds.assign(kThresholds, kThresholds + size.bins);
  s.acquisition.air_views = 8;
  s.sampling.column_rays = s.sampling.spot_rays = 1;
  return found->second = testing::simulate(s);
}

Chain<float> shipped(const std::string& name) {
  return load_chain<float>(testing::source_dir() / "xml" / "chains" / (name + ".xml"), testing::plugin_folders());
}

void count_rays(benchmark::State& state, const Size& size) {
  const double rays = static_cast<double>(size.views * size.rows * size.columns);
  state.counters["rays_per_second"] =
      benchmark::Counter(rays * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

void run_chain(const Chain<float>& chain, const Scan& scan, int threads) {
  Workers workers(threads);
  ScanRun<float> run(chain, scan.header, workers);
  run.output = [](const Stage<float>&, const Message<float>& image) { benchmark::DoNotOptimize(&image); };
  run.forward(scan.source());
}

void chain_of_size(benchmark::State& state, const Size& size) {
  const Scan& scan = scan_of(size);
  const auto chain = shipped("material_images");
  for (auto _ : state) run_chain(chain, scan, 1);
  count_rays(state, size);
}

void chain_on_two_threads(benchmark::State& state) {
  const Scan& scan = scan_of({.views = 360});
  const auto chain = shipped("material_images");
  // Workers keep a thread more for a source that blocks, which this one never does.
  testing::two_threads(state, [&](int threads) { run_chain(chain, scan, std::max(1, threads - 1)); });
}

void chain_grows_with(const char* what, std::size_t Size::*member, std::initializer_list<std::size_t> values) {
  for (const std::size_t value : values) {
    Size size;
    size.*member = value;
    const std::string name = std::string("chain/") + what + ":" + std::to_string(value);
    benchmark::RegisterBenchmark(name.c_str(), [size](benchmark::State& state) { chain_of_size(state, size); })
        ->Unit(benchmark::kMillisecond)
        ->MeasureProcessCPUTime();
  }
}

[[maybe_unused]] const bool registered = [] {
  benchmark::RegisterBenchmark("two_threads/of:chain", chain_on_two_threads)->Iterations(1)->Unit(benchmark::kMillisecond);
  chain_grows_with("views", &Size::views, {90, 180, 360});
  chain_grows_with("rows", &Size::rows, {4, 8, 16, 32});
  chain_grows_with("columns", &Size::columns, {256, 512, 1024});
  chain_grows_with("bins", &Size::bins, {2, 4, 5, 8});
  return true;
}();

}  // namespace
}  // namespace counterflow
