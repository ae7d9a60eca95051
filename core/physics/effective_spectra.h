// Each bin's spectrum as a few effective energies (nodes), so that a ray costs few exponentials:
//
//   P_b(A) = (lambda_b - s_b) / (exposure open_b)  ~  sum_n exp(log_weight_n - sum_m attenuation_nm A_m),   n of bin b
//
// fitted to the counts model (counts_model.h) over a stated range of areal densities, each error in units of counting noise. By
// Cauchy and Schwarz the bias that this costs an efficient estimate of A is at most sqrt(sum_b error_b^2) of its deviation.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "core/array.h"
#include "core/physics/counts_model.h"

namespace counterflow {

struct EffectiveNodes {
  std::vector<double> log_weight;  // [node]; the weights of a bin sum to about 1 (behind nothing, nothing is missing)
  Array<double, 2> attenuation;    // [node, material] cm^2/g
};

class EffectiveSpectra {
 public:
  static constexpr std::size_t kOrders = 9;  // powers x^i y^j of the shifts of a bin's two edges, 1 <= i + j <= 3
  struct Settings {
    std::vector<double> largest = {};  // [material] g/cm^2; the fit covers -0.15 to 1 of it. Empty = default_range(model)
    double counts = 1e6;               // open-beam counts of a ray, all bins, whose noise an error is held against
    bool air_moves = false;            // P_b is relative to the open beam at the shifted thresholds
  };
  // One to eight nodes a bin, as few as bring every error below 0.1 / sqrt(bins). Throws ConfigError for a range that is not
  // above 0.
  explicit EffectiveSpectra(const CountsModel& model) : EffectiveSpectra(model, Settings()) {}
  EffectiveSpectra(const CountsModel& model, const Settings& settings);

  // [material] g/cm^2: ten attenuation lengths (50 cm of water) of the most penetrable material, three of each other.
  static std::vector<double> default_range(const CountsModel& model);

  std::size_t bins() const { return first_.size() - 1; }
  std::size_t materials() const { return range_.size(); }
  std::size_t nodes() const { return first_.back(); }
  const std::vector<std::size_t>& first() const { return first_; }  // [bin + 1] nodes of bin b are first_[b] .. first_[b+1]-1
  const std::vector<double>& range() const { return range_; }       // [material] g/cm^2
  std::size_t body() const { return body_; }                        // the most penetrable material
  const EffectiveNodes& nominal() const { return nominal_; }
  double error() const { return error_; }  // sqrt(sum_b (largest error of ln P_b sqrt(counts of bin b))^2)

  // Threshold shifts [keV] move log_weight and attenuation by a polynomial of third degree in the shifts of the bin's two edges.
  double largest_shift() const { return largest_shift_; }  // [keV]; 0 where thresholds cannot move
  // `nodes` (nominal ones, perhaps trained) at shifted thresholds. Throws DataError beyond +-largest_shift().
  EffectiveNodes shifted(const EffectiveNodes& nodes, std::span<const double> shift) const;
  // shift_bar += (d shifted / d shift)^T bar.
  void adjoin_shift(std::span<const double> shift, const EffectiveNodes& bar, std::span<double> shift_bar) const;

 private:
  class Fit;
  static constexpr double kLargestShift = 2;  // [keV]

  std::vector<double> range_;
  std::size_t body_ = 0;
  std::vector<std::size_t> first_ = {0};
  EffectiveNodes nominal_;
  Array<double, 3> response_;  // [order, node, 1 + material] of log_weight and attenuation
  double error_ = 0, largest_shift_ = 0;
};

}  // namespace counterflow
