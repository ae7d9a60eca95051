// Spectra in the kernels' layout and precision, with what the search for the optimum starts from.
#pragma once
#include <cstddef>
#include <vector>

#include "core/array.h"
#include "core/physics/counts_model.h"
#include "gadgets/decomposition/energy_nodes.h"
#include "gadgets/decomposition/ray_kernel.h"
#include "gadgets/decomposition/threshold_moves.h"

namespace counterflow {

// What all tables of a scan share; found once from the nominal spectra.
struct RayPlan {
  Array<double, 2> attenuation;  // [material, energy] cm^2/g
  // [known, energy] of what each ray passes besides the materials sought (a bowtie filter, at most kMaxKnown): how much of it
  // the rays pass goes into RayData::known.
  Array<double, 2> known;
  std::vector<double> unit;    // [material] areal density that attenuates the detected spectrum at the centre to 1/e
  std::vector<double> centre;  // [material] three attenuation lengths of the most penetrable material
  RayRange range;              // [material, then known] in which nodes are chosen
  EnergyNodes start;           // for the start of the search
  EnergyNodes full;            // for the search itself; none = all energies
};
// `quadrature`: how many nodes `full` has, 0 = all energies. `most_known` [known] g/cm^2 that rays pass of each; 0 = nothing
// said.
RayPlan plan_rays(const Array<double, 2>& attenuation, const BinWeights& weights, const Array<double, 2>& known = {},
                  std::size_t quadrature = 0, const std::array<double, kMaxKnown>& most_known = {});
NodeError quadrature_error(const RayPlan& plan, const BinWeights& weights);
ThresholdMoves plan_moves(const RayPlan& plan, double largest, const std::function<BinWeights(double)>& weights_at);

template <class Real>
class RayTables {
 public:
  // `weights` during the scan, `air` at the air scan; `air_moves`: those move with the thresholds too.
  RayTables(const RayPlan& plan, const BinWeights& weights, const BinWeights& air, bool air_moves);
  // For rays with thresholds of their own about the nominal ones.
  RayTables(const RayPlan& plan, const BinWeights& nominal, const ThresholdMoves& moves, bool air_moves);
  RaySystem<Real> system() const;
  std::size_t bytes() const;

 private:
  struct Spectra {
    std::vector<Real> exponent, attenuation, weight, known_exponent, move, edge;
    std::vector<std::size_t> moved_from;
    std::size_t energies = 0, known = 0;
    RaySpectra<Real> view() const;
  };
  // `unit` [bin]: in which weights are given.
  RayTables(const RayPlan& plan, const BinWeights& weights, const BinWeights& air, bool air_moves,
            const std::vector<double>& unit);
  // [material, energy], [bin, energy], [known, energy]
  static Spectra spectra(const Array<double, 2>& attenuation, const Array<double, 2>& weight, const Array<double, 2>& known);
  // [power, energy] of a threshold.
  static void add_move(const Array<double, 2>& power, Spectra& spectra);
  void set_centre(const RayPlan& plan, const Array<double, 2>& weight, const Array<double, 2>& edge);

  std::size_t bins_, materials_, thresholds_ = 0;
  bool air_moves_;
  double largest_shift_ = 0;
  Spectra full_, coarse_;
  std::vector<Real> unit_, centre_, centre_value_, centre_slope_, centre_edge_, per_total_, edge_total_, air_weight_;
};

}  // namespace counterflow
