// What pile-up does to the shares of the bins, for spectra behind water, as a smooth function of how much is lost and of how much
// the object lets through.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "core/array.h"
#include "core/message/scan_header.h"

namespace counterflow {

// s_b(loss, ln T) = the share of bin b in the true counts over its share in the recorded ones, where loss = m tau and T, the true
// counts over those of the open beam without bowtie, says behind how much water (a bowtie counts as some).
class PulseShape {
 public:
  // [bin] ln s_b and its derivatives in the loss and in ln T.
  struct Values {
    explicit Values(std::size_t bins) : log_shape(bins), by_loss(bins), by_transmission(bins) {}
    std::vector<double> log_shape, by_loss, by_transmission;
  };

  PulseShape() = default;  // s_b = 1
  // For losses of 0 to `largest`. Throws ConfigError for bins without thresholds.
  PulseShape(const ScanHeader& header, double largest);

  bool empty() const { return coefficients_.empty(); }
  // Transmissions beyond those tabulated (45 cm of water) are taken as the nearest.
  void at(double loss, double log_transmission, Values& values) const;
  // ln T of the bowtie alone before each pixel [row columns + column]; empty: none.
  const std::vector<double>& bowtie() const { return bowtie_; }

 private:
  double largest_ = 0;
  std::size_t bins_ = 0;
  std::vector<double> coefficients_;  // [degree in the loss, degree in ln T, bin] of ln s_b in Chebyshev polynomials
  std::vector<double> bowtie_;
};

}  // namespace counterflow
