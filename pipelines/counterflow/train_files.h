// Pictures and tables beside a file of learned parameters.
#pragma once
#include <filesystem>
#include <vector>

#include "core/archive/learned_parameters.h"
#include "core/training/observability.h"

namespace counterflow {

// FILE.loss.png (the losses step by step) and FILE.GADGET.PARAMETER.png (the values, one curve an index of the first axes).
std::vector<std::filesystem::path> write_training_pictures(const std::filesystem::path& file, const LearnedParameters& learned);

// Modes with their eigenvalues and predicted standard deviations, CSV, and a plot of both: FILE.modes.csv, FILE.modes.png.
std::vector<std::filesystem::path> write_modes(const std::filesystem::path& file, const std::vector<Mode>& modes,
                                               const ParameterSpace& space);

}  // namespace counterflow
