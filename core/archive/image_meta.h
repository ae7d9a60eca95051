// Meta attributes of ISMRMRD images: <ismrmrdMeta> with a <meta> of one name and some values each.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/archive/image_file.h"

namespace counterflow {

// Series of images (docs/format.md): of materials, attenuation and whatever has none of its own 0; of maps, some ten; of images
// at an energy, "70 keV ...", a thousand and the keV. Their noise has a series of its own.
constexpr int kMonoenergeticSeries = 1000;
constexpr int noise_series(int series) { return series < kMonoenergeticSeries ? series + 1 : series + 1000; }
struct QuantitySeries {
  const char* quantity;
  int series;
};
constexpr QuantitySeries kQuantitySeries[] = {{"concentration", 10},
                                              {"electron_density", 20},
                                              {"effective_z", 30},
                                              {"energy_of_least_noise", 40},
                                              {"monoenergetic", kMonoenergeticSeries},
                                              {"virtual_non_contrast", 3000}};
constexpr int series_of(std::string_view quantity) {
  for (const auto& [name, series] : kQuantitySeries)
    if (quantity == name) return series;
  return 0;
}
// The energy of a channel named "70 keV" or "70 keV without iodine"; empty for other names.
std::optional<double> kev_of(const std::string& channel);

using MetaValues = std::map<std::string, std::vector<std::string>>;
std::string meta_to_xml(const MetaValues& values);
// Throws ArchiveError "WHERE: ..." for what is no such XML; an empty text has no values.
MetaValues meta_from_xml(const std::string& xml, const std::string& where);

// What an image says of itself: materials (of densities) or channels, quantity, unit, parameters, chain, the grid.
MetaValues image_meta(const Channels& channels, const ImageGrid& grid, const ImageOrigin& origin);

}  // namespace counterflow
