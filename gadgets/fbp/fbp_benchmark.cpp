// Updates (voxel x view x slice-material) per second of the kernels on one core, and whole reconstructions of the case of the
// published peers: 512 x 512 voxels, 984 views, 888 columns, source-isocenter 541 mm, -detector 949 mm.
#include <benchmark/benchmark.h>
#include <tbb/global_control.h>

#include "core/testing/machine_peak.h"
#include "gadgets/fbp/test_scan.h"

namespace counterflow {
namespace {

using namespace fbp_testing;

ScanHeader peers_case(Beam beam, std::size_t rows) {
  ScanGeometry g = geometry(beam, 888, 984, 500);
  g.rows = rows;
  return header(g, 512, 0.7);
}

void count_updates(benchmark::State& state, double updates) {
  const double done = updates * static_cast<double>(state.iterations());
  state.counters["updates/s"] = benchmark::Counter(done, benchmark::Counter::kIsRate);
  state.counters["of FMA peak"] =
      benchmark::Counter(2 * done / testing::multiply_add_peak(), benchmark::Counter::kIsRate);  // 2 multiply-adds each
}

template <class Real>
fbp::Batch<Real> batch_of(const ScanHeader& h) {
  fbp::Batch<Real> batch;
  batch.rows = Array<Real, 3>({fbp::Batch<Real>::kViews, h.geometry.rows, h.geometry.columns}, 1);
  for (std::size_t v = 0; v < fbp::Batch<Real>::kViews; ++v) batch.angles.push_back(testing::view_at(h.geometry, v).angle);
  return batch;
}

fbp::FilterSettings hann() { return {}; }

// The filter and the kernel for 32 views on one thread.
template <class Real>
void FilterAndBackproject(benchmark::State& state) {
  const tbb::global_control one(tbb::global_control::max_allowed_parallelism, 1);
  const ScanHeader h = peers_case(static_cast<Beam>(state.range(0)), static_cast<std::size_t>(state.range(1)));
  const fbp::Reconstruction<Real> reconstruction(h.geometry, h.grid, hann());
  auto volume = reconstruction.zero_volume(1);
  const auto batch = batch_of<Real>(h);
  for (auto _ : state) reconstruction.backproject(batch, volume, nullptr);
  count_updates(state, 512. * 512 * fbp::Batch<Real>::kViews * static_cast<double>(h.geometry.rows));
}
BENCHMARK(FilterAndBackproject<float>)->ArgNames({"beam", "slices"})->ArgsProduct({{0, 1, 2}, {1, 2, 4, 16, 32}});
BENCHMARK(FilterAndBackproject<double>)->ArgNames({"beam", "slices"})->ArgsProduct({{0}, {1, 16}});

// The kernel alone.
void Backproject(benchmark::State& state) {
  const ScanHeader h = peers_case(static_cast<Beam>(state.range(0)), static_cast<std::size_t>(state.range(1)));
  const fbp::Reconstruction<float> reconstruction(h.geometry, h.grid, hann());
  const auto rows = reconstruction.filtered(batch_of<float>(h), reconstruction.zero_volume(1).block, 0);
  const tbb::global_control one(tbb::global_control::max_allowed_parallelism, 1);
  auto volume = reconstruction.zero_volume(1);
  const auto batch = batch_of<float>(h);
  for (auto _ : state) reconstruction.gather_rows(batch.angles, rows, volume, nullptr);
  count_updates(state, 512. * 512 * fbp::Batch<float>::kViews * static_cast<double>(h.geometry.rows));
}
BENCHMARK(Backproject)->ArgNames({"beam", "slices"})->ArgsProduct({{0, 1, 2}, {1, 2, 4, 16, 32}});

// One view: the kernel, the filter and the weights, transposed.
template <class Real>
void Adjoint(benchmark::State& state) {
  const ScanHeader h = peers_case(Beam::fan_arc, static_cast<std::size_t>(state.range(0)));
  const fbp::Reconstruction<Real> reconstruction(h.geometry, h.grid, hann());
  const auto volume = reconstruction.zero_volume(1);
  for (auto _ : state) benchmark::DoNotOptimize(reconstruction.transpose(0.3, volume));
  count_updates(state, 512. * 512 * static_cast<double>(h.geometry.rows));
}
BENCHMARK(Adjoint<float>)->ArgName("slices")->Arg(1)->Arg(2)->Arg(16);

// add() of 984 views and end(): filter, backprojection, images.
void WholeScan(benchmark::State& state) {
  const ScanHeader h = peers_case(static_cast<Beam>(state.range(0)), static_cast<std::size_t>(state.range(1)));
  const tbb::global_control threads(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(state.range(2)));
  const auto fbp = gadget<float>();
  auto x = view_of<float>(h.geometry, 0, {{{0, 0, 100, 1}}}, 1);
  for (auto _ : state) {
    auto scan = fbp.begin({}, h);
    for (std::size_t v = 0; v < h.geometry.views; ++v) {
      x.view.angle = testing::view_at(h.geometry, v).angle;
      fbp.add({}, scan, x);
    }
    fbp.end({}, scan, [](const auto& image) { benchmark::DoNotOptimize(image.value.data()); });
  }
  count_updates(state, 512. * 512 * 984 * static_cast<double>(h.geometry.rows));
}
BENCHMARK(WholeScan)
    ->ArgNames({"beam", "slices", "threads"})
    ->ArgsProduct({{0, 1}, {1, 16}, {1, 2}})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace counterflow
