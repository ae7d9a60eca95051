// What thresholds count at shifts of their own for each ray: S(E; T_k + s) - S(E; T_k) as a polynomial in the shift s without a
// constant term, so that the kernels form the spectra of each ray in their loop over energies, and derivatives are those of the
// value used.
#pragma once
#include <cstddef>
#include <functional>

#include "core/array.h"
#include "core/physics/counts_model.h"
#include "gadgets/decomposition/energy_nodes.h"

namespace counterflow {

struct ThresholdMoves {
  double largest = 0;      // [keV] of a shift
  Array<double, 3> power;  // [threshold, power - 1, energy], powers of shift / largest
  double error = 0;        // largest relative error of a bin's counts, over `range` of the plan and all shifts
};

// Least squares at Chebyshev's points; the error is found between them. `weights_at(s)`: spectra with all thresholds moved by s
// keV. `attenuation` [row, energy], `range`: as in choose_nodes().
ThresholdMoves fit_moves(const std::function<BinWeights(double)>& weights_at, double largest, const Array<double, 2>& attenuation,
                         const RayRange& range);

}  // namespace counterflow
