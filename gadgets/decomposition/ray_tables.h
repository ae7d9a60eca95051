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
  std::vector<double> unit;        // [material] areal density that attenuates the detected spectrum there to 1/e
  std::vector<double> centre;      // [material] three attenuation lengths of the most penetrable material
};
// `attenuation` [material, energy]. Groups are narrow where attenuation changes fast and counts are many; K edges split them.
EnergyGroups group_energies(const Array<double, 2>& attenuation, const BinWeights& weights);

template <class Real>
class RayTables {
 public:
  // `weights` during the scan; `air_total` [bin] sum_E w_b at the air scan; `air_moves`: that sum moves with the thresholds too.
  RayTables(const Array<double, 2>& attenuation, const BinWeights& weights, const std::vector<double>& air_total, bool air_moves,
            const EnergyGroups& groups);
  RaySystem<Real> system() const;
  std::size_t bytes() const;

 private:
  struct Spectra {
    std::vector<Real> exponent, attenuation, weight;
    RaySpectra<Real> view() const;
  };
  static Spectra spectra(const Array<double, 2>& attenuation, const Array<double, 2>& weight, std::size_t materials);
  void set_centre(const Array<double, 2>& attenuation, const Array<double, 2>& weight, const EnergyGroups& groups);

  std::size_t bins_, materials_, thresholds_ = 0;
  bool air_moves_;
  Spectra full_, coarse_;
  std::vector<Real> unit_, centre_, centre_value_, centre_slope_, edge_, per_total_, edge_total_;
};

}  // namespace counterflow
