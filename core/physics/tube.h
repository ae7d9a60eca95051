// The tube's spectrum behind its filters.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "core/physics/spectral_system.h"

namespace counterflow {

// Photons/(keV mA mm^2 s) at 1 m of a tungsten tube at `voltage` kV, at each energy [keV]: bremsstrahlung (V/E - 1)^0.9 behind
// 20 um W and 4.5 mm Al, and the W K lines (docs/physics.md), each shared between the two nodes around it.
std::vector<double> tube_spectrum(double voltage, const std::vector<double>& energies);

// "Al 3.0; Ti 0.9": material and thickness [mm]. Throws ConfigError.
std::vector<std::pair<std::string, double>> parse_filters(const std::string& text);

// Photons/keV that leave the filters: the file `spectrum` if there is one, else the tube; times the filters' transmission.
std::vector<double> source_spectrum(const SpectralSystem& system, const std::vector<double>& energies);

}  // namespace counterflow
