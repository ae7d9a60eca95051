#include <fmt/format.h>

#include <chrono>
#include <iostream>

#include "core/archive/archive.h"
#include "core/archive/image_file.h"
#include "core/chain/plan.h"
#include "core/physics/detector_response.h"
#include "core/training/learning.h"
#include "core/training/objective.h"
#include "core/training/observability.h"
#include "pipelines/counterflow/progress.h"
#include "pipelines/counterflow/train_files.h"
#include "pipelines/counterflow/verbs.h"

namespace counterflow {
namespace {

constexpr double kSeen = 0.1;  // predicted sd, in scales, below which a combination of parameters counts as seen
constexpr std::size_t kDraws = 16;
constexpr std::uint64_t kSeed = 2602;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

TrainingScan<float> open_scan(const std::string& name, const CommonOptions& common, Workers& workers) {
  const auto archive = std::make_shared<ArchiveReader>(name, common.data);
  archive->check_all();
  TrainingScan<float> scan{name, archive->header(), [archive] {
                             archive->rewind();
                             return Source<float>([archive] { return archive->next<float>(); });
                           }};
  if (auto truth = archive->truth()) scan.header.truth = std::make_shared<const Truth>(std::move(*truth));
  if (!scan.header.system.detector.empty()) workers.arena().execute([&] { prepare_response(scan.header.system, common.cache); });
  return scan;
}

// Slices of a file's images as a loss sees them.
std::vector<Message<float>> images_of(const std::string& file) {
  std::vector<Message<float>> out;
  for (const ImageSeries& series : read_images(file)) {
    const auto channels = std::make_shared<const Channels>(series.channels);
    auto image = std::make_shared<Image<float>>();
    image->value = series.value;
    image->grid = series.grid;
    image->channels = channels;
    out.push_back(Sent<Image<float>>(std::move(image)));
  }
  return out;
}

std::string step_text(const Step& step, const std::vector<std::string>& losses, double seconds) {
  std::string text = fmt::format("step {}: loss {:.6g}", step.number, step.at.loss);
  for (std::size_t k = 0; k < losses.size() && losses.size() > 1; ++k)
    text += fmt::format(", {} {:.4g}", losses[k], step.at.losses[k]);
  text += fmt::format(", gradient {:.2g}, {} evaluations, {:.1f} s", step.gradient_norm, step.evaluations, seconds);
  return step.remark.empty() ? text : text + "; " + step.remark;
}

void show_modes(const std::vector<Mode>& modes, std::ostream& out) {
  const auto seen = std::count_if(modes.begin(), modes.end(), [](const Mode& m) { return m.sd < kSeen; });
  out << fmt::format("{} of {} combinations of the parameters have a predicted sd below {} of their scale\n", seen, modes.size(),
                     kSeen);
  for (std::size_t k = 0; k < modes.size(); k += std::max<std::size_t>(1, modes.size() / 16))
    out << fmt::format("mode {:4}: eigenvalue {:.3g}, sd {:.3g}\n", k, modes[k].eigenvalue, modes[k].sd);
}

}  // namespace

void train(const TrainOptions& options, const CommonOptions& common, std::ostream& out) {
  const auto chain = load_chain<float>(options.chain, PluginFolders(common.plugins));
  if (chain.first_trained() == chain.stages.size())
    throw ConfigError(options.chain.string() +
                      ": nothing is trained; name a <parameter gadget=\"...\"/> in <training> (docs/training.md)");
  const auto method = make_optimiser(chain.optimiser);
  Workers workers(common.threads);
  std::vector<TrainingScan<float>> scans;
  for (const auto& name : options.scans) scans.push_back(open_scan(name, common, workers));
  const ScanHeader header = scans.front().header;
  const ParameterSpace space(chain, header,
                             options.parameters
                                 ? with_learned(chain, header, read_parameters(*options.parameters), options.parameters->string())
                                 : initial_parameters(chain, header));
  Team team;
  const ObjectiveSettings settings{static_cast<std::size_t>(options.memory * (1 << 30)),
                                   static_cast<std::size_t>(chain.rows_per_block)};
  Objective<float> objective(chain, std::move(scans), space, workers, settings, team, images_of);
  if (!common.quiet) {
    for (const TrainedBlock& b : space.blocks()) out << block_text(b) << "\n";
    out << (objective.tape() == Tape::keep ? "messages are kept between forward and backward: "
                                           : "messages are computed again on the way back; to keep them would take ")
        << bytes_text(objective.tape_bytes()) << std::endl;
  }
  if (options.observability) {
    Progress progress(std::cerr, "products", space.size(), common.quiet);
    const auto modes = observability(objective, space, std::vector<double>(space.size(), 0.0), kDraws, kSeed,
                                     [&](std::size_t done) { progress.at(done); });
    progress.finish();
    show_modes(modes, out);
    if (!options.output.empty())
      for (const auto& file : write_modes(options.output, modes, space)) out << file.string() << "\n";
    return;
  }
  const Checkpoints checkpoints(options.output);
  std::vector<std::string> names;
  for (const auto& scan : options.scans) names.push_back(std::filesystem::path(scan).filename().string());
  const double started = now();
  const LearnedParameters learned =
      learn(objective, space, *method, {print_chain(chain), names, objective.loss_names(), &checkpoints, options.resume},
            [&](const Step& step) {
              if (!common.quiet) std::cerr << step_text(step, objective.loss_names(), now() - started) << std::endl;
            });
  write_parameters(options.output, learned);
  const auto files = write_training_pictures(options.output, learned);
  checkpoints.remove();
  if (common.quiet) return;
  out << options.output.string() << ": parameters " << parameters_hash(learned).substr(0, 12) << ", "
      << fmt::format("{:.1f} s", now() - started) << "\n";
  for (const auto& file : files) out << file.string() << "\n";
}

}  // namespace counterflow
