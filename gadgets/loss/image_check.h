// What losses of images ask of every image and of their property sigma.
#pragma once
#include <string>
#include <vector>

#include "core/error.h"
#include "core/message/message.h"

namespace counterflow::losses {

// Throws DataError for an image that is not of its channels and grid.
template <class Real>
void check_described(const Image<Real>& x, const std::string& loss) {
  if (!x.channels || x.channels->names.size() != x.value.extent(0) || x.value.extent(2) != x.grid.ny ||
      x.value.extent(3) != x.grid.nx)
    throw DataError(loss + ": an image does not say what its channels and voxels are");
}

// [channel] of one number or of one for each of n channels.
inline std::vector<double> sigma_of_channels(const std::vector<double>& sigma, std::size_t n, const std::string& loss) {
  if (sigma.size() == 1) return std::vector<double>(n, sigma[0]);
  if (sigma.size() != n)
    throw ConfigError(loss + ": expected one sigma or one for each of " + std::to_string(n) + " channels, got " +
                      std::to_string(sigma.size()));
  return sigma;
}

}  // namespace counterflow::losses
