// Ray samples (a line of voxels that a ray crosses, for a slice and channel: two multiply-adds, in a cone four) per second of the
// projector and its transpose, and whole scans, on one core, beside the multiply-add peak of the same run. The case of the
// published peers: 512 x 512 voxels, 984 views, 888 columns, source-isocenter 541 mm, -detector 949 mm; cones of 256^3 voxels and
// 360 views of 256 x 256; 16 views at a time where views are not named. Names:
//   project[_double]/beam:arc|flat|parallel|cone/slices:16[/rays:3|/views:1]      project_back/beam:arc/slices:16
//   project_scan/beam:arc/slices:16[/channels:2]      project_back_scan/beam:arc/slices:1       all views
#include <benchmark/benchmark.h>
#include <tbb/global_control.h>

#include <numbers>
#include <string>
#include <vector>

#include "core/reconstruction/projector.h"
#include "core/testing/machine_peak.h"

namespace counterflow {
namespace {

using benchmark::Counter;

struct Case {
  Beam beam = Beam::fan_arc;
  std::size_t slices = 16, channels = 1, rays = 1, views = 16;

  std::string name(const std::string& kind) const {
    const char* const beams[] = {"arc", "flat", "parallel", "cone-arc", "cone"};
    return kind + "/beam:" + beams[static_cast<std::size_t>(beam)] + "/slices:" + std::to_string(slices);
  }
  bool cone() const { return beam == Beam::cone_flat; }
  ScanGeometry geometry() const {
    ScanGeometry g;
    g.beam = beam;
    g.columns = cone() ? 256 : 888, g.rows = slices;
    g.views = g.views_per_rotation = cone() ? 360 : 984;
    g.angle_step = 2 * std::numbers::pi / static_cast<double>(g.views);
    g.column_pitch = (cone() ? 250. : 500.) / static_cast<double>(g.columns), g.row_pitch = cone() ? g.column_pitch : 1;
    if (beam == Beam::parallel) return g;
    g.source_to_isocenter = 541, g.source_to_detector = 949;
    g.column_pitch *= 949. / 541, g.row_pitch *= 949. / 541;
    return g;
  }
  ImageGrid grid() const {
    ImageGrid grid;
    grid.nx = grid.ny = cone() ? 256 : 512;
    grid.nz = slices;
    grid.voxel_x = grid.voxel_y = grid.voxel_z = 0.7;
    return grid;
  }
  // Of a view, the mean over the turn.
  double samples() const {
    const projection::ViewPlanner planner(geometry(), grid());
    double lines = 0;
    constexpr std::size_t kViews = 64;
    for (std::size_t v = 0; v < kViews; ++v)
      for (const auto& bundle : planner.bundles(some_views(kViews)[v]))
        for (const auto& ray : bundle.crossings) lines += ray.end - ray.begin;
    return lines / kViews * static_cast<double>(channels * slices * rays);
  }
  std::vector<View> some_views(std::size_t n) const {
    std::vector<View> all(n);
    for (std::size_t v = 0; v < n; ++v) all[v].angle = 2 * std::numbers::pi * static_cast<double>(v) / static_cast<double>(n);
    return all;
  }
};

void count_samples(benchmark::State& state, const Case& c, double views) {
  const double done = c.samples() * views * static_cast<double>(state.iterations());
  state.counters["samples_per_second"] = Counter(done, Counter::kIsRate);
  state.counters["of_peak"] = Counter((c.cone() ? 4 : 2) * done / testing::multiply_add_peak(), Counter::kIsRate);
}

template <class Real>
struct Fixture {
  tbb::global_control one{tbb::global_control::max_allowed_parallelism, 1};
  Projector<Real> projector;
  std::vector<View> views;
  Array<Real, 4> values;
  Fixture(const Case& c, std::size_t n)
      : projector(c.geometry(), c.grid(), {c.rays, 1}),
        views(c.some_views(n)),
        values({c.channels, c.slices, c.grid().ny, c.grid().nx}) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<Real>(i % 17) / 17;
  }
  std::vector<Array<Real, 3>> bars(const Case& c) const {
    return std::vector<Array<Real, 3>>(views.size(), Array<Real, 3>({c.channels, c.slices, c.geometry().columns}, Real(1)));
  }
};

template <class Real>
void project(benchmark::State& state, const Case& c) {
  const Fixture<Real> f(c, c.views);
  const auto volume = f.projector.volume(f.values);
  for (auto _ : state)
    if (c.views == 1) benchmark::DoNotOptimize(f.projector.project(volume, f.views[0]));
    else benchmark::DoNotOptimize(f.projector.project(volume, f.views));
  count_samples(state, c, static_cast<double>(c.views));
}

void project_back(benchmark::State& state, const Case& c) {
  const Fixture<float> f(c, c.views);
  const auto bars = f.bars(c);
  auto bar = f.projector.zero_volume(c.channels, c.slices);
  for (auto _ : state) f.projector.transpose(bars, f.views, bar);
  count_samples(state, c, static_cast<double>(c.views));
}

// From the volume to all views, and back.
void project_scan(benchmark::State& state, const Case& c) {
  const Fixture<float> f(c, c.geometry().views);
  for (auto _ : state) benchmark::DoNotOptimize(f.projector.project(f.projector.volume(f.values), f.views));
  count_samples(state, c, static_cast<double>(f.views.size()));
}

void project_back_scan(benchmark::State& state, const Case& c) {
  const Fixture<float> f(c, c.geometry().views);
  const auto bars = f.bars(c);
  for (auto _ : state) {
    auto bar = f.projector.zero_volume(c.channels, c.slices);
    f.projector.transpose(bars, f.views, bar);
    benchmark::DoNotOptimize(f.projector.values(bar));
  }
  count_samples(state, c, static_cast<double>(f.views.size()));
}

template <class Body>
auto* add(const std::string& name, Body body, const Case& c) {
  return benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) { body(state, c); });
}

const bool registered = [] {
  for (Beam beam : {Beam::fan_arc, Beam::parallel})
    for (std::size_t slices : {1, 2, 4, 16, 32}) {
      const Case c{.beam = beam, .slices = slices};
      add(c.name("project"), project<float>, c);
      if (beam == Beam::fan_arc) add(c.name("project_back"), project_back, c);
    }
  const Case cone{.beam = Beam::cone_flat, .slices = 256};
  add(cone.name("project"), project<float>, cone);
  add(cone.name("project_back"), project_back, cone);
  for (std::size_t slices : {1, 32}) {
    const Case rays{.slices = slices, .rays = 3}, one{.slices = slices, .views = 1}, c{.slices = slices};
    add(rays.name("project") + "/rays:3", project<float>, rays);
    add(one.name("project") + "/views:1", project<float>, one);
    add(c.name("project_double"), project<double>, c);
  }
  for (const Case& c : {Case{.slices = 1}, Case{.beam = Beam::fan_flat, .slices = 1}, Case{.beam = Beam::parallel, .slices = 1},
                        Case{.slices = 16}, cone}) {
    add(c.name("project_scan"), project_scan, c)->Unit(benchmark::kMillisecond);
    add(c.name("project_back_scan"), project_back_scan, c)->Unit(benchmark::kMillisecond);
  }
  const Case two{.slices = 16, .channels = 2};
  add(two.name("project_scan") + "/channels:2", project_scan, two)->Unit(benchmark::kMillisecond);
  add(two.name("project_back_scan") + "/channels:2", project_back_scan, two)->Unit(benchmark::kMillisecond);
  return true;
}();

}  // namespace
}  // namespace counterflow
