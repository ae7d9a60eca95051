// The scale of energies on which the spectrum between thresholds is interpolated: the smoother the recorded spectrum is on it,
// the better.
#pragma once
#include <cstddef>
#include <vector>

#include "core/array.h"
#include "core/message/scan_header.h"

namespace counterflow {

class EnergyScale {
 public:
  // The reference is the scan's own spectrum behind `water` [g/cm^2].
  EnergyScale(double water, const SpectralSystem& system);

  // V_k [threshold, then the end of the last bin] of nominal thresholds.
  const std::vector<double>& nominal() const { return nominal_; }

  struct Move {
    double value = 0, slope = 1;  // v(T_k + shift) - V_k and its derivative in the shift
  };
  // For |shift| <= largest_shift() of the system [keV].
  Move move(std::size_t threshold, double shift) const;

 private:
  std::vector<double> nominal_;
  Array<double, 3> table_;  // [threshold, node, value|slope] of moves, nodes kNodeStep apart around 0
};

// How far thresholds may move [keV]: as far as the model of counts follows, and not as far as half of the way to a neighbour.
double largest_shift(const SpectralSystem& system);

}  // namespace counterflow
