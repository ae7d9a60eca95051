// What a reconstruction asks of path lengths, and what it says of its images.
#pragma once
#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

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

// Throws DataError unless x has the covariance of its channels.
template <class Real>
void check_covariance(const PathLengths<Real>& x);

// Throws DataError unless all views of the scan were seen.
void check_views(const ScanGeometry& geometry, std::size_t seen);

// Throws DataError unless the cotangent has the shape of slices of this grid.
template <class Real>
void check_cotangent(const Image<Real>& bar, std::size_t channels, const ImageGrid& grid);

// Variances that rounding has made negative become 0.
template <class Real>
void clip_variances(Array<Real, 4>& covariance, std::size_t channels);

// Slices of [channel,1,y,x] as [channel,z,y,x].
template <class Real>
Array<Real, 4> stacked(const std::vector<Array<Real, 4>>& slices);

}  // namespace counterflow::fbp
