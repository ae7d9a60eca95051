// Text files of spectra: a first column of energies [keV], then columns of photons or counts; '#' begins a comment.
#pragma once
#include <string>
#include <vector>

#include "core/array.h"
#include "core/physics/spectral_system.h"

namespace counterflow {

// A row stands for the photons between the midpoints to its neighbours (the first and last row reach as far outwards).
struct SpectrumTable {
  std::vector<double> energies;  // [row] keV, ascending
  Array<double, 2> values;       // [column, row] photons or counts of the row
};

// Columns are separated by commas or white space. Throws ConfigError with the line. `columns` = how many follow the energy.
SpectrumTable parse_spectrum(const std::string& text, const std::string& name, std::size_t columns);

// Contents of a file that a system names; throws ConfigError naming `role` where it was not read.
const std::string& named_file(const SpectralSystem& system, const std::string& name, const std::string& role);

// Photons of one column in each cell of width `step` centred at `centres`: every row spread evenly over its range, so that sums
// are conserved for any cells that cover it.
std::vector<double> rebinned(const SpectrumTable& table, std::size_t column, const std::vector<double>& centres, double step);

// Highest photon energy of a system [keV]: the tube voltage, else the end of the spectrum's last row.
double largest_energy(const SpectralSystem& system);

}  // namespace counterflow
