// The border between CountsAbove and its kernel: plain pointers, so that kernel sources compiled for several instruction sets
// share no inline code with the rest. One ray at a time, energies side by side.
#pragma once
#include <cstddef>

namespace counterflow {

constexpr std::size_t kEnergiesTogether = 16;  // every vector length divides it

template <class Real>
struct CountsAboveTables {
  std::size_t energies = 0;  // a multiple of kEnergiesTogether, at most kMostEnergies
  std::size_t attenuators = 0, thresholds = 0, nodes = 0;
  const Real* exponent = nullptr;  // [attenuator, energy] -mu / ln 2
  const Real* above = nullptr;     // [threshold, node, value|slope, energy] S(E; T_k + x) and its derivative in x
  Real spacing = 0;                // of the nodes [keV]; the middle one is at x = 0
  static constexpr std::size_t kMostEnergies = 4096;
};

template <class Real>
struct CountsAboveRays {
  std::size_t rays = 0;
  const Real* areal_density = nullptr;  // [ray, attenuator] g/cm^2
  const Real* shift = nullptr;          // [ray, threshold] keV, or null
  Real* value = nullptr;                // [ray, threshold]
  Real* slope = nullptr;                // [ray, threshold], or null
};

template <class Real>
using CountAbove = void(const CountsAboveTables<Real>&, const CountsAboveRays<Real>&);

namespace kernel_baseline {
CountAbove<float> count_above;
CountAbove<double> count_above;
}  // namespace kernel_baseline
namespace kernel_avx2 {
CountAbove<float> count_above;
CountAbove<double> count_above;
}  // namespace kernel_avx2
namespace kernel_avx512 {
CountAbove<float> count_above;
CountAbove<double> count_above;
}  // namespace kernel_avx512

}  // namespace counterflow
