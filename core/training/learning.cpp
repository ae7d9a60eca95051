#include "core/training/learning.h"

#include <algorithm>
#include <iomanip>
#include <sstream>

namespace counterflow {
namespace {

constexpr std::size_t kKept = 3;

std::vector<LearnedBlock> blocks_at(const ParameterSpace& space, std::span<const double> u) {
  std::vector<LearnedBlock> out;
  for (const TrainedBlock& b : space.blocks())
    out.push_back({b.gadget, b.classname, b.name, b.doc.unit, b.doc.axes, b.doc.shape, space.values(b, u)});
  return out;
}

std::string shape_text(const std::vector<std::size_t>& shape) {
  std::string text;
  for (std::size_t extent : shape) text += (text.empty() ? "" : ",") + std::to_string(extent);
  return "[" + text + "]";
}

void check_same_training(const LearnedParameters& checkpoint, const LearningSettings& settings, const std::string& where) {
  if (checkpoint.chain != settings.chain)
    throw ArchiveError(where + ": the checkpoints are of another chain; train the chain they are of, or without --resume");
  if (checkpoint.archives != settings.archives)
    throw ArchiveError(where + ": the checkpoints are of other scans (" + joined(checkpoint.archives, ", ") +
                       "); give the same, or train without --resume");
}

}  // namespace

Checkpoints::Checkpoints(std::filesystem::path parameters_file) : folder_(std::move(parameters_file)) {
  folder_ += ".checkpoints";
}

std::vector<std::filesystem::path> Checkpoints::files() const {
  std::vector<std::filesystem::path> out;
  if (std::filesystem::is_directory(folder_))
    for (const auto& entry : std::filesystem::directory_iterator(folder_))
      if (entry.path().extension() == ".h5" && !entry.path().filename().string().starts_with(".")) out.push_back(entry.path());
  std::ranges::sort(out, std::greater<>());
  return out;
}

void Checkpoints::write(std::size_t step, const LearnedParameters& state) const {
  std::filesystem::create_directories(folder_);
  std::ostringstream name;
  name << "step-" << std::setw(8) << std::setfill('0') << step << ".h5";
  write_parameters(folder_ / name.str(), state);
  const auto all = files();
  for (std::size_t k = kKept; k < all.size(); ++k) std::filesystem::remove(all[k]);
}

std::optional<LearnedParameters> Checkpoints::newest() const {
  for (const auto& file : files()) try {
      return read_parameters(file);
    } catch (const ArchiveError&) {  // of a disk that lost it: the one before is there
    }
  return std::nullopt;
}

void Checkpoints::remove() const {
  const auto all = files();
  for (auto oldest = all.rbegin(); oldest != all.rend(); ++oldest) std::filesystem::remove(*oldest);
  std::filesystem::remove_all(folder_);
}

LearnedParameters learn(Problem& problem, const ParameterSpace& space, Optimiser& optimiser, const LearningSettings& settings,
                        const std::function<void(const Step&)>& on_step) {
  LearnedParameters learned;
  learned.chain = settings.chain;
  learned.archives = settings.archives;
  learned.columns = {"step", "evaluations", "loss", "prior", "gradient_norm", "step_length"};
  learned.columns.insert(learned.columns.end(), settings.loss_names.begin(), settings.loss_names.end());
  std::size_t past = 0;  // steps that a resumed search repeats
  if (settings.resume && settings.checkpoints)
    if (auto checkpoint = settings.checkpoints->newest()) {
      check_same_training(*checkpoint, settings, settings.checkpoints->folder().string());
      const std::size_t columns = checkpoint->columns.size();
      if (columns > 0 && checkpoint->history.size() >= columns)
        past = static_cast<std::size_t>(checkpoint->history[checkpoint->history.size() - columns]);
      learned.history = checkpoint->history;
      optimiser.resume(std::move(checkpoint->search));
    }
  const auto u = optimiser.minimise(problem, std::vector<double>(space.size(), 0.0), [&](const Step& step) {
    if (step.number <= past) return true;
    for (double v : {static_cast<double>(step.number), static_cast<double>(step.evaluations), step.at.loss, step.at.prior,
                     step.gradient_norm, step.length})
      learned.history.push_back(v);
    learned.history.insert(learned.history.end(), step.at.losses.begin(), step.at.losses.end());
    if (settings.checkpoints) {
      learned.blocks = blocks_at(space, step.u);
      learned.search = optimiser.state();
      settings.checkpoints->write(step.number, learned);
    }
    on_step(step);
    return true;
  });
  learned.blocks = blocks_at(space, u);
  learned.search.clear();
  return learned;
}

template <class Real>
ChainParameters initial_parameters(const Chain<Real>& chain, const ScanHeader& scan) {
  const auto headers = chain.headers(scan);
  ChainParameters out;
  for (std::size_t k = 0; k < chain.stages.size(); ++k) out.push_back(chain.stages[k]->initial(headers[k]));
  return out;
}

template <class Real>
ChainParameters with_learned(const Chain<Real>& chain, const ScanHeader& scan, const LearnedParameters& learned,
                             const std::string& file) {
  ChainParameters out = initial_parameters(chain, scan);
  const auto headers = chain.headers(scan);
  std::vector<std::string> names;
  for (const auto& stage : chain.stages) names.push_back(stage->name);
  for (const LearnedBlock& b : learned.blocks) {
    const auto found = std::ranges::find(names, b.gadget);
    if (found == names.end())
      throw ConfigError(file + ": holds parameters of the gadget '" + b.gadget + "', which " + chain.file + " has not" +
                        did_you_mean(b.gadget, names) +
                        "; name the gadget so in the chain, or take the parameters of this chain");
    const auto k = static_cast<std::size_t>(found - names.begin());
    const auto blocks = chain.stages[k]->blocks(headers[k]);
    const auto block = std::ranges::find(blocks, b.name, &ParameterBlock::name);
    if (block == blocks.end() || chain.stages[k]->classname != b.classname)
      throw ConfigError(file + ": holds '" + b.name + "' of '" + b.gadget + "', a " + b.classname + ", but in " + chain.file +
                        " that is a " + chain.stages[k]->classname + " without it");
    if (block->doc.shape != b.shape || block->doc.unit != b.unit || block->size != b.values.size())
      throw ConfigError(file + ": '" + b.name + "' of '" + b.gadget + "' has the shape " + shape_text(b.shape) + " " + b.unit +
                        ", but this chain on this scan takes " + shape_text(block->doc.shape) + " " + block->doc.unit +
                        "; it was trained for another detector or with other properties");
    std::ranges::copy(b.values, out[k].begin() + static_cast<std::ptrdiff_t>(block->offset));
  }
  return out;
}

template ChainParameters initial_parameters(const Chain<float>&, const ScanHeader&);
template ChainParameters initial_parameters(const Chain<double>&, const ScanHeader&);
template ChainParameters with_learned(const Chain<float>&, const ScanHeader&, const LearnedParameters&, const std::string&);
template ChainParameters with_learned(const Chain<double>&, const ScanHeader&, const LearnedParameters&, const std::string&);

}  // namespace counterflow
