// counterflow simulate SCENARIO.xml -o scan.h5 [--seed N]
#include "pipelines/simulator/simulate.h"

#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <chrono>
#include <iostream>

#include "core/archive/archive.h"
#include "pipelines/counterflow/progress.h"
#include "pipelines/counterflow/verbs.h"

namespace counterflow {

void simulate(const SimulateOptions& options, const CommonOptions& common, std::ostream& out) {
  const auto start = std::chrono::steady_clock::now();
  Scenario scenario = read_scenario(options.scenario, common.data);
  if (options.seed) scenario.acquisition.seed = static_cast<std::int64_t>(*options.seed & 0x7fffffffffffffff);
  tbb::task_arena arena(common.threads > 0 ? common.threads : tbb::task_arena::automatic);
  arena.execute([&] {
    const SimulatedScan scan(std::move(scenario), common.cache);
    Progress progress(std::cerr, "views", scan.size(), common.quiet);
    simulate_scan(scan, options.output, [&](std::size_t done, std::size_t) { progress.at(done); });
    progress.finish();
    if (common.quiet) return;
    const ScanHeader& h = scan.scenario().header;
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    out << options.output.string() << ": " << scan.air_views() << " air views and " << h.geometry.views << " views of "
        << h.geometry.columns << " columns x " << h.geometry.rows << " rows x " << h.bins() << " bins in "
        << static_cast<int>(seconds.count() * 10) / 10.0 << " s\n";
  });
}

}  // namespace counterflow
