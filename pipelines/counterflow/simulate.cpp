// counterflow simulate SCENARIO.xml -o scan.h5 [--seed N] [--compact]
#include "pipelines/simulator/simulate.h"

#include <chrono>
#include <iostream>

#include "core/server/pipe.h"
#include "pipelines/counterflow/progress.h"
#include "pipelines/counterflow/verbs.h"

namespace counterflow {
namespace {

// The views alone: a pipe has no place for the truth.
void write_to_pipe(const SimulatedScan& scan, Workers& workers, const SimulationProgress& progress) {
  PipeScanWriter writer(std::cout, scan.scenario().header);
  for_each_view(
      scan, workers, [&](const Counts<float>& view) { writer.write(view); }, progress);
  writer.finish();
}

}  // namespace

void simulate(const SimulateOptions& options, const CommonOptions& common, std::ostream& out) {
  if (options.compact && options.output == "-")
    throw ConfigError("simulate: --compact is a form of files; a pipe has its own: leave it out");
  const auto start = std::chrono::steady_clock::now();
  Scenario scenario = read_scenario(options.scenario, common.data);
  if (options.seed) scenario.acquisition.seed = static_cast<std::int64_t>(*options.seed & 0x7fffffffffffffff);
  Workers workers(common.threads);
  workers.arena().execute([&] {
    const SimulatedScan scan(std::move(scenario), common.cache);
    Progress progress(std::cerr, "views", scan.size(), common.quiet);
    const auto show = [&](std::size_t done, std::size_t) { progress.at(done); };
    if (options.output == "-") write_to_pipe(scan, workers, show);
    else simulate_scan(scan, workers, options.output, show, options.compact ? ArchiveForm::compact : ArchiveForm::plain);
    progress.finish();
    if (common.quiet || options.output == "-") return;
    const ScanHeader& h = scan.scenario().header;
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    out << options.output.string() << ": " << scan.air_views() << " air views and " << h.geometry.views << " views of "
        << h.geometry.columns << " columns x " << h.geometry.rows << " rows x " << h.bins() << " bins in "
        << static_cast<int>(seconds.count() * 10) / 10.0 << " s\n";
  });
}

}  // namespace counterflow
