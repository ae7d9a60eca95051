#include "gadgets/decomposition/threshold_moves.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <numbers>

#include "gadgets/decomposition/ray_kernel.h"

namespace counterflow {
namespace {

constexpr int kPoints = 9, kPowers = static_cast<int>(kMovePowers);

// [threshold, energy] S(E; T_k): bins from threshold k upwards, without what the upper end of the last leaves out.
Array<double, 2> counted_above(const Array<double, 2>& weight) {
  Array<double, 2> above = weight;
  for (std::size_t k = above.extent(0) - 1; k-- > 0;)
    for (std::size_t e = 0; e < above.extent(1); ++e) above(k, e) += above(k + 1, e);
  return above;
}

double power(double x, std::size_t n) { return std::pow(x, static_cast<double>(n + 1)); }

}  // namespace

ThresholdMoves fit_moves(const std::function<BinWeights(double)>& weights_at, double largest, const Array<double, 2>& attenuation,
                         const RayRange& range) {
  const BinWeights nominal = weights_at(0);
  const Array<double, 2> origin = counted_above(nominal.weight);
  const std::size_t thresholds = origin.extent(0), energies = origin.extent(1);
  Eigen::Matrix<double, kPoints, kPowers> powers;
  std::vector<Array<double, 2>> samples;
  for (int j = 0; j < kPoints; ++j) {
    const double x = std::cos(std::numbers::pi * j / (kPoints - 1));
    for (int n = 0; n < kPowers; ++n) powers(j, n) = power(x, static_cast<std::size_t>(n));
    samples.push_back(counted_above(weights_at(largest * x).weight));
  }
  const Eigen::Matrix<double, kPowers, kPoints> solve = powers.completeOrthogonalDecomposition().pseudoInverse();
  ThresholdMoves moves{largest, Array<double, 3>({thresholds, kMovePowers, energies}), 0};
  for (std::size_t k = 0; k < thresholds; ++k)
    for (std::size_t n = 0; n < kMovePowers; ++n)
      for (std::size_t e = 0; e < energies; ++e)
        for (std::size_t j = 0; j < samples.size(); ++j)
          moves.power(k, n, e) +=
              solve(static_cast<Eigen::Index>(n), static_cast<Eigen::Index>(j)) * (samples[j](k, e) - origin(k, e));
  for (int j = 1; j < kPoints; ++j) {
    const double x = std::cos(std::numbers::pi * (j - 0.5) / (kPoints - 1));
    Array<double, 2> error = counted_above(weights_at(largest * x).weight);
    for (std::size_t k = 0; k < thresholds; ++k)
      for (std::size_t e = 0; e < energies; ++e) {
        error(k, e) -= origin(k, e);
        for (std::size_t n = 0; n < kMovePowers; ++n) error(k, e) -= moves.power(k, n, e) * power(x, n);
      }
    const Array<double, 2> worst = largest_part(error, attenuation, nominal.weight, range);
    for (std::size_t b = 0; b < thresholds; ++b)
      moves.error = std::max(moves.error, worst(b, b) + (b + 1 < thresholds ? worst(b + 1, b) : 0));
  }
  return moves;
}

}  // namespace counterflow
