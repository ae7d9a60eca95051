// Meta attributes of ISMRMRD images: <ismrmrdMeta> with a <meta> of one name and some values each.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "core/archive/image_file.h"

namespace counterflow {

// Series of images (docs/format.md): materials and attenuation have 0, a monoenergetic image 1000 + its keV. The noise of a
// series has a series of its own.
constexpr int kMonoenergeticSeries = 1000;
constexpr int noise_series(int series) { return series < kMonoenergeticSeries ? series + 1 : series + 1000; }

using MetaValues = std::map<std::string, std::vector<std::string>>;
std::string meta_to_xml(const MetaValues& values);
// Throws ArchiveError "WHERE: ..." for what is no such XML; an empty text has no values.
MetaValues meta_from_xml(const std::string& xml, const std::string& where);

// What an image says of itself: materials (of densities) or channels, quantity, unit, parameters, chain, the grid.
MetaValues image_meta(const Channels& channels, const ImageGrid& grid, const ImageOrigin& origin);

}  // namespace counterflow
