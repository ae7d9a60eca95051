// What one photon does in a sensor: the charges that pixels collect (docs/physics.md). Smooth in the incident energy with few
// photons, because photon n has the same random numbers at every energy and its first interaction is not drawn but split into
// weighted branches.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/physics/sensor_model.h"

namespace counterflow {

struct PixelCharge {
  long column, row;  // from the pixel that the photon met
  double energy;     // [keV] without noise
};

// Called with the charges of each branch and its weight.
using TakeCharges = std::function<void(std::span<const PixelCharge> charges, double weight)>;

// Photon number n of `energy` keV that meets the pixel at `point`: across columns, across rows and in depth (as a quantile of
// what the sensor absorbs), each in (0, 1). The weights of its branches sum to the share that is absorbed, in the mean over
// photons.
void follow_photon(const SensorModel& model, double energy, const std::array<double, 3>& point, std::uint64_t seed, std::size_t n,
                   const TakeCharges& take);

// Points that fill the unit cube evenly (additive recurrence; Roberts, 2018), shifted by the seed.
std::vector<std::array<double, 3>> even_points(std::size_t count, std::uint64_t seed);

// Normal distribution function; 1e-9 and less is 0.
double normal_below(double t);

}  // namespace counterflow
