// The whole shipped chain on a scan in memory, and each of its stages alone on the same messages, so that what the engine adds
// can be seen: `chain` / (sum of `stage`). And how the chain's cost grows with views, rows, columns, bins and threads.
#include <benchmark/benchmark.h>

#include <ctime>
#include <map>

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

void run_chain(benchmark::State& state, const Size& size, int threads) {
  const Scan& scan = scan_of(size);
  const auto chain = shipped("material_images");
  Workers workers(threads);
  for (auto _ : state) {
    ScanRun<float> run(chain, scan.header, workers);
    run.output = [](const Stage<float>&, const Message<float>& image) { benchmark::DoNotOptimize(&image); };
    run.forward(scan.source());
  }
  count_rays(state, size);
}

void chain_grows_with(const char* what, std::size_t Size::*member, std::initializer_list<std::size_t> values) {
  for (const std::size_t value : values) {
    Size size;
    size.*member = value;
    const std::string name = std::string("chain/") + what + ":" + std::to_string(value);
    benchmark::RegisterBenchmark(name.c_str(), [size](benchmark::State& state) { run_chain(state, size, 1); })
        ->Unit(benchmark::kMillisecond)
        ->MeasureProcessCPUTime();
  }
}

double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

// Every stage over all messages that reach it, one after the other, on the threads of one arena of one.
void run_stages(benchmark::State& state) {
  const Scan& scan = scan_of({});
  const auto chain = shipped("material_images");
  const auto headers = chain.headers(scan.header);
  Workers workers(1);
  std::vector<double> seconds(chain.stages.size());
  for (auto _ : state)
    workers.arena().execute([&] {
      std::vector<std::vector<Message<float>>> out(chain.stages.size());
      for (std::size_t k = 0; k < chain.stages.size(); ++k) {
        const auto& stage = *chain.stages[k];
        const auto& in = chain.source(k) == Chain<float>::kScan ? scan.views : out[chain.source(k)];
        const double start = processor_seconds();
        const auto bound = stage.begin(headers[k], stage.initial(headers[k]));
        for (const auto& message : in) {
          if (view_of(message).air) stage.calibrate(*bound, message);
          else if (stage.form() == Form::map) out[k].push_back(stage.forward(*bound, message));
          else stage.add(*bound, message);
        }
        stage.end(*bound, [&](Message<float> image) { out[k].push_back(std::move(image)); });
        seconds[k] += processor_seconds() - start;
      }
    });
  for (std::size_t k = 0; k < seconds.size(); ++k)
    state.counters[chain.stages[k]->name + "_seconds"] = seconds[k] / static_cast<double>(state.iterations());
  count_rays(state, {});
}

void chain_on_threads() {
  for (int threads = 1; threads <= std::max(2, Workers().threads()); threads *= 2) {
    const std::string name = "chain/threads:" + std::to_string(threads);
    benchmark::RegisterBenchmark(name.c_str(), [threads](benchmark::State& state) { run_chain(state, {}, threads); })
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime();
  }
}

[[maybe_unused]] const bool registered = [] {
  chain_on_threads();
  benchmark::RegisterBenchmark("chain/stages", run_stages)->Unit(benchmark::kMillisecond)->MeasureProcessCPUTime();
  chain_grows_with("views", &Size::views, {90, 180, 360});
  chain_grows_with("rows", &Size::rows, {4, 8, 16, 32});
  chain_grows_with("columns", &Size::columns, {256, 512, 1024});
  chain_grows_with("bins", &Size::bins, {2, 4, 5, 8});
  return true;
}();

}  // namespace
}  // namespace counterflow
