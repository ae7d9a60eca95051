// An image as ISMRMRD images, one a slice and series, as they go into files and onto pipes (docs/format.md, "Images out").
#pragma once
#include <ismrmrd/ismrmrd.h>

#include <functional>
#include <memory>
#include <string>

#include "core/archive/image_file.h"

namespace counterflow {

struct ImageSlice {
  int series = 0;
  std::size_t slice = 0;     // z index in the volume
  const Channels& channels;  // of this series
  std::shared_ptr<const ISMRMRD::Image<float>> image;
};

// What becomes of live pictures: files do not keep them; on the wire they go in a series of their own, without noise.
enum class Previews { skipped, kept };
constexpr int kPreviewSeries = 65535;

// Calls `take` for each slice of each series that the image belongs to: materials or attenuation, their noise, one series an
// energy. Throws ArchiveError "WHERE: ..." for what ISMRMRD cannot hold.
void for_each_slice(const Image<float>& image, const ImageOrigin& origin, const std::string& where,
                    const std::function<void(const ImageSlice&)>& take, Previews previews = Previews::skipped);

}  // namespace counterflow
