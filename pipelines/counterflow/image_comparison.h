// Images of the same scan by two chains, or with two sets of learned parameters: the same noise, so what differs is the method.
#pragma once
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "core/archive/image_file.h"
#include "core/message/truth.h"

namespace counterflow {

// Of one channel, in its display unit, over the pixels of all slices that show the object.
struct ImageDifference {
  std::string quantity, unit;
  double mean = 0, root_mean_square = 0;
  // Root mean square over all rings (one pixel wide, about the axis of rotation) of the difference's mean on the ring: what a
  // detector that is described wrongly leaves, and noise does not.
  double rings = 0;
};

// All channels that both files have, but noise; where both have material images only, also 70 keV made of them. Pixels show the
// object where the truth's densities sum to more than half of their maximum, everywhere without a truth on this grid. Throws
// DataError where the images differ in their grids, or share no channel.
std::vector<ImageDifference> compare_images(const std::vector<ImageSeries>& images, const std::vector<ImageSeries>& others,
                                            const std::optional<Truth>& truth);

void print_differences(const std::vector<ImageDifference>& all, std::ostream& out);

}  // namespace counterflow
