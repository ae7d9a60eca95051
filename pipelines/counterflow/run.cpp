#include <chrono>
#include <functional>
#include <iostream>

#include "core/archive/learned_parameters.h"
#include "core/chain/plan.h"
#include "core/engine/scan_run.h"
#include "core/physics/detector_response.h"
#include "core/training/learning.h"
#include "pipelines/counterflow/input.h"
#include "pipelines/counterflow/output.h"
#include "pipelines/counterflow/progress.h"
#include "pipelines/counterflow/verbs.h"

namespace counterflow {
void run(const RunOptions& options, const CommonOptions& common, std::ostream& out) {
  const auto chain = load_chain<float>(options.chain, PluginFolders(common.plugins));
  Input input = open_input(options.input, common, true);  // of a bad scan nothing is written, not even onto a pipe
  Workers workers(common.threads);
  if (!input.header.system.detector.empty())  // a scan of line integrals may say nothing of its detector
    workers.arena().execute([&] { prepare_response(input.header.system, common.cache); });
  ImageOrigin origin{chain_hash(chain), "initial"};
  ChainParameters parameters;
  if (options.parameters) {
    const LearnedParameters learned = read_parameters(*options.parameters);
    parameters = with_learned(chain, input.header, learned, options.parameters->string());
    origin.parameters = parameters_hash(learned);
  }
  ScanRun<float> run(chain, input.header, workers, std::move(parameters));
  const auto output = open_output(options.output, chain, input.header, origin, options.dicom);
  run.output = [&](const Stage<float>&, const Message<float>& message) { output->write(message); };

  const auto started = std::chrono::steady_clock::now();
  Progress progress(std::cerr, "views", input.header.geometry.views, common.quiet);
  run.forward([&] {
    auto view = input.next();
    output->observe(view);
    if (view.index() != 0 && !view_of(view).air) progress.at(view_of(view).index + 1);
    return view;
  });
  progress.finish();
  output->finish();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;

  if (common.quiet || options.output == "-") return;
  for (const auto& [stage, remark] : run.report())
    if (remark.count > 0) out << stage << ": " << remark.text << ": " << remark.count << " of " << remark.of << "\n";
  out << options.output << ": " << input.header.geometry.views << " views in "
      << number_text(std::round(took.count() * 100) / 100) << " s\n";
}

}  // namespace counterflow
