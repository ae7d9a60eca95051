// What a reconstruction asks of path lengths, and what it says of its images.
#pragma once
#include <array>
#include <memory>
#include <string>

#include "core/message/message.h"

namespace counterflow::fbp {

// "[2,16,888]"
template <std::size_t N>
std::string shape_text(const std::array<std::size_t, N>& shape) {
  std::string text;
  for (std::size_t extent : shape) text += (text.empty() ? "[" : ",") + std::to_string(extent);
  return text + "]";
}

// "view 7: "
std::string at_view(const View& view);

// Density [g/cm^3] for areal densities, attenuation [1/cm] for line integrals. Throws DataError where the rows do not say.
std::shared_ptr<const Channels> image_channels(const View& view, const std::shared_ptr<const Channels>& of_rows);

// Throws DataError unless x has `channels` > 0 channels of the detector's shape, all finite.
template <class Real>
void check_path_lengths(const ScanGeometry& geometry, std::size_t channels, const PathLengths<Real>& x);

extern template void check_path_lengths(const ScanGeometry&, std::size_t, const PathLengths<float>&);
extern template void check_path_lengths(const ScanGeometry&, std::size_t, const PathLengths<double>&);

}  // namespace counterflow::fbp
