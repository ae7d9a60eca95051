// The files that a scan's header names: tables of spectrum, detector, bowtie, effective spectra.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "core/physics/spectral_system.h"

namespace counterflow {

// "CdTe 1.6" (a material and its thickness [mm]) and "ideal" are sensors; anything else names a response file.
bool is_sensor(const std::string& detector);

// Names of all files that the system refers to; throws ArchiveError for a name that holds a path.
std::vector<std::string> named_files(const SpectralSystem& system, const std::string& where);

// Fills system.files: each file is looked for in `folders`, in order. Throws ArchiveError naming where it looked.
void read_named_files(SpectralSystem& system, const std::vector<std::filesystem::path>& folders, const std::string& where);

}  // namespace counterflow
