// Spectra in the kernels' layout and precision, with what the search for the optimum starts from.
#pragma once
#include <cstddef>
#include <vector>

#include "core/array.h"
#include "core/physics/counts_model.h"
#include "gadgets/decomposition/ray_kernel.h"

namespace counterflow {

// Neighbouring energies joined into a few, for the start; found once a scan from the nominal spectra.
struct EnergyGroups {
  std::vector<std::size_t> group;  // [energy]
  Array<double, 2> attenuation;    // [group, material] mean behind the centre, cm^2/g
  Array<double, 2> known;          // [group, known] likewise
  std::vector<double> unit;        // [material] areal density that attenuates the detected spectrum there to 1/e
  std::vector<double> centre;      // [material] three attenuation lengths of the most penetrable material
};
// `attenuation` [material, energy], `known` [known, energy]: as in RayTables. Groups are narrow where attenuation changes fast
// and counts are many; K edges split them.
EnergyGroups group_energies(const Array<double, 2>& attenuation, const BinWeights& weights, const Array<double, 2>& known = {});

template <class Real>
class RayTables {
 public:
  // `weights` during the scan, `air` at the air scan; `air_moves`: those move with the thresholds too. `known` [known, energy]
  // attenuation of what each ray passes besides the materials sought (a bowtie filter, at most kMaxKnown): how much of it the
  // rays pass goes into RayData::known.
  RayTables(const Array<double, 2>& attenuation, const BinWeights& weights, const BinWeights& air, bool air_moves,
            const EnergyGroups& groups, const Array<double, 2>& known = {});
  RaySystem<Real> system() const;
  std::size_t bytes() const;

 private:
  struct Spectra {
    std::vector<Real> exponent, attenuation, weight, known_exponent;
    std::size_t energies = 0, known = 0;
    RaySpectra<Real> view() const;
  };
  // All [energy, .].
  static Spectra spectra(const Array<double, 2>& attenuation, const Array<double, 2>& weight, const Array<double, 2>& known);
  void set_centre(const Array<double, 2>& attenuation, const Array<double, 2>& weight, const EnergyGroups& groups);

  std::size_t bins_, materials_, thresholds_ = 0;
  bool air_moves_;
  Spectra full_, coarse_;
  std::vector<Real> unit_, centre_, centre_value_, centre_slope_, edge_, per_total_, edge_total_, air_weight_;
};

}  // namespace counterflow
