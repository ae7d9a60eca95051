// What is known of a scan's object, under /dataset: truth_materials (an NDArray), truth_regions (CSV).
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "core/archive/hdf5_file.h"
#include "core/archive/heap_reader.h"
#include "core/message/scan_header.h"

namespace counterflow {

std::string regions_to_csv(const std::vector<Region>& regions);
// Throws ArchiveError "WHERE: line N: ...".
std::vector<Region> regions_from_csv(const std::string& csv, const std::string& where);

void write_truth(const hdf5::Handle& file, const Truth& truth, const ScanHeader& header);
// Empty where the file has neither of the two.
std::optional<Truth> read_truth(const hdf5::Handle& file, const HeapReader& heap, const ScanHeader& header,
                                const std::vector<std::string>& materials, const std::string& where);

}  // namespace counterflow
