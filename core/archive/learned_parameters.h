// The file that training writes and `run` and `train` read: one HDF5 dataset /<gadget>/<parameter> of doubles a trained block,
// with attributes unit, axes and classname; /training with the chain, the archives, the losses step by step, and, in a
// checkpoint, the state of the search (docs/training.md).
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace counterflow {

struct LearnedBlock {
  std::string gadget, classname, name, unit;
  std::vector<std::string> axes;
  std::vector<std::size_t> shape;
  std::vector<double> values;  // row-major
  bool operator==(const LearnedBlock&) const = default;
};

struct LearnedParameters {
  std::vector<LearnedBlock> blocks;
  std::string chain;                  // that was trained, as print_chain() writes it
  std::vector<std::string> archives;  // names of the scans learned from
  std::vector<std::string> columns;   // of the history: "step", "loss", ...
  std::vector<double> history;        // [step, column]
  std::vector<double> search;         // of an optimiser that is to go on; empty in a finished file
  bool operator==(const LearnedParameters&) const = default;
};

// SHA-256 of the blocks (names, units, shapes and bits of the values), in hexadecimal: what images carry.
std::string parameters_hash(const LearnedParameters& parameters);

// Appears whole under its name or not at all.
void write_parameters(const std::filesystem::path& file, const LearnedParameters& parameters);
// Whether a file is one. Throws ArchiveError for what is no HDF5 file.
bool holds_parameters(const std::filesystem::path& file);
// Throws ArchiveError for what is no such file, or damaged.
LearnedParameters read_parameters(const std::filesystem::path& file);

}  // namespace counterflow
