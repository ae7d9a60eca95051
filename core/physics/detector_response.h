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
  // Between them it is linear; one channel beyond the first and the last it is 0. Throws DataError for shapes that do not fit.
  DetectorResponse(std::vector<double> incident, std::vector<double> recorded, Array<double, 2> density);

  const std::vector<double>& incident() const { return incident_; }
  const std::vector<double>& recorded() const { return recorded_; }
  const Array<double, 2>& table() const { return density_; }  // as given
  // Counts recorded above a threshold per photon of energy E that meets the pixel; smooth (C1) in the threshold. 0 below the
  // first incident energy; throws DataError above the last.
  double above(double threshold, double energy) const;
  // R(threshold|E) = -d above / d threshold [1/keV], the exact derivative of what above() returns.
  double density(double threshold, double energy) const;

 private:
  std::size_t row_of(double energy, double& part) const;
  double node_density(std::size_t row, std::size_t node) const;
  double row_above(std::size_t row, double threshold) const;
  double row_density(std::size_t row, double threshold) const;

  std::vector<double> incident_, recorded_;
  Array<double, 2> density_;
  Array<double, 2> above_;  // [incident, node]: nodes are the channels with one more at either end
};

// A response file: comma-separated, '#' comments, a first line "E_keV," and recorded energies, then a line an incident energy.
DetectorResponse response_from_text(const std::string& text, const std::string& name);

// A sensor for the Monte Carlo.
struct Sensor {
  std::string material = "CdTe";                 // CdTe, CZT, or Si hit edge-on
  double thickness = 1.6;                        // [mm]
  double pixel_columns = 0.5, pixel_rows = 0.5;  // [mm]
  double voltage = 1000;                         // [V]
  double noise = 2;                              // electronic noise [keV rms]
  bool operator==(const Sensor&) const = default;
};

// Monte Carlo of absorption, K fluorescence, Compton, charge cloud and noise in 3x3 pixels (docs/physics.md); `photons` per
// incident energy; the same seed gives the same bits for any number of threads.
DetectorResponse simulate_response(const Sensor& sensor, double max_energy, std::size_t photons, std::uint64_t seed);

// The response of an ideal counter: every photon once, at its energy, with Gaussian noise [keV rms].
DetectorResponse ideal_response(double max_energy, double noise = 1.5);

// The sensor that a detector text such as "CdTe 1.6" (material, thickness [mm]) names; pixel sizes in mm. Throws ConfigError.
Sensor sensor_of(const std::string& text, double pixel_columns, double pixel_rows);

// Fills system.response: from the response file it names, "ideal", else from the Monte Carlo, kept in `cache` (a file per set of
// parameters, written to a temporary and renamed; an empty path keeps nothing). Does nothing where bin_spectra are given.
void prepare_response(SpectralSystem& system, const std::filesystem::path& cache);

}  // namespace counterflow
