// Updates (voxel x view x slice-material) per second of the kernels and of whole scans, on one core, beside the multiply-add peak
// of the same run. The case of the published peers: 512 x 512 voxels, 984 views, 888 columns, source-isocenter 541 mm, -detector
// 949 mm; 32 views at a time where views are not named. Names:
//   fbp[_filtered|_double]/beam:arc|flat|parallel/slices:16[/noise:yes]   the kernel; with the filter; both in double
//   fbp_filter/slices:16              fbp_adjoint/beam:arc/slices:16     one view: kernel and filter, transposed
//   fbp_scan/beam:arc/slices:16[/views:984|/columns:888]                 from views to images
#include <benchmark/benchmark.h>

#include "core/testing/machine_peak.h"
#include "core/testing/turns.h"
#include "gadgets/fbp/test_scan.h"

namespace counterflow {
namespace {

using namespace fbp_testing;
using benchmark::Counter;
using Single = fbp::Reconstruction<float>;

constexpr std::size_t kViews = fbp::Batch<float>::kViews;

struct Case {
  Beam beam = Beam::fan_arc;
  std::size_t slices = 16, views = 984, columns = 888;
  bool noise = false;

  std::string name(const std::string& kind) const {
    const char* const beams[] = {"arc", "flat", "parallel"};
    return kind + "/beam:" +
           beams[beam == Beam::fan_arc    ? 0
                 : beam == Beam::fan_flat ? 1
                                          : 2] +
           "/slices:" + std::to_string(slices) + (noise ? "/noise:yes" : "");
  }
  ScanHeader header() const {
    ScanGeometry g = geometry(beam, columns, views, 500);
    g.rows = slices;
    return fbp_testing::header(g, 512, 0.7);
  }
  double updates_a_view() const { return 512. * 512 * static_cast<double>(slices); }
};

struct OneThread {
  tbb::global_control limit{tbb::global_control::max_allowed_parallelism, 1};
};

// An update is 2 multiply-adds, one for each of the two columns.
void count_updates(benchmark::State& state, double updates) {
  const double done = updates * static_cast<double>(state.iterations());
  state.counters["updates_per_second"] = Counter(done, Counter::kIsRate);
  state.counters["of_peak"] = Counter(2 * done / testing::multiply_add_peak(), Counter::kIsRate);
}

template <class Real>
struct Fixture {
  OneThread one;
  ScanHeader h;
  fbp::Reconstruction<Real> reconstruction;
  fbp::Volume<Real> volume = reconstruction.zero_volume(1), covariance = reconstruction.zero_volume(1);
  fbp::Batch<Real> batch;
  explicit Fixture(const Case& c) : h(c.header()), reconstruction(h.geometry, h.grid, {.variance = c.noise}) {
    const typename Array<Real, 3>::Shape shape = {kViews, c.slices, c.columns};
    batch.rows = Array<Real, 3>(shape, 1);
    if (c.noise) batch.covariance = Array<Real, 3>(shape, 1);
    for (std::size_t v = 0; v < kViews; ++v) batch.angles.push_back(testing::view_at(h.geometry, v).angle);
  }
  auto filtered() const { return reconstruction.filtered(batch, volume.block, batch.covariance.empty() ? 0 : covariance.block); }
  void gather(const typename fbp::Reconstruction<Real>::Rows& rows) {
    reconstruction.gather_rows(batch.angles, rows, volume, batch.covariance.empty() ? nullptr : &covariance);
  }
};

void kernel(benchmark::State& state, const Case& c) {
  Fixture<float> f(c);
  const auto rows = f.filtered();
  for (auto _ : state) f.gather(rows);
  count_updates(state, c.updates_a_view() * kViews);
}

template <class Real>
void filter_and_kernel(benchmark::State& state, const Case& c) {
  Fixture<Real> f(c);
  for (auto _ : state) f.gather(f.filtered());
  count_updates(state, c.updates_a_view() * kViews);
}

// Each row is read and written once, so a copy is the ceiling. Its share of filter and kernel is that of the arc.
void filter(benchmark::State& state, const Case& c) {
  Fixture<float> f(c);
  const auto rows = f.filtered();
  for (auto _ : state) benchmark::DoNotOptimize(f.filtered());
  const double done = static_cast<double>(state.iterations() * kViews * c.slices);
  state.counters["rows_per_second"] = Counter(done, Counter::kIsRate);
  state.counters["of_copy"] =
      Counter(done * sizeof(float) * static_cast<double>(c.columns) / testing::copy_peak(), Counter::kIsRate);
  const auto [filtering, gathering] = testing::in_turns(
      testing::processor_seconds, 5, [&] { benchmark::DoNotOptimize(f.filtered()); }, [&] { f.gather(rows); });
  state.counters["share_of_time"] = filtering / (filtering + gathering);
}

void adjoint(benchmark::State& state, const Case& c) {
  Fixture<float> f(c);
  for (auto _ : state) benchmark::DoNotOptimize(f.reconstruction.transpose(0.3, f.volume));
  count_updates(state, c.updates_a_view());
  const auto [forward, transposed] = testing::in_turns(
      testing::processor_seconds, 5, [&] { f.gather(f.filtered()); },
      [&] {
        for (std::size_t v = 0; v < kViews; ++v)
          benchmark::DoNotOptimize(f.reconstruction.transpose(testing::view_at(f.h.geometry, v).angle, f.volume));
      });
  state.counters["of_forward"] = transposed / forward;
}

struct WholeScan {
  FilteredBackprojection<float> fbp = gadget<float>();
  ScanHeader h;
  PathLengths<float> x;
  explicit WholeScan(const Case& c) : h(c.header()), x(view_of<float>(h.geometry, 0, {{{0, 0, 100, 1}}}, 1)) {}
  void operator()() {
    benchmark::DoNotOptimize(testing::reconstructed(fbp, h, [&](std::size_t v) -> const PathLengths<float>& {
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
  state.counters["slices_per_second"] =
      Counter(static_cast<double>(state.iterations()) * static_cast<double>(c.slices), Counter::kIsRate);
}

template <class Body>
auto* add(const std::string& name, Body body, const Case& c) {
  return benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) { body(state, c); });
}

const bool registered = [] {
  constexpr Beam kBeams[] = {Beam::fan_arc, Beam::fan_flat, Beam::parallel};
  for (Beam beam : kBeams)
    for (std::size_t slices : {1, 2, 4, 16, 32}) {
      const Case c{.beam = beam, .slices = slices};
      add(c.name("fbp"), kernel, c);
      if (slices == 1 || slices == 16) add(c.name("fbp_filtered"), filter_and_kernel<float>, c);
    }
  for (std::size_t slices : {1, 16}) {
    const Case c{.slices = slices}, noise{.slices = slices, .noise = true};
    add(noise.name("fbp"), kernel, noise);
    add(c.name("fbp_double"), filter_and_kernel<double>, c);
    add("fbp_filter/slices:" + std::to_string(slices), filter, c);
  }
  for (std::size_t slices : {1, 2, 4, 16, 32}) {
    const Case c{.slices = slices};
    add(c.name("fbp_adjoint"), adjoint, c);
    for (Beam beam : {Beam::fan_arc, Beam::fan_flat}) {
      const Case whole{.beam = beam, .slices = slices};
      if (beam == Beam::fan_arc || slices == 1 || slices == 16)
        add(whole.name("fbp_scan"), scan, whole)->Unit(benchmark::kMillisecond);
    }
  }
  for (std::size_t views : {246, 492, 984, 1968}) {
    const Case c{.views = views};
    add(c.name("fbp_scan") + "/views:" + std::to_string(views), scan, c)->Unit(benchmark::kMillisecond);
  }
  for (std::size_t columns : {222, 444, 888, 1776}) {
    const Case c{.columns = columns};
    add(c.name("fbp_scan") + "/columns:" + std::to_string(columns), scan, c)->Unit(benchmark::kMillisecond);
  }
  for (std::size_t slices : {1, 16}) {
    const std::string name = "two_threads/of:fbp_" + std::to_string(slices) + (slices == 1 ? "_slice" : "_slices");
    add(
        name,
        [](benchmark::State& state, const Case& c) {
          WholeScan whole(c);
          testing::two_threads(state, [&](int) { whole(); });
        },
        Case{.slices = slices})
        ->Iterations(1)
        ->Unit(benchmark::kMillisecond);
  }
  return true;
}();

}  // namespace
}  // namespace counterflow
