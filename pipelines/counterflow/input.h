// A scan given on the command line: an archive, or a stream on standard input.
#pragma once
#include <string>

#include "core/engine/scan_run.h"
#include "core/message/scan_header.h"
#include "pipelines/counterflow/verbs.h"

namespace counterflow {

struct Input {
  ScanHeader header;
  Source<float> next;
};

// `check`: every view of an archive is read once before the first is given.
Input open_input(const std::string& name, const CommonOptions& common, bool check);

}  // namespace counterflow
