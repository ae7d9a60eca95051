// Expected counts of every pixel of a view:
//   lambda_b = open_beam_counts exposure  sum_E w_b(E;T) t(E) / sum_b' sum_E w_b'(E;T_nominal)  (1 + scatter_b)
//   t(E) = mean over sub-rays of exp(-sum_m mu_m(E) A_m), the materials of a bowtie among them, in air views too; with one,
//   open_beam_counts is the count in its middle, at the fan angle 0
// with exact lengths through the painted bodies, energies in cells of the scenario's step, and thresholds T that drift; then what
// pile-up makes of them.
#pragma once
#include <cstddef>
#include <optional>
#include <vector>

#include "core/array.h"
#include "core/physics/counts_model.h"
#include "core/physics/pile_up_model.h"
#include "pipelines/simulator/drift.h"
#include "pipelines/simulator/expected_view.h"
#include "pipelines/simulator/scenario.h"

namespace counterflow {

class ForwardModel {
 public:
  // The scenario's system must have its response (prepare_response) and outlive the model.
  explicit ForwardModel(const Scenario& scenario);

  // The object view of that number, any air view (exposures included).
  ExpectedView object_view(std::size_t view) const;
  const ExpectedView& air_view() const { return air_; }
  // True where all rows of a view see the same (no drift by pixel, bodies that are the same for every z, no cone).
  bool rows_are_alike() const { return shared_rows_ && !drift_.by_pixel(); }
  bool air_rows_are_alike() const { return air_shares_rows() && !drift_.by_pixel(); }
  const ThresholdDrift& drift() const { return drift_; }
  const CountsModel& counts_model() const { return model_; }
  double source_angle(std::size_t view) const;

 private:
  struct Workspace;
  struct Spectra;  // what detects a view: spectra of the bins of each module, or of thresholds as polynomials of the shift

  ExpectedView view(double angle, double table_position, double time, bool air) const;
  void transmit(double angle, double table_position, std::size_t row, std::size_t column, bool air, Workspace& w) const;
  void scale(bool air, ExpectedView& view, Array<double, 3>& pulses) const;
  void pile_up(const Array<double, 3>& pulses, double time, bool air, ExpectedView& view) const;
  bool air_shares_rows() const { return !model_.bowtie() || !scenario_.header.geometry.is_cone(); }
  Spectra spectra_at(double time, bool air) const;
  void tabulate_shifts();
  // Pixels [first_row, last_row) of a column that saw the transmission in the workspace.
  void detect_alike(std::size_t first_row, std::size_t last_row, std::size_t column, const Spectra& spectra, Workspace& w,
                    Array<double, 3>& out) const;
  void detect_by_pixel(std::size_t first_row, std::size_t last_row, std::size_t column, double time, bool air, Workspace& w,
                       Array<double, 3>& out) const;

  const Scenario& scenario_;
  CountsModel model_;
  Array<double, 2> attenuation_;  // [material, energy] of the phantom, then of the bowtie
  ThresholdDrift drift_;
  bool shared_rows_;
  double counts_per_weight_;           // open_beam_counts / sum of all nominal weights
  std::vector<double> polynomials_;    // [threshold, degree, energy]: S(E; T_k + shift) in Chebyshev polynomials of the shift
  std::vector<double> fixed_spectra_;  // [module or 1, bin, energy] of object views where nothing changes in time
  Array<double, 2> pairs_;             // [pair, energy] (core/physics/count_pairs.h), where counts are correlated
  std::optional<PileUpModel> pile_up_;
  ExpectedView air_;
};

}  // namespace counterflow
