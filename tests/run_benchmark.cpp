// The demo's commands, files and all, and where their time goes. Names: simulate/threads:2, run/threads:2 (wall seconds, and how
// many processors they had); run_parts: processor seconds of `run` on one thread, of each gadget and of each kernel on the same
// messages.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <sstream>

#include "core/kernel.h"
#include "core/physics/detector_response.h"
#include "core/testing/turns.h"
#include "gadgets/decomposition/maximum_likelihood.h"
#include "gadgets/fbp/filtered_backprojection.h"
#include "pipelines/counterflow/verbs.h"
#include "tests/support.h"

namespace counterflow {
namespace {

using testing::processor_seconds;
using testing::wall_seconds;

// Files of the demo in a folder of their own, as long as the program runs.
struct Demo {
  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("counterflow_run_benchmark_" + std::to_string(::getpid()));
  std::string scan = folder / "scan.h5", images = folder / "images.h5";
  Demo() {
    std::filesystem::create_directories(folder);
    simulate(2);
  }
  ~Demo() { std::filesystem::remove_all(folder); }
  static CommonOptions options(int threads) {
    return {
        .threads = threads, .plugins = {COUNTERFLOW_PLUGIN_DIR}, .data = {}, .cache = testing::response_cache(), .quiet = true};
  }
  static std::filesystem::path chain() { return testing::source_dir() / "xml" / "chains" / "material_images.xml"; }
  void simulate(int threads) const {
    std::ostringstream out;
    counterflow::simulate({testing::source_dir() / "xml" / "scenarios" / "gammex.xml", scan, {}, false}, options(threads), out);
  }
  void run(int threads) const {
    std::ostringstream out;
    counterflow::run({chain(), scan, images, {}}, options(threads), out);
  }
};
const Demo& demo() {
  static const Demo one;
  return one;
}

template <class Command>
void command(benchmark::State& state, Command&& run) {
  demo();
  double busy = 0;
  for (auto _ : state) {
    const double before = processor_seconds();
    run();
    busy += processor_seconds() - before;
  }
  state.counters["processors"] = benchmark::Counter(busy, benchmark::Counter::kIsRate);  // of wall time
}

// Every message of every gadget of the chain, made one after the other, and what that took.
struct Stages {
  Chain<float> chain = load_chain<float>(Demo::chain(), testing::plugin_folders());
  std::vector<Message<float>> views;
  std::vector<ScanHeader> headers;
  std::vector<std::vector<Message<float>>> out{chain.stages.size()};
  std::vector<double> seconds = std::vector<double>(chain.stages.size());

  Stages() {
    ArchiveReader archive(demo().scan);
    for (auto view = archive.next<float>(); view.index() != 0; view = archive.next<float>()) views.push_back(view);
    ScanHeader header = archive.header();
    prepare_response(header.system, testing::response_cache());
    headers = chain.headers(header);
    for (std::size_t k = 0; k < chain.stages.size(); ++k) {
      const double start = processor_seconds();
      pass(k);
      seconds[k] = processor_seconds() - start;
    }
  }

