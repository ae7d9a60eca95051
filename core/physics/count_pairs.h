// Charge sharing, K fluorescence and Compton scatter let two neighbouring pixels count one photon: how often, for each pair of
// bins. That is all of their correlation: a photon counts at most once in a pixel, so that the bins of a pixel are independent.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "core/array.h"
#include "core/physics/spectral_system.h"

namespace counterflow {

// From a pixel to the neighbours that do not stand before it: [direction]{row, column}.
inline constexpr std::array<std::array<int, 2>, 4> kPairDirections = {{{0, 1}, {1, -1}, {1, 0}, {1, 1}}};

struct CountPairs {
  double first = 0, step = 1;  // [keV] incident energies: first + k step
  Array<double, 4>
      probability;  // [incident, direction, bin here, bin there] per photon that meets a pixel, summed over where it did
  double at(double energy, std::size_t direction, std::size_t here, std::size_t there) const;  // linear between; 0 below first
};

struct Sensor;

// By the Monte Carlo of detector_response.h. `thresholds` [keV]: lower edges of the `bins`, and an upper end if one more.
// cov(x_b(p), x_c(q)) of neighbours p, q under N(E) photons each is sum_E N(E) probability: triples and more enter as their
// pairs.
CountPairs simulate_pairs(const Sensor& sensor, const std::vector<double>& thresholds, std::size_t bins, double max_energy,
                          std::size_t photons, std::uint64_t seed);

// [(direction bins + bin here) bins + bin there, cell]: the pairs that the source's photons in cells of `step` keV around
// `energies` make, on the scale of CountsModel's weights. Throws ConfigError for detectors that are not simulated sensors.
Array<double, 2> pair_spectra(const SpectralSystem& system, const std::vector<double>& energies, double step,
                              std::size_t photons = 4000, std::uint64_t seed = 1);

}  // namespace counterflow
