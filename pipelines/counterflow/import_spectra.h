// Effective spectra of bins from a model of tube and detector.
#pragma once
#include <string>
#include <vector>

#include "pipelines/counterflow/import_settings.h"

namespace counterflow {

// The text of a bin_spectra file: keV, then a column a bin; rows of 1 keV up to the highest voltage. An integrating detector
// weighs a photon of energy E with E (1 - exp(-mu t)), a counting one with 1 - exp(-mu t); each column sums to 1.
std::string effective_spectra(const std::vector<BinSpectrum>& bins);

}  // namespace counterflow
