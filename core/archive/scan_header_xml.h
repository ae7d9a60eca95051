// The header of a scan as ISMRMRD XML (docs/format.md, "Header"), in files and on the wire.
#pragma once
#include <string>
#include <vector>

#include "core/message/scan_header.h"

namespace counterflow {

// Valid against ismrmrd.xsd. Numbers are printed so that they parse back to the same bits. `truth_materials` names the materials
// of /dataset/truth_materials; empty = no truth. Throws ArchiveError for what the format cannot hold.
std::string header_to_xml(const ScanHeader& header, const std::vector<std::string>& truth_materials = {});

struct HeaderWithTruth {
  ScanHeader header;  // without the contents of named files
  std::vector<std::string> truth_materials;
};

// Throws ArchiveError "WHERE: ..." naming the first parameter that is missing or makes no sense.
HeaderWithTruth header_from_xml(const std::string& xml, const std::string& where);

// Of a scan whose views are path lengths, so many a ray, made of those of `counts`.
ScanHeader header_of_paths(ScanHeader counts, std::size_t channels);

}  // namespace counterflow
