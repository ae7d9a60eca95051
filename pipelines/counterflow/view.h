// What `counterflow view` draws, apart from files.
#pragma once
#include <vector>

#include "core/archive/image_file.h"
#include "pipelines/counterflow/panel.h"
#include "pipelines/counterflow/plot.h"
#include "pipelines/counterflow/verbs.h"

namespace counterflow {

// Throws ConfigError for a channel, an energy or a slice that is not there.
std::vector<Tile> tiles_of(const std::vector<ImageSeries>& series, const ViewOptions& options);

// Values along x through the voxels nearest to y [mm, from the image's middle], of all tiles in the unit of the first.
Plot profile_of(const std::vector<Tile>& tiles, double y);

}  // namespace counterflow
