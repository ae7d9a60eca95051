// A search with what a person and the disk see of it: steps as they come, checkpoints, the file of learned parameters.
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/archive/learned_parameters.h"
#include "core/training/optimiser.h"
#include "core/training/parameter_space.h"

namespace counterflow {

// The last three states of a search, in the folder FILE.checkpoints: each written whole before the oldest goes, so that a
// training that is killed loses at most the step it was in.
class Checkpoints {
 public:
  explicit Checkpoints(std::filesystem::path parameters_file);
  void write(std::size_t step, const LearnedParameters& state) const;
  // The newest that can be read; empty where there is none.
  std::optional<LearnedParameters> newest() const;
  void remove() const;  // the newest last: it is there as long as any is
  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::vector<std::filesystem::path> files() const;  // the newest first
  std::filesystem::path folder_;
};

struct LearningSettings {
  std::string chain;                         // as print_chain() writes it
  std::vector<std::string> archives;         // names
  std::vector<std::string> loss_names;       // of LossEvaluation::losses
  const Checkpoints* checkpoints = nullptr;  // none: nothing is written on the way
  bool resume = false;                       // from the newest checkpoint, to the same bits
};

// Runs the search from u = 0 and returns what was learned, with the history. `on_step` sees new steps, not those of a resumed
// search's past. Throws ArchiveError where a checkpoint is of another chain or of other archives.
LearnedParameters learn(Problem& problem, const ParameterSpace& space, Optimiser& optimiser, const LearningSettings& settings,
                        const std::function<void(const Step&)>& on_step);

// The chain's initial parameters with what was learned in their place. Throws ConfigError for a block that the chain has not, or
// has in another shape or unit.
template <class Real>
ChainParameters with_learned(const Chain<Real>& chain, const ScanHeader& scan, const LearnedParameters& learned,
                             const std::string& file);
template <class Real>
ChainParameters initial_parameters(const Chain<Real>& chain, const ScanHeader& scan);

}  // namespace counterflow
