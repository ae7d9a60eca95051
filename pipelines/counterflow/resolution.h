// Modulation transfer function of an image, from a wire or from the round edge of an insert (docs/evaluation.md).
#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "core/array.h"
#include "core/geometry/scan_geometry.h"

namespace counterflow {

struct Circle {
  double x = 0, y = 0, radius = 0;  // [mm]
  bool operator==(const Circle&) const = default;
};

struct Resolution {
  std::vector<double> frequency;  // [1/mm], from 0 to the image's Nyquist frequency
  std::vector<double> transfer;   // 1 at 0
  double contrast = 0;            // of the edge; the height of the wire
  double noise = 0;               // standard deviation of what is averaged, beside the edge or the wire
};

// Where the transfer falls below a level first [1/mm], linearly between its points; nothing where it does not.
std::optional<double> frequency_at(const Resolution& resolution, double level);

// Mean over the slices of one channel [y,x].
std::vector<double> mean_slice(const Array<float, 4>& value, std::size_t channel);

// Of a wire thin against the image's blur: the Fourier transform of the pixels about it, less the ring around them, summed at any
// frequency (no binning, the wire may lie anywhere between pixels), its modulus averaged over 36 directions and divided by the
// transform of the wire's own disk, 2 J1(pi f d) / (pi f d). Frequencies end where that falls below 0.1.
// Throws DataError where the wire and its surroundings (20 pixels) are not within the image, or nothing stands out there.
Resolution wire_resolution(std::span<const double> image, const ImageGrid& grid, const Circle& wire);

// Of a round edge: the values by their distance from the circle are the edge spread function, oversampled eightfold; its
// differences, windowed, are the line spread function; its Fourier transform, divided by that of bins and differences, is the
// task transfer function of AAPM TG-233 (Samei et al. 2019; Richard et al. 2012). Pixels of `others` are left out, and a margin
// of 3 pixels about them. Throws DataError where the circle is smaller than 4 pixels, or too little of it is within the image.
Resolution edge_resolution(std::span<const double> image, const ImageGrid& grid, const Circle& edge,
                           std::span<const Circle> others = {});

}  // namespace counterflow
