// What `counterflow view` draws, apart from files.
#pragma once
#include <vector>

#include "core/archive/image_file.h"
#include "pipelines/counterflow/panel.h"
#include "pipelines/counterflow/verbs.h"

namespace counterflow {

// Throws ConfigError for a channel, an energy or a slice that is not there.
std::vector<Tile> tiles_of(const std::vector<ImageSeries>& series, const ViewOptions& options);

}  // namespace counterflow
