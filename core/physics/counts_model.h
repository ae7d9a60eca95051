// The model of expected counts, used by everything that needs one (decomposition, simulation, bounds, truth):
//
//   lambda_b(A; T, s) = exposure open_b  sum_E w_b(E;T) exp(-sum_m mu_m(E) A_m) / sum_E w_b(E;T0)  +  s_b
//   w_b(E;T) = S(E;T_b) - S(E;T_b+1),    S(E;T) = N0(E) integral_T^inf R(U|E) dU
//
// A areal density [g/cm^2], mu mass attenuation [cm^2/g], T thresholds [keV], T0 those of the air scan, s background [count].
// Behind a bowtie each ray has spectra of its own, w_b(E;T) B(E;ray) instead of w_b(E;T), in the denominator too: the air scan
// saw it as well.
#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/array.h"
#include "core/physics/bowtie.h"
#include "core/physics/spectral_system.h"

namespace counterflow {

// Effective spectra of the bins at one set of thresholds.
struct BinWeights {
  Array<double, 2> weight;  // [bin, energy] w_b(E;T), any common scale
  // [threshold, energy] N0(E) R(T_k|E): dw_k/dT_k = -edge_k, dw_{k-1}/dT_k = +edge_k. Empty where spectra come from a file.
  Array<double, 2> edge;
  std::vector<double> total;       // [bin] sum_E w_b
  std::vector<double> edge_total;  // [threshold] sum_E edge_k
};

// Expected counts of one ray and their derivatives in the areal densities.
struct RayModel {
  std::vector<double> lambda;  // [bin] count
  Array<double, 2> slope;      // [bin, material] d lambda / dA
  Array<double, 3> curvature;  // [bin, material, material] d2 lambda / dA2
  Array<double, 2> edge;       // [threshold, 1 + material]: sum_E edge_k t and its derivatives in A (not scaled by open beam)
};

// What a user of the model does where the system has a bowtie: by default it knows of none, and such systems are refused, because
// to leave the bowtie out would be wrong in silence. `applied`: takes all spectra behind_bowtie().
enum class BowtieUse { refused, applied };

class CountsModel {
 public:
  // Quadrature by cells of `energy_step` keV from the first energy that matters up to the tube voltage. Materials are texts of
  // find_material. Throws ConfigError for what the system lacks or contradicts.
  CountsModel(const SpectralSystem& system, const std::vector<std::string>& materials, double energy_step = 1.0,
              BowtieUse bowtie = BowtieUse::refused);

  std::size_t bins() const { return nominal_.weight.extent(0); }
  std::size_t materials() const { return attenuation_.extent(0); }
  const std::vector<double>& energies() const { return energies_; }     // [energy] cell centres, keV
  const Array<double, 2>& attenuation() const { return attenuation_; }  // [material, energy] cm^2/g
  const BinWeights& nominal() const { return nominal_; }
  bool has_thresholds() const { return !nominal_.edge.empty(); }
  double largest_shift() const { return kLargestShift; }  // [keV]
  // Nominal lower edges of the bins [keV], and the upper end of the last where it has one; empty where spectra come from a file.
  const std::vector<double>& thresholds() const { return thresholds_; }

  // Spectra at thresholds moved by `shift` [threshold] keV. Derivatives are exact for the values returned (S is interpolated in
  // T by cubic Hermite pieces). Throws DataError beyond +-largest_shift() or where the spectra came from a file.
  BinWeights shifted(std::span<const double> shift) const;

  // [energy] S(E; T_k + shift) and -dS/dT (may be empty), as shifted() has them: cubic in the shift between nodes kNodeStep keV
  // apart. k may be an upper end's, which does not move.
  void counted_above(std::size_t threshold, double shift, std::span<double> value, std::span<double> edge) const;
  static constexpr double kNodeStep = 0.5;
  // Throws DataError for shifts that shifted() does not take.
  void check_shift(std::span<const double> shift) const;

  // Of the system; empty where it has none.
  const std::optional<Bowtie>& bowtie() const { return bowtie_; }
  const Array<double, 2>& bowtie_attenuation() const { return bowtie_attenuation_; }  // [bowtie's material, energy] cm^2/g
  // Spectra, edges and their totals behind that much of the bowtie's materials [g/cm^2].
  BinWeights behind_bowtie(const BinWeights& weights, std::span<const double> areal_density) const;

  // One ray: `scale` [bin] = exposure open_b / sum_E w_b(E;T0), `background` [bin] or empty.
  RayModel ray(const BinWeights& weights, std::span<const double> scale, std::span<const double> background,
               std::span<const double> areal_density) const;

 private:
  static constexpr double kLargestShift = 8;
  void tabulate(const SpectralSystem& system, double energy_step);

  std::vector<double> energies_;
  Array<double, 2> attenuation_;
  std::optional<Bowtie> bowtie_;
  Array<double, 2> bowtie_attenuation_;
  BinWeights nominal_;
  std::size_t movable_ = 0;              // thresholds that shift: the lower edge of each bin
  std::vector<double> thresholds_;       // nominal [keV], an upper end included
  std::vector<Array<double, 3>> table_;  // [threshold] of [node, value|slope, energy]; an upper end has one node
};

// Fisher information of one ray, F = sum_b J_b J_b^T / lambda_b [cm^4/g^2], row-major [material, material].
Array<double, 2> fisher_information(const RayModel& ray);
// Cramer-Rao bound: covariance F^-1 [g^2/cm^4]. Throws DataError where F is singular.
Array<double, 2> cramer_rao_bound(const RayModel& ray);

// A material at a density [g/cm^3].
struct Mixture {
  std::string material;  // a text of find_material
  double density = 0;
};

// [mixture][material] densities [g/cm^3] of the basis under which a mixture appears: those that the likelihood gives, from counts
// without noise, to a slab of it (20 mm, thinner where that would let too little through) behind `behind_mm` of water. Exact for
// mixtures of the basis materials themselves. Throws ConfigError where the bins cannot tell the basis materials apart.
std::vector<std::vector<double>> basis_equivalents(const SpectralSystem& system, const std::vector<std::string>& basis,
                                                   const std::vector<Mixture>& mixtures, double behind_mm);

}  // namespace counterflow
