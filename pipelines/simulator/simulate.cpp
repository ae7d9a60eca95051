#include "pipelines/simulator/simulate.h"

#include "core/archive/archive.h"
#include "core/physics/detector_response.h"
#include "pipelines/simulator/drawn_counts.h"
#include "pipelines/simulator/forward_model.h"
#include "pipelines/simulator/pixel_faults.h"
#include "pipelines/simulator/truth.h"

namespace counterflow {
namespace {

constexpr std::uint64_t kAirStream = std::uint64_t{1} << 40;  // added to the number of an air view

Array<float, 3> rounded(const Array<double, 3>& expected) {
  Array<float, 3> out(expected.shape());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(expected[i]);
  return out;
}

void write_injected(const SimulatedScan& scan, ArchiveWriter& writer) {
  const ThresholdDrift& drift = scan.model().drift();
  const auto write_pixels = [&](const char* name, const Array<double, 3>& values) {
    if (!values.empty()) writer.write_injected(name, {values.extent(0), values.extent(1), values.extent(2)}, values.values());
  };
  if (drift.any()) {
    // Shifts of the first and of the last object view; those between lie on a line.
    const std::size_t thresholds = drift.thresholds(), modules = scan.scenario().header.modules;
    std::vector<double> shift;
    for (double time : {0.0, 1.0})
      for (std::size_t k = 0; k < thresholds; ++k)
        for (std::size_t m = 0; m < modules; ++m) shift.push_back(drift.module_shift(k, m, time, false));
    writer.write_injected("threshold_shift", {2, thresholds, modules}, shift);
    write_pixels("threshold_shift_pixel", drift.pixels());
    write_pixels("threshold_dispersion", drift.dispersion());
  }
  const auto& scatter = scan.scenario().scatter;
  if (!scatter.empty()) writer.write_injected("scatter_fraction", {scatter.size()}, scatter);
  if (scan.scenario().dead_time > 0) writer.write_injected("dead_time_ns", {1}, std::vector<double>{scan.scenario().dead_time});
  const std::vector<double> faults = scan.faults().table();
  if (!faults.empty()) writer.write_injected("bad_pixels", {faults.size() / 3, 3}, faults);
}

}  // namespace

SimulatedScan::SimulatedScan(Scenario scenario, const std::filesystem::path& cache)
    : scenario_(std::make_unique<Scenario>(std::move(scenario))) {
  SpectralSystem& system = scenario_->header.system;
  const ScanGeometry& g = scenario_->header.geometry;
  if (system.pixel_columns == 0) system.pixel_columns = g.column_pitch;
  if (system.pixel_rows == 0) system.pixel_rows = g.row_pitch;
  prepare_response(system, cache);
  model_ = std::make_unique<ForwardModel>(*scenario_);
  faults_ = std::make_unique<PixelFaults>(scenario_->bad_pixels, g);
}

SimulatedScan::~SimulatedScan() = default;

Counts<float> SimulatedScan::view(std::size_t index) const {
  const Acquisition& a = scenario_->acquisition;
  const ScanGeometry& g = scenario_->header.geometry;
  const bool air = index < air_views();
  Counts<float> out;
  out.view.air = air;
  out.view.index = air ? index : index - air_views();
  out.view.angle = air ? g.first_angle : model_->source_angle(out.view.index);
  out.view.table_position = g.table_position(air ? 0 : static_cast<double>(out.view.index));
  out.view.exposure = air ? a.air_exposure : a.exposure;
  out.view.time = static_cast<double>(index) * g.rotation_time / static_cast<double>(g.views_per_rotation);
  out.view.rotation = air ? 0 : out.view.index / g.views_per_rotation;
  const std::uint64_t stream = out.view.index + (air ? kAirStream : 0);
  ExpectedView expected = air ? model_->air_view() : model_->object_view(out.view.index);
  if (faults_->any()) faults_->apply(expected.counts, model_->air_view().counts, stream);
  const bool rows_alike = (air ? model_->air_rows_are_alike() : model_->rows_are_alike()) && !faults_->any();
  out.counts =
      a.noise ? drawn_counts(expected, static_cast<std::uint64_t>(a.seed), stream, rows_alike) : rounded(expected.counts);
  return out;
}

void for_each_view(const SimulatedScan& scan, Workers& workers, const std::function<void(const Counts<float>&)>& take,
                   const SimulationProgress& progress) {
  struct Token {
    std::size_t index;
    Counts<float> view;
  };
  std::size_t next = 0, done = 0;
  stream<Token>(
      workers,
      [&] {
        return next < scan.size() ? std::make_unique<Token>(Token{next++, {}}) : nullptr;
      },
      [&](Token& token) { token.view = scan.view(token.index); },
      [&](Token& token) {
        take(token.view);
        if (progress) progress(++done, scan.size());
      });
}

void simulate_scan(const SimulatedScan& scan, Workers& workers, const std::filesystem::path& output,
                   const SimulationProgress& progress, ArchiveForm form) {
  ArchiveWriter writer(output, scan.scenario().header, form);
  for_each_view(
      scan, workers, [&](const Counts<float>& view) { writer.write(view); }, progress);
  writer.write(truth_of(scan.scenario()));
  write_injected(scan, writer);
  writer.finish();
}

}  // namespace counterflow
