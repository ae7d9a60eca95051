// Updates (voxel x view x channel) per second of the cone kernel, of filter and kernel, and of whole scans: the case of the
// published peers, 256^3 voxels from 360 views of 256 x 256, and its scaling in rows, columns and channels.
#include <benchmark/benchmark.h>
#include <tbb/global_control.h>

#include "core/testing/machine_peak.h"
#include "gadgets/fdk/test_scan.h"

namespace counterflow {
namespace {

using namespace fdk_testing;

constexpr std::size_t kViews = fbp::Batch<float>::kViews;

// A detector of rows x columns that sees a volume of n x n x nz voxels.
ScanHeader case_of(Beam beam, std::size_t columns, std::size_t rows, std::size_t n, std::size_t nz) {
  return header(geometry(beam, columns, rows, 360, 250, 250), n, nz, 175. / static_cast<double>(n));
}
ScanHeader peers_case(Beam beam) { return case_of(beam, 256, 256, 256, 256); }

double voxels(const ScanHeader& h) { return static_cast<double>(h.grid.nx * h.grid.ny * h.grid.nz); }

// An update is 4 multiply-adds: 2 between columns and 2 between rows.
void count_updates(benchmark::State& state, double updates) {
  const double done = updates * static_cast<double>(state.iterations());
  state.counters["updates_per_second"] = benchmark::Counter(done, benchmark::Counter::kIsRate);
  state.counters["of_peak"] = benchmark::Counter(4 * done / testing::multiply_add_peak(), benchmark::Counter::kIsRate);
}

fbp::Batch<float> batch_of(const ScanHeader& h, std::size_t channels) {
  fbp::Batch<float> batch;
  batch.rows = Array<float, 3>({kViews, channels * h.geometry.rows, h.geometry.columns}, 1);
  for (std::size_t v = 0; v < kViews; ++v) batch.angles.push_back(testing::view_at(h.geometry, v).angle);
  return batch;
}

// The kernel alone on 32 views, one thread.
void gather(benchmark::State& state, const ScanHeader& h, std::size_t channels) {
  const tbb::global_control one(tbb::global_control::max_allowed_parallelism, 1);
  const fdk::ConeReconstruction<float> reconstruction(h.geometry, h.grid, {});
  const auto batch = batch_of(h, channels);
  const auto rows = reconstruction.filtered(batch, channels);
  auto volume = reconstruction.zero_volume(channels);
  for (auto _ : state) reconstruction.gather(batch.angles, rows, volume);
  count_updates(state, voxels(h) * kViews * static_cast<double>(channels));
}

void ConeBackprojection(benchmark::State& state) {
  gather(state, peers_case(state.range(0) == 0 ? Beam::cone_flat : Beam::cone_arc), static_cast<std::size_t>(state.range(1)));
}
BENCHMARK(ConeBackprojection)->ArgNames({"arc", "channels"})->ArgsProduct({{0, 1}, {1, 2}})->Unit(benchmark::kMillisecond);

void ConeBackprojectionRows(benchmark::State& state) {  // as many slices as rows
  const auto rows = static_cast<std::size_t>(state.range(0));
  gather(state, case_of(Beam::cone_flat, 256, rows, 256, rows), 1);
}
BENCHMARK(ConeBackprojectionRows)->ArgName("rows")->RangeMultiplier(2)->Range(4, 256)->Unit(benchmark::kMillisecond);

void ConeBackprojectionColumns(benchmark::State& state) {
  const auto columns = static_cast<std::size_t>(state.range(0));
  gather(state, case_of(Beam::cone_flat, columns, 64, 256, 64), 1);
}
BENCHMARK(ConeBackprojectionColumns)->ArgName("columns")->RangeMultiplier(2)->Range(128, 1024)->Unit(benchmark::kMillisecond);

// Filter of 32 views of 256 x 256; a sample is a number of a row.
void ConeFilter(benchmark::State& state) {
  const tbb::global_control one(tbb::global_control::max_allowed_parallelism, 1);
  const ScanHeader h = peers_case(Beam::cone_flat);
  const fdk::ConeReconstruction<float> reconstruction(h.geometry, h.grid, {});
  const auto batch = batch_of(h, 1);
  for (auto _ : state) benchmark::DoNotOptimize(reconstruction.filtered(batch, 1));
  state.counters["samples_per_second"] = benchmark::Counter(
      static_cast<double>(state.iterations()) * static_cast<double>(batch.rows.size()), benchmark::Counter::kIsRate);
}
BENCHMARK(ConeFilter)->Unit(benchmark::kMillisecond);

// One view: kernel, filter and weights, transposed.
void ConeAdjoint(benchmark::State& state) {
  const ScanHeader h = peers_case(state.range(0) == 0 ? Beam::cone_flat : Beam::cone_arc);
  const fdk::ConeReconstruction<float> reconstruction(h.geometry, h.grid, {});
  const auto volume = reconstruction.zero_volume(1);
  for (auto _ : state) benchmark::DoNotOptimize(reconstruction.transpose(0.3, volume));
  count_updates(state, voxels(h));
}
BENCHMARK(ConeAdjoint)->ArgName("arc")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

// add() of every view and end(): filter, backprojection, images.
void ConeScan(benchmark::State& state) {
  const tbb::global_control threads(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(state.range(1)));
  ScanHeader h = peers_case(Beam::cone_flat);
  h.geometry.views = h.geometry.views_per_rotation = static_cast<std::size_t>(state.range(0));
  h.geometry.angle_step = 2 * std::numbers::pi / static_cast<double>(h.geometry.views);
  const auto fdk = gadget<float>();
  auto x = view_of<float>(h.geometry, 0, {{Shape::ellipsoid({}, {80, 70, 60}), 1}});
  for (auto _ : state) {
    auto scan = fdk.begin({}, h);
    for (std::size_t v = 0; v < h.geometry.views; ++v) {
      x.view.angle = testing::view_at(h.geometry, v).angle;
      fdk.add({}, scan, x);
    }
    fdk.end({}, scan, [](const auto& image) { benchmark::DoNotOptimize(image.value.data()); });
  }
  count_updates(state, voxels(h) * static_cast<double>(h.geometry.views));
}
BENCHMARK(ConeScan)
    ->ArgNames({"views", "threads"})
    ->ArgsProduct({{90, 180, 360}, {1, 2}})
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace counterflow
