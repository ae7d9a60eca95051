// Ray samples (single ray x line of voxels that it crosses x slice and channel: two multiply-adds, in a cone four) a second, and
// whole scans of the case of the published peers: 512 x 512 voxels, 984 views, 888 columns, source-isocenter 541 mm, -detector
// 949 mm; cones of 256^3 voxels and 256^2 pixels.
#include <benchmark/benchmark.h>
#include <tbb/global_control.h>

#include <numbers>
#include <random>

#include "core/reconstruction/projector.h"

namespace counterflow {
namespace {

struct Task {
  ScanGeometry geometry;
  ImageGrid grid;
  std::size_t slices;
};

Task peers_case(Beam beam, std::size_t slices) {
  Task t;
  ScanGeometry& g = t.geometry;
  g.beam = beam;
  g.columns = 888, g.views = g.views_per_rotation = 984;
  g.rows = t.slices = slices;
  g.angle_step = 2 * std::numbers::pi / 984;
  g.column_pitch = 500. / 888, g.row_pitch = 1;
  t.grid.nx = t.grid.ny = 512;
  t.grid.voxel_x = t.grid.voxel_y = 0.7;
  if (beam == Beam::parallel) return t;
  g.source_to_isocenter = 541, g.source_to_detector = 949;
  g.column_pitch *= 949. / 541;
  if (!g.is_cone()) return t;
  g.columns = g.rows = 256, g.views = g.views_per_rotation = 360;
  g.column_pitch = g.row_pitch = 250. / 256 * 949 / 541;
  t.slices = 256;
  t.grid.nx = t.grid.ny = t.grid.nz = 256;
  t.grid.voxel_x = t.grid.voxel_y = t.grid.voxel_z = 0.7;
  return t;
}

View view_at(double angle) {
  View view;
  view.angle = angle;
  return view;
}

// Of a view, the mean over the turn.
double samples(const Task& t, std::size_t channels, std::size_t rays) {
  ScanGeometry g = t.geometry;
  g.columns *= rays, g.column_pitch /= static_cast<double>(rays);
  const projection::ViewPlanner planner(g, t.grid);
  double lines = 0;
  for (std::size_t v = 0; v < 64; ++v)
    for (const auto& bundle : planner.bundles(view_at(0.1 * static_cast<double>(v))))
      for (const auto& ray : bundle.crossings) lines += ray.end - ray.begin;
  return lines / 64 * static_cast<double>(channels * (g.is_cone() ? g.rows : t.slices));
}

void count(benchmark::State& state, double each) {
  state.counters["samples/s"] = benchmark::Counter(each * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

template <class Real>
Array<Real, 4> smooth_values(const Task& t, std::size_t channels) {
  Array<Real, 4> values({channels, t.slices, t.grid.ny, t.grid.nx});
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<Real>(i % 17) / 17;
  return values;
}

// On one thread, every view at another angle: one view at a time, and many.
template <class Real>
void Project(benchmark::State& state) {
  const Task t = peers_case(static_cast<Beam>(state.range(0)), static_cast<std::size_t>(state.range(1)));
  const auto rays = static_cast<std::size_t>(state.range(2));
  const tbb::global_control one(tbb::global_control::max_allowed_parallelism, 1);
  const Projector<Real> projector(t.geometry, t.grid, {rays, 1});
  const auto volume = projector.volume(smooth_values<Real>(t, 1));
  double angle = 0;
  const auto together = static_cast<std::size_t>(state.range(3));
  for (auto _ : state) {
    std::vector<View> views;
    for (std::size_t v = 0; v < together; ++v) views.push_back(view_at(angle += 0.618));
    if (together == 1) benchmark::DoNotOptimize(projector.project(volume, views[0]));
    else benchmark::DoNotOptimize(projector.project(volume, views));
  }
  count(state, samples(t, 1, rays) * static_cast<double>(together));
}
BENCHMARK(Project<float>)
    ->ArgNames({"beam", "slices", "rays", "views"})
    ->ArgsProduct({{0, 2}, {1, 2, 4, 16, 32}, {1}, {1}})
    ->ArgsProduct({{0}, {1, 16, 32}, {1, 3}, {16}})
    ->ArgsProduct({{3, 4}, {1}, {1}, {1, 16}});
BENCHMARK(Project<double>)->ArgNames({"beam", "slices", "rays", "views"})->ArgsProduct({{0}, {1, 16}, {1}, {16}});

template <class Real>
void Transpose(benchmark::State& state) {
  const Task t = peers_case(static_cast<Beam>(state.range(0)), static_cast<std::size_t>(state.range(1)));
  const tbb::global_control one(tbb::global_control::max_allowed_parallelism, 1);
  const Projector<Real> projector(t.geometry, t.grid);
  auto bar = projector.zero_volume(1, t.slices);
  constexpr std::size_t kViews = 16;
  const std::vector<Array<Real, 3>> views_bar(kViews, Array<Real, 3>({1, t.geometry.rows, t.geometry.columns}, Real(1)));
  double angle = 0;
  for (auto _ : state) {
    std::vector<View> views;
    for (std::size_t v = 0; v < kViews; ++v) views.push_back(view_at(angle += 0.618));
    projector.transpose(views_bar, views, bar);
  }
  count(state, kViews * samples(t, 1, 1));
}
BENCHMARK(Transpose<float>)->ArgNames({"beam", "slices"})->ArgsProduct({{0, 2}, {1, 2, 4, 16, 32}});
BENCHMARK(Transpose<float>)->ArgNames({"beam", "slices"})->Args({3, 1})->Args({4, 1});

// volume() and all views, the views in parallel; seconds a scan.
void WholeScan(benchmark::State& state) {
  const Task t = peers_case(static_cast<Beam>(state.range(0)), static_cast<std::size_t>(state.range(1)));
  const auto channels = static_cast<std::size_t>(state.range(2));
  const tbb::global_control threads(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(state.range(3)));
  const Projector<float> projector(t.geometry, t.grid);
  const auto values = smooth_values<float>(t, channels);
  for (auto _ : state) {
    const auto volume = projector.volume(values);
    std::vector<View> views;
    for (std::size_t v = 0; v < t.geometry.views; ++v) views.push_back(view_at(static_cast<double>(v) * t.geometry.angle_step));
    benchmark::DoNotOptimize(projector.project(volume, views));
  }
  count(state, samples(t, channels, 1) * static_cast<double>(t.geometry.views));
}
BENCHMARK(WholeScan)
    ->ArgNames({"beam", "slices", "channels", "threads"})
    ->ArgsProduct({{0, 1, 2}, {1}, {1}, {1, 2}})
    ->Args({0, 16, 2, 1})
    ->Args({0, 16, 2, 2})
    ->Args({4, 1, 1, 1})
    ->Args({4, 1, 1, 2})
    ->Unit(benchmark::kSecond)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

}  // namespace
}  // namespace counterflow
