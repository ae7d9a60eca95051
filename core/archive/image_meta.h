// Meta attributes of ISMRMRD images: <ismrmrdMeta> with a <meta> of one name and some values each.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "core/archive/image_file.h"

namespace counterflow {

constexpr int kNoiseSeries = 1, kMonoenergeticSeries = 1000, kMonoenergeticNoiseSeries = 2000;

using MetaValues = std::map<std::string, std::vector<std::string>>;
std::string meta_to_xml(const MetaValues& values);
// Throws ArchiveError "WHERE: ..." for what is no such XML; an empty text has no values.
MetaValues meta_from_xml(const std::string& xml, const std::string& where);

// What an image says of itself: materials (of densities) or channels, quantity, unit, parameters, chain, the grid.
MetaValues image_meta(const Channels& channels, const ImageGrid& grid, const ImageOrigin& origin);

}  // namespace counterflow
