// What photons and charges do inside a sensor, as tables for the Monte Carlo of detector_response.h.
#pragma once
#include <cstddef>
#include <vector>

#include "core/array.h"
#include "core/physics/detector_response.h"

namespace counterflow {

// K shell of an element of the sensor whose fluorescence travels further than charges do.
struct Fluorescence {
  double edge = 0;             // [keV]
  double probability = 0;      // K photons per photoelectric absorption in this element above its edge: (1 - 1/J) omega_K
  double alpha = 0, beta = 0;  // lines [keV]
  double alpha_share = 0;
};

class SensorModel {
 public:
  SensorModel(const Sensor& sensor, double max_energy);

  const Sensor& sensor() const { return sensor_; }
  std::size_t elements() const { return fluorescence_.size(); }
  const Fluorescence& fluorescence(std::size_t element) const { return fluorescence_[element]; }
  bool edge_on() const { return edge_on_; }

  // Linear attenuation [1/mm]; coherent scatter deposits nothing and is left out.
  double photo(double energy, std::size_t element) const { return at(energy, element); }
  double compton(double energy) const { return at(energy, elements()); }
  double total(double energy) const;

  // Rms width of the charge cloud of a deposit [mm]: 2 (kT/q) d z / V of diffusion over the drift z, and the electron's range.
  double cloud(double deposit, double drift) const;
  // Variance of what is recorded of a deposit [keV^2]: electronic noise and the Fano factor's share.
  double variance(double deposit) const { return sensor_.noise * sensor_.noise + fano_ * pair_energy_ * deposit; }

 private:
  double at(double energy, std::size_t column) const;

  Sensor sensor_;
  bool edge_on_ = false;
  double density_ = 0, pair_energy_ = 0, fano_ = 0.1;  // [g/cm^3], [keV]
  std::vector<Fluorescence> fluorescence_;
  Array<double, 2> table_;  // [element.., Compton; energy] at multiples of kStep
};

}  // namespace counterflow
