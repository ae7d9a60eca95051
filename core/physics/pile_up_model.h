// What a counter records that is blind for a dead time tau after each count, and takes what arrives meanwhile for part of the
// same pulse. From true counts at the rate n, of spectrum with characteristic function C(w), it records the rate n/(1 + n tau)
// with the spectrum of C(w) exp(n tau (C(w) - 1)). A pulse below the lowest threshold neither counts nor blinds.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "core/array.h"
#include "core/physics/spectral_system.h"

namespace counterflow {

class PileUpModel {
 public:
  // For lowest thresholds from `lowest` keV on and others up to `highest` keV; `energies`: centres of cells of `step` keV. The
  // system must have its response. Throws ConfigError for bins given by bin_spectra, which have no recorded spectrum.
  PileUpModel(const SpectralSystem& system, const std::vector<double>& energies, double step, double lowest, double highest);

  // [channel, energy] what is recorded in channels of 0.5 keV, on the scale of CountsModel's weights; the last row is all above.
  const Array<double, 2>& spectra() const { return spectra_; }
  // [channel] the bin that a channel's middle lies in at nominal thresholds.
  const std::vector<std::size_t>& bins_of_channels() const { return bins_; }

  // One pixel in one view. `counts` [bin]: true counts on entry, recorded ones on return; `spectrum` [channel] true counts;
  // `thresholds` [keV] the pixel's own, an upper end included; `dead_time` over the time of the view. Returns the standard
  // deviation of the sum of the recorded counts over Poisson's: renewals have the variance n t / (1 + n tau)^3 (Feller, 1948).
  double record(std::span<const double> spectrum, std::span<const double> thresholds, double dead_time,
                std::span<double> counts) const;

 private:
  std::vector<double> several_pulses(std::span<const double> spectrum, double lowest, double all, double lost) const;

  std::size_t first_;  // the lowest channel begins at first_ kChannel keV
  Array<double, 2> spectra_;
  std::vector<std::size_t> bins_;
};

}  // namespace counterflow
