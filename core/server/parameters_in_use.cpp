#include "core/server/parameters_in_use.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace counterflow {
namespace {

namespace fs = std::filesystem;

// The newest first; of one age by name, so that the order is always the same.
std::vector<fs::path> candidates(const fs::path& folder) {
  std::vector<std::pair<fs::file_time_type, fs::path>> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    std::error_code gone;
    const auto time = entry.last_write_time(gone);
    const std::string name = entry.path().filename().string();
    if (!gone && entry.is_regular_file(gone) && entry.path().extension() == ".h5" && name.front() != '.')
      files.emplace_back(time, entry.path());
  }
  std::ranges::sort(files, std::greater());
  std::vector<fs::path> paths;
  for (auto& [time, path] : files) paths.push_back(std::move(path));
  return paths;
}

bool is_of(const LearnedParameters& learned, const Chain<float>& chain) {
  return std::ranges::all_of(learned.blocks, [&](const LearnedBlock& block) {
    return std::ranges::any_of(
        chain.stages, [&](const auto& stage) { return stage->name == block.gadget && stage->classname == block.classname; });
  });
}

}  // namespace

ParametersInUse parameters_in_use(const fs::path& source, const Chain<float>& chain, const ScanHeader& scan) {
  if (source.empty()) return {};
  const auto use = [&](const LearnedParameters& learned, const fs::path& file) {
    return ParametersInUse{with_learned(chain, scan, learned, file.string()), parameters_hash(learned), file};
  };
  if (!fs::is_directory(source)) return use(read_parameters(source), source);
  for (const auto& file : candidates(source))
    if (holds_parameters(file))
      if (const LearnedParameters learned = read_parameters(file); is_of(learned, chain)) return use(learned, file);
  return {};
}

}  // namespace counterflow
