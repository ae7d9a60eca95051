// Updates (voxel x view x channel) per second of the cone kernel and of whole scans, on one core, beside the multiply-add peak of
// the same run. The case of the published peers: 256^3 voxels from 360 views of 256 x 256; 32 views at a time but in scans.
// Names:
//   fdk/beam:flat|arc/channels:1      the kernel      fdk/rows:64, fdk/columns:512    another detector; as many slices as rows
//   fdk_filter                        fdk_adjoint/beam:flat|arc    one view: kernel and filter, transposed
//   fdk_scan/views:360                from views to images
#include <benchmark/benchmark.h>

#include "core/testing/machine_peak.h"
#include "core/testing/turns.h"
#include "gadgets/fdk/test_scan.h"

namespace counterflow {
namespace {

using namespace fdk_testing;
using benchmark::Counter;

constexpr std::size_t kViews = fbp::Batch<float>::kViews;

struct Case {
  Beam beam = Beam::cone_flat;
  std::size_t channels = 1, views = 360, rows = 256, columns = 256;

  std::string beam_name() const { return beam == Beam::cone_flat ? "/beam:flat" : "/beam:arc"; }
  ScanHeader header() const {  // 256 x 256 voxels, as many slices as rows
    return fdk_testing::header(geometry(beam, columns, rows, views, 250, 250), 256, rows, 175. / 256);
  }
  double updates_a_view() const { return 256. * 256 * static_cast<double>(rows * channels); }
};

struct OneThread {
  tbb::global_control limit{tbb::global_control::max_allowed_parallelism, 1};
};

// An update is 4 multiply-adds: 2 between columns and 2 between rows.
void count_updates(benchmark::State& state, double updates) {
  const double done = updates * static_cast<double>(state.iterations());
  state.counters["updates_per_second"] = Counter(done, Counter::kIsRate);
  state.counters["of_peak"] = Counter(4 * done / testing::multiply_add_peak(), Counter::kIsRate);
}

struct Fixture {
  OneThread one;
  ScanHeader h;
  std::size_t channels;
  fdk::ConeReconstruction<float> reconstruction{h.geometry, h.grid, {}};
  fdk::Volume<float> volume = reconstruction.zero_volume(channels);
  fbp::Batch<float> batch;
  explicit Fixture(const Case& c) : h(c.header()), channels(c.channels) {
    batch.rows = Array<float, 3>({kViews, channels * c.rows, c.columns}, 1);
    for (std::size_t v = 0; v < kViews; ++v) batch.angles.push_back(testing::view_at(h.geometry, v).angle);
  }
  auto filtered() const { return reconstruction.filtered(batch, channels); }
};

void kernel(benchmark::State& state, const Case& c) {
  Fixture f(c);
  const auto rows = f.filtered();
  for (auto _ : state) f.reconstruction.gather(f.batch.angles, rows, f.volume);
  count_updates(state, c.updates_a_view() * kViews);
}

// Each row is read and written once, so a copy is the ceiling.
void filter(benchmark::State& state, const Case& c) {
  Fixture f(c);
  const auto rows = f.filtered();
  for (auto _ : state) benchmark::DoNotOptimize(f.filtered());
  const double done = static_cast<double>(state.iterations()) * static_cast<double>(kViews * c.rows);
  state.counters["rows_per_second"] = Counter(done, Counter::kIsRate);
  state.counters["of_copy"] =
      Counter(done * sizeof(float) * static_cast<double>(c.columns) / testing::copy_peak(), Counter::kIsRate);
  const auto [filtering, gathering] = testing::in_turns(
      testing::processor_seconds, 3, [&] { benchmark::DoNotOptimize(f.filtered()); },
      [&] { f.reconstruction.gather(f.batch.angles, rows, f.volume); });
  state.counters["share_of_time"] = filtering / (filtering + gathering);
}

void adjoint(benchmark::State& state, const Case& c) {
  Fixture f(c);
  for (auto _ : state) benchmark::DoNotOptimize(f.reconstruction.transpose(0.3, f.volume));
  count_updates(state, c.updates_a_view());
  const auto [forward, transposed] = testing::in_turns(
      testing::processor_seconds, 3, [&] { f.reconstruction.backproject(f.batch, f.volume, nullptr); },
      [&] {
        for (double angle : f.batch.angles) benchmark::DoNotOptimize(f.reconstruction.transpose(angle, f.volume));
      });
  state.counters["of_forward"] = transposed / forward;
}

struct WholeScan {
  FeldkampReconstruction<float> fdk = gadget<float>();
  ScanHeader h;
  PathLengths<float> x;
  explicit WholeScan(const Case& c)
      : h(c.header()), x(view_of<float>(h.geometry, 0, {{Shape::ellipsoid({}, {80, 70, 60}), 1}})) {}
  void operator()() {
    benchmark::DoNotOptimize(testing::reconstructed(fdk, h, [&](std::size_t v) -> const PathLengths<float>& {
      x.view = testing::view_at(h.geometry, v);
      return x;
    }));
  }
};

void scan(benchmark::State& state, const Case& c) {
  const OneThread one;
  WholeScan whole(c);
  for (auto _ : state) whole();
  count_updates(state, c.updates_a_view() * static_cast<double>(c.views));
}

template <class Body>
void add(const std::string& name, Body body, const Case& c) {
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) { body(state, c); })->Unit(benchmark::kMillisecond);
}

const bool registered = [] {
  for (Beam beam : {Beam::cone_flat, Beam::cone_arc}) {
    for (std::size_t channels : {1, 2}) {
      const Case c{.beam = beam, .channels = channels};
      add("fdk" + c.beam_name() + "/channels:" + std::to_string(channels), kernel, c);
    }
    const Case c{.beam = beam};
    add("fdk_adjoint" + c.beam_name(), adjoint, c);
  }
  add("fdk_filter", filter, {});
  for (std::size_t rows : {4, 16, 64, 128, 256}) add("fdk/rows:" + std::to_string(rows), kernel, {.rows = rows});
  for (std::size_t columns : {128, 256, 512, 1024})
    add("fdk/columns:" + std::to_string(columns), kernel, {.rows = 64, .columns = columns});
  for (std::size_t views : {90, 180, 360}) add("fdk_scan/views:" + std::to_string(views), scan, {.views = views});
  benchmark::RegisterBenchmark("two_threads/of:fdk",
                               [](benchmark::State& state) {
                                 WholeScan whole({});
                                 testing::two_threads(state, [&](int) { whole(); });
                               })
      ->Iterations(1)
      ->Unit(benchmark::kMillisecond);
  return true;
}();

}  // namespace
}  // namespace counterflow
