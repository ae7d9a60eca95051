#include <fmt/format.h>

#include <chrono>
#include <iostream>
#include <optional>

#include "core/archive/archive.h"
#include "core/archive/image_file.h"
#include "core/chain/plan.h"
#include "core/physics/detector_response.h"
#include "core/training/learning.h"
#include "core/training/objective.h"
#include "core/training/observability.h"
#include "pipelines/counterflow/progress.h"
#include "pipelines/counterflow/ranks.h"
#include "pipelines/counterflow/train_files.h"
#include "pipelines/counterflow/verbs.h"

namespace counterflow {
namespace {

constexpr double kSeen = 0.1;  // predicted sd, in scales, below which a combination of parameters counts as seen
constexpr std::size_t kDraws = 16;
constexpr std::uint64_t kSeed = 2602;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Nothing but the header is read of a scan that another process has the units of.
TrainingScan<float> open_scan(const std::string& name, const CommonOptions& common, Workers& workers) {
  const auto archive = std::make_shared<ArchiveReader>(name, common.data);
  const auto views = [archive] {
    archive->rewind();
    return Source<float>([archive] { return archive->next<float>(); });
  };
  const auto read = [archive, &common, &workers](ScanHeader& header) {
    archive->check_all();
    header = archive->header_with_truth();
    if (!header.system.detector.empty()) workers.arena().execute([&] { prepare_response(header.system, common.cache); });
  };
  return {name, archive->header(), views, read};
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

Chain<float> trained_chain(const TrainOptions& options, const CommonOptions& common) {
  auto chain = load_chain<float>(options.chain, PluginFolders(common.plugins));
  if (chain.first_trained() == chain.stages.size())
    throw ConfigError(options.chain.string() +
                      ": nothing is trained; name a <parameter gadget=\"...\"/> in <training> (docs/training.md)");
  return chain;
}

// What each process of a training has.
class Training {
 public:
  Training(const TrainOptions& options, const CommonOptions& common, Team& team)
      : options_(options),
        common_(common),
        team_(team),
        chain_(trained_chain(options, common)),
        method_(make_optimiser(chain_.optimiser)),
        workers_(common.threads > 0 ? common.threads : team.threads()) {
    std::vector<TrainingScan<float>> scans;
    for (const auto& name : options.scans) scans.push_back(open_scan(name, common, workers_));
    const ScanHeader header = scans.front().header;
    const auto& begin = options.parameters;
    space_.emplace(
        chain_, header,
        begin ? with_learned(chain_, header, read_parameters(*begin), begin->string()) : initial_parameters(chain_, header));
    const ObjectiveSettings settings{static_cast<std::size_t>(options.memory * (1 << 30)),
                                     static_cast<std::size_t>(chain_.rows_per_block)};
    objective_.emplace(chain_, std::move(scans), *space_, workers_, settings, team, images_of);
  }

  // With the other processes; the first one writes.
  void run(std::ostream& out) {
    objective_->lead([&] {
      if (!common_.quiet) tell(out);
      if (options_.observability) look(out);
      else search(out);
    });
  }

 private:
  void tell(std::ostream& out) const;
  void look(std::ostream& out);
  void search(std::ostream& out);

  const TrainOptions& options_;
  const CommonOptions& common_;
  Team& team_;
  Chain<float> chain_;
  std::unique_ptr<Optimiser> method_;
  Workers workers_;
  std::optional<ParameterSpace> space_;
  std::optional<Objective<float>> objective_;
};

void Training::tell(std::ostream& out) const {
  for (const TrainedBlock& b : space_->blocks()) out << block_text(b) << "\n";
  const std::size_t n = team_.size(), units = objective_->units();
  if (n > 1)
    out << fmt::format("{} processes share {} units (scans, or blocks of their rows), {} threads each{}\n", n, units,
                       workers_.threads(),
                       n > units ? fmt::format("; {} have nothing to do (rows_per_block makes more units)", n - units) : "");
  out << (objective_->tape() == Tape::keep ? "messages are kept between forward and backward: "
                                           : "messages are computed again on the way back; to keep them would take ")
      << bytes_text(objective_->tape_bytes()) << std::endl;
}

void Training::look(std::ostream& out) {
  Progress progress(std::cerr, "products", space_->size(), common_.quiet);
  const auto modes = observability(*objective_, *space_, std::vector<double>(space_->size(), 0.0), kDraws, kSeed,
                                   [&](std::size_t done) { progress.at(done); });
  progress.finish();
  show_modes(modes, out);
  if (options_.output.empty()) return;
  for (const auto& file : write_modes(options_.output, modes, *space_)) out << file.string() << "\n";
}

void Training::search(std::ostream& out) {
  const Checkpoints checkpoints(options_.output);
  std::vector<std::string> names;
  for (const auto& scan : options_.scans) names.push_back(std::filesystem::path(scan).filename().string());
  const double started = now();
  const LearnedParameters learned =
      learn(*objective_, *space_, *method_, {print_chain(chain_), names, objective_->loss_names(), &checkpoints, options_.resume},
            [&](const Step& step) {
              if (!common_.quiet) std::cerr << step_text(step, objective_->loss_names(), now() - started) << std::endl;
            });
  write_parameters(options_.output, learned);
  const auto files = write_training_pictures(options_.output, learned);
  checkpoints.remove();
  if (common_.quiet) return;
  out << options_.output.string() << ": parameters " << parameters_hash(learned).substr(0, 12) << ", "
      << fmt::format("{:.1f} s", now() - started) << "\n";
  for (const auto& file : files) out << file.string() << "\n";
}

}  // namespace

void train(const TrainOptions& options, const CommonOptions& common, std::ostream& out) {
  const auto team = make_team();
  team->work([&] {
    std::optional<Training> training;
    team->together([&] { training.emplace(options, common, *team); });
    training->run(out);
  });
}

}  // namespace counterflow
