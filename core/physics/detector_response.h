// R(U|E): counts recorded at energy U per photon of energy E that meets the pixel; charge sharing and K escape can make it sum
// to more than 1.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/array.h"
#include "core/physics/spectral_system.h"

namespace counterflow {

class DetectorResponse {
 public:
  // density[incident, channel] [counts/keV] at channel centres `recorded`, incident energies `incident`, both equidistant [keV].
  DetectorResponse(std::vector<double> incident, std::vector<double> recorded, Array<double, 2> density);

  const std::vector<double>& incident() const { return incident_; }
  // Counts recorded above a threshold per photon of energy E that meets the pixel; smooth (C1) in the threshold.
  double above(double threshold, double energy) const;
  // R(threshold|E) = -d above / d threshold [1/keV], the exact derivative of what above() returns.
  double density(double threshold, double energy) const;

 private:
  std::vector<double> incident_, recorded_;
  Array<double, 2> density_, above_;
};

// A response file: comma-separated, '#' comments, a first line "E_keV," and recorded energies, then a line an incident energy.
DetectorResponse response_from_text(const std::string& text, const std::string& name);

// A sensor for the Monte Carlo.
struct Sensor {
  std::string material = "CdTe";    // CdTe, CZT, Si
  double thickness = 1.6;           // [mm]
  double pixel_columns = 0.5, pixel_rows = 0.5;  // [mm]
  double voltage = 1000;            // [V]
  double noise = 2;                 // electronic noise [keV rms]
  bool operator==(const Sensor&) const = default;
};

// Monte Carlo of absorption, K fluorescence, Compton, charge cloud and noise in 3x3 pixels (docs/physics.md); `photons` per
// incident energy; the same seed gives the same bits for any number of threads.
DetectorResponse simulate_response(const Sensor& sensor, double max_energy, std::size_t photons, std::uint64_t seed);

// Fills system.response: from the response file it names, else from the Monte Carlo, kept in `cache` (a file per set of
// parameters, written to a temporary and renamed; an empty path keeps nothing). Does nothing where bin_spectra are given.
void prepare_response(SpectralSystem& system, const std::filesystem::path& cache);

}  // namespace counterflow
