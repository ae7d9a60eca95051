// Which learned parameters a scan runs with: looked up anew at each scan's start, so that what training writes is used without a
// restart.
#pragma once
#include <filesystem>
#include <string>

#include "core/message/scan_header.h"
#include "core/training/learning.h"

namespace counterflow {

struct ParametersInUse {
  ChainParameters values;
  std::string hash = "initial";  // as images carry it
  std::filesystem::path file;    // empty: the gadgets' initial ones
};

// `source` is a file, a folder whose newest file with parameters of this chain's gadgets is taken (initial ones where there is
// none), or empty. Throws ConfigError or ArchiveError for a file that does not fit the chain or is damaged.
ParametersInUse parameters_in_use(const std::filesystem::path& source, const Chain<float>& chain, const ScanHeader& scan);

}  // namespace counterflow
