// The border between the decomposition and its kernels: plain pointers, so that kernel sources compiled for several instruction
// sets share no inline code with the rest. Rays lie side by side: arrays are [bin, ray], [material, ray]; the number of rays is a
// multiple of kRayBlock, which every vector length divides. One call, one set of spectra.
#pragma once
#include <cstddef>
#include <cstdint>

namespace counterflow {

constexpr std::size_t kRayBlock = 16;
constexpr std::size_t kMaxBins = 8;
constexpr std::size_t kMaxMaterials = 3;
constexpr std::size_t kMaxEnergies = 1024;
constexpr std::size_t kMaxKnown = 2;
constexpr std::size_t kMovePowers = 4;
constexpr std::size_t kStartIterations = 8;

// P_b(A) = sum_E weight_b(E) exp(-sum_m mu_m(E) A_m - sum_k nu_k(E) a_k), a the ray's areal densities of known attenuators nu,
// which are not sought: a bowtie filter. RayData::known holds a. They cost nothing where there are none.
// Rays with thresholds of their own: weight_b(E) + d_b(E) - d_b+1(E), d_k(E) = sum_n move_kn(E) x_k^n, n = 1..kMovePowers, x_k
// the ray's shift of threshold k over the largest shift. RayData::shift holds the shifts.
template <class Real>
struct RaySpectra {
  std::size_t energies = 0;
  const Real* exponent = nullptr;     // [energy, material] -mu / ln 2
  const Real* attenuation = nullptr;  // [energy, material] mu, cm^2/g
  const Real* weight = nullptr;       // [energy, bin]; sums to 1 at the thresholds of the air scan; with `move`: to 1 / per_total
  std::size_t known = 0;
  const Real* known_exponent = nullptr;     // [energy, known] -nu / ln 2
  const Real* move = nullptr;               // [threshold, energy, power]; null: rays share their thresholds
  const std::size_t* moved_from = nullptr;  // [threshold] first energy where `move` is not zero
  const Real* edge = nullptr;               // [energy, threshold] N0(E) R(T_k|E) / scale
};

template <class Real>
struct RaySystem {
  std::size_t bins = 0, materials = 0;
  RaySpectra<Real> full;
  RaySpectra<Real> coarse;             // few energies, for the start
  const Real* unit = nullptr;          // [material] areal density that attenuates to 1/e
  const Real* centre = nullptr;        // [material] where the logarithm is linearised
  const Real* centre_value = nullptr;  // [bin] P_b(centre)
  const Real* centre_slope = nullptr;  // [bin, material] -d ln P_b / dA there
  std::size_t thresholds = 0;          // 0: none to differentiate
  const Real* centre_edge = nullptr;   // [threshold, 1 + material] sum_E edge exp(-mu centre), and with mu_m; of all energies
  const Real* per_total = nullptr;     // [bin] scale / sum_E w_b(E; air scan)
  const Real* edge_total = nullptr;    // [threshold] sum_E edge; null where the air scan's thresholds do not move
  Real largest_shift = 0;              // [keV] of rays with thresholds of their own
  const Real* air_weight = nullptr;    // [energy, bin] weight at the thresholds of the air scan; used with known attenuators only
};

template <class Real>
struct RaySettings {
  Real tolerance = 0;  // [sigma of the bound]
  std::size_t iterations = 0;
  std::size_t start_iterations = kStartIterations;  // or fewer; of the search on few energies
  bool non_negative = false;
  bool bias_correction = false;
  bool keep_unfinished = false;  // rays that have not arrived after `iterations` steps stay where these led
  Real failed_value[kMaxMaterials] = {};
};

enum RayFate : std::uint8_t { kSolved = 0, kHeld = 1, kFailed = 2, kUnfinished = 3 };  // held: by the ridge

template <class Real>
struct RayData {
  std::size_t rays = 0;
  const Real* counts = nullptr;      // [bin, ray]
  const Real* open = nullptr;        // [bin, ray] exposure times open beam, counted behind the known attenuators
  const Real* background = nullptr;  // [bin, ray] or null
  const Real* known = nullptr;       // [known, ray] g/cm^2; null where RaySpectra::known = 0
  const Real* shift = nullptr;       // [threshold, ray] keV; null where RaySpectra::move is null
};

template <class Real>
struct RaySolution {
  Real* areal_density = nullptr;  // [material, ray] g/cm^2
  Real* covariance = nullptr;     // [pair, ray] g^2/cm^4, or null
  std::uint8_t* fate = nullptr;   // [ray]; kFailed on entry: data that cannot be used, do not look at them
  std::uint64_t steps = 0;        // ray-steps on the full spectra, added up
  Real* residual = nullptr;       // [bin, ray] signed root of the deviance, or null; 0 of failed rays
};

template <class Real>
struct RayCotangents {
  const Real* areal_density_bar = nullptr;  // [material, ray]
  Real* counts_bar = nullptr;               // [bin, ray]
  Real* background_bar = nullptr;           // [bin, ray] or null
  double* threshold_bar = nullptr;          // [threshold], added to; or null
  Real* shift_bar = nullptr;                // [threshold, ray] of rays with thresholds of their own; or null
  const Real* residual_bar = nullptr;       // [bin, ray] or null
};

template <class Real>
using SolveRays = void(const RaySystem<Real>&, const RaySettings<Real>&, const RayData<Real>&, RaySolution<Real>&);
// `at`: the stationary points, before any bias correction.
template <class Real>
using AdjointRays = void(const RaySystem<Real>&, const RaySettings<Real>&, const RayData<Real>&, const RaySolution<Real>& at,
                         const RayCotangents<Real>&);
// Solves again, to the same bits, and goes back through every step. `tape`: room for kTapeChannels x kRayBlock numbers for each
// of kStartIterations + 2 iterations steps. `steps` of `replayed`: all steps that were kept, of the start and after it.
template <class Real>
using UnrollRays = void(const RaySystem<Real>&, const RaySettings<Real>&, const RayData<Real>&, RaySolution<Real>& replayed,
                        const RayCotangents<Real>&, Real* tape);
constexpr std::size_t kTapeChannels = kMaxMaterials + 2;

}  // namespace counterflow

namespace counterflow::kernel_baseline {
SolveRays<float> solve_rays;
SolveRays<double> solve_rays;
AdjointRays<float> adjoint_rays;
AdjointRays<double> adjoint_rays;
UnrollRays<float> unroll_rays;
UnrollRays<double> unroll_rays;
}  // namespace counterflow::kernel_baseline

namespace counterflow::kernel_avx2 {
SolveRays<float> solve_rays;
SolveRays<double> solve_rays;
AdjointRays<float> adjoint_rays;
AdjointRays<double> adjoint_rays;
UnrollRays<float> unroll_rays;
UnrollRays<double> unroll_rays;
}  // namespace counterflow::kernel_avx2

namespace counterflow::kernel_avx512 {
SolveRays<float> solve_rays;
SolveRays<double> solve_rays;
AdjointRays<float> adjoint_rays;
AdjointRays<double> adjoint_rays;
UnrollRays<float> unroll_rays;
UnrollRays<double> unroll_rays;
}  // namespace counterflow::kernel_avx512
