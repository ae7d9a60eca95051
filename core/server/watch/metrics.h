// The figures of a status folder in Prometheus' text format (version 0.0.4).
#pragma once
#include <string>

#include "core/server/watch/watch.h"

namespace counterflow {

std::string metrics(const WatchSettings& settings);

}  // namespace counterflow
