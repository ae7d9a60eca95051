// Few energies that stand for all. The counts of a ray are sums over energies of a spectrum times exp(-sum_m mu_m(E) A_m); as
// functions of E the latter span few dimensions, so that values at some energies E_j give those at all others,
//   f(E) = sum_j share_j(E) f(E_j)    hence    sum_E w(E) f(E) = sum_j w_j f(E_j),   w_j = sum_E share_j(E) w(E)
// (an interpolative decomposition; Cheng, Gimbutas, Martinsson, Rokhlin 2005). The weights w_j are linear in the spectrum w, the
// same shares for all bins and thresholds, so that derivatives in thresholds pass through. Some may be negative: what is promised
// is that the counts agree within a stated error over a stated range of rays, where they are thus positive.
#pragma once
#include <cstddef>
#include <vector>

#include "core/array.h"
#include "core/physics/counts_model.h"

namespace counterflow {

struct EnergyNodes {
  std::vector<std::size_t> energy;  // [node] ascending
  Array<double, 2> share;           // [energy, node]

  Array<double, 2> weights(const Array<double, 2>& spectra) const;     // [channel, energy] to [channel, node]: sums
  Array<double, 2> values(const Array<double, 2>& attenuation) const;  // [row, energy] to [row, node]: picked
};

// Rays over which nodes are chosen and judged: corners and a lattice of areal densities [ray, row], rows as in `attenuation`.
struct RayRange {
  std::vector<double> least, most;  // [row] g/cm^2
};

// Nodes for the spectra [bin, energy] of all bins, each of sum 1, greedily: each is the energy that the ones before describe
// worst. Rows of `attenuation` [row, energy]: materials, and known attenuators after them.
EnergyNodes choose_nodes(const Array<double, 2>& attenuation, const Array<double, 2>& weight, const RayRange& range,
                         std::size_t count);

struct NodeError {
  double counts = 0;  // largest relative error of a bin's counts in the range
  double sigmas = 0;  // largest shift of areal densities by it, in sigmas of the bound per square root of the open-beam counts
};
// Over rays between those that choose_nodes() used. `materials`: rows that are sought.
NodeError node_error(const EnergyNodes& nodes, const Array<double, 2>& attenuation, std::size_t materials,
                     const Array<double, 2>& weight, const RayRange& range);

// [spectrum, bin] the largest that |sum_E spectrum(E) t(E)| comes to, relative to what the bin counts, over rays of the range.
Array<double, 2> largest_part(const Array<double, 2>& spectra, const Array<double, 2>& attenuation,
                              const Array<double, 2>& weight, const RayRange& range);

}  // namespace counterflow