 private:
  void pass(std::size_t k) {
    const auto& stage = *chain.stages[k];
    const auto bound = stage.begin(headers[k], stage.initial(headers[k]));
    bool calibrated = !stage.calibrates();
    for (const auto& message : chain.source(k) == Chain<float>::kScan ? views : out[chain.source(k)]) {
      if (view_of(message).air) {
        stage.calibrate(*bound, message);
        continue;
      }
      if (!calibrated) stage.calibrated(*bound);
      calibrated = true;
      if (stage.form() == Form::map) out[k].push_back(stage.forward(*bound, message));
      else stage.add(*bound, message);
    }
    stage.end(*bound, [&](Message<float> image) { out[k].push_back(std::move(image)); });
  }
};

// The likelihood's kernel alone on the views that `air` gave, set as in the chain.
double decomposition_seconds(const Stages& stages) {
  const MaximumLikelihood<float> gadget;
  const auto begun = gadget.begin({}, stages.headers[1]);
  const ScanGeometry& g = begun.header.geometry;
  auto* const solve = choose<SolveRays<float>>(kernel_baseline::solve_rays, kernel_avx2::solve_rays, kernel_avx512::solve_rays);
  double seconds = 0;
  std::vector<float> density, covariance;
  for (const auto& message : stages.out[0]) {
    RayPatch<float> patch(*std::get<Sent<Counts<float>>>(message), {0, g.rows, 0, g.columns}, {});
    density.resize(2 * patch.padded());
    covariance.resize(3 * patch.padded());
    RaySolution<float> solution{density.data(), covariance.data(), patch.fate().data(), 0};
    const double start = processor_seconds();
    solve(begun.nominal->system(), {.tolerance = 1e-4F, .iterations = 50, .bias_correction = true}, patch.data(), solution);
    seconds += processor_seconds() - start;
  }
  return seconds;
}

// The kernels of filter and backprojection alone, images and noise, on what the likelihood gave.
double backprojection_seconds(const Stages& stages) {
  const ScanHeader& h = stages.headers[2];
  const fbp::Reconstruction<float> reconstruction(h.geometry, h.grid, {.variance = true});
  auto image = reconstruction.zero_volume(2), covariance = reconstruction.zero_volume(3);
  fbp::Batch<float> batch;
  batch.rows = Array<float, 3>({batch.kViews, 2 * h.geometry.rows, h.geometry.columns});
  batch.covariance = Array<float, 3>({batch.kViews, 3 * h.geometry.rows, h.geometry.columns});
  double seconds = 0;
  const auto flush = [&] {
    const double start = processor_seconds();
    reconstruction.backproject(batch, image, &covariance);
    seconds += processor_seconds() - start;
    batch.angles.clear();
  };
  for (const auto& message : stages.out[1]) {
    const auto& x = *std::get<Sent<PathLengths<float>>>(message);
    std::ranges::copy(x.areal_density, batch.rows.block(batch.angles.size()).begin());
    std::ranges::copy(x.covariance, batch.covariance.block(batch.angles.size()).begin());
    batch.angles.push_back(x.view.angle);
    if (batch.angles.size() == batch.kViews) flush();
  }
  flush();
  return seconds;
}

void parts(benchmark::State& state) {
  demo();
  for (auto _ : state) {
    const double start = processor_seconds();
    demo().run(1);
    const double run = processor_seconds() - start;
    const tbb::global_control one(tbb::global_control::max_allowed_parallelism, 1);
    const Stages stages;
    const double decomposition = decomposition_seconds(stages), backprojection = backprojection_seconds(stages);
    double gadgets = 0;
    for (std::size_t k = 0; k < stages.seconds.size(); ++k) {
      state.counters[stages.chain.stages[k]->name + "_seconds"] = stages.seconds[k];
      gadgets += stages.seconds[k];
    }
    state.counters["run_seconds"] = run;
    state.counters["gadgets_seconds"] = gadgets;
    state.counters["decomposition_kernel_seconds"] = decomposition;
    state.counters["backprojection_kernel_seconds"] = backprojection;
    state.counters["run_over_gadgets"] = run / gadgets;
    state.counters["run_over_kernels"] = run / (decomposition + backprojection);
  }
}

[[maybe_unused]] const bool registered = [] {
  const auto add = [](const char* name, auto body) {
    benchmark::RegisterBenchmark(name, body)->Iterations(1)->UseRealTime()->Unit(benchmark::kMillisecond);
  };
  add("simulate/threads:2", [](benchmark::State& state) { command(state, [] { demo().simulate(2); }); });
  add("run/threads:2", [](benchmark::State& state) { command(state, [] { demo().run(2); }); });
  add("run_parts", parts);
  return true;
}();

}  // namespace
}  // namespace counterflow
