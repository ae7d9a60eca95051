// One ray of the counts model and its information.
#include <Eigen/Dense>
#include <cmath>

#include "core/error.h"
#include "core/physics/counts_model.h"
#include "core/physics/material.h"

namespace counterflow {
namespace {

// transmission exp(-sum_m mu_m A_m) of each energy.
std::vector<double> transmission(const Array<double, 2>& attenuation, std::span<const double> areal_density) {
  std::vector<double> out(attenuation.extent(1));
  for (std::size_t m = 0; m < areal_density.size(); ++m)
    for (std::size_t k = 0; k < out.size(); ++k) out[k] -= attenuation(m, k) * areal_density[m];
  for (double& v : out) v = std::exp(v);
  return out;
}

void check_ray(const CountsModel& model, const BinWeights& weights, std::span<const double> scale,
               std::span<const double> background, std::span<const double> areal_density) {
  const auto expect = [](std::size_t got, std::size_t want, const char* what) {
    if (got != want) throw DataError("expected " + std::to_string(want) + " " + what + " of a ray, got " + std::to_string(got));
  };
  expect(scale.size(), model.bins(), "scales");
  expect(areal_density.size(), model.materials(), "areal densities");
  expect(weights.weight.extent(0), model.bins(), "bins");
  expect(weights.weight.extent(1), model.energies().size(), "energies");
  if (!background.empty()) expect(background.size(), model.bins(), "backgrounds");
}

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

}  // namespace

RayModel CountsModel::ray(const BinWeights& weights, std::span<const double> scale, std::span<const double> background,
                          std::span<const double> areal_density) const {
  check_ray(*this, weights, scale, background, areal_density);
  const std::size_t n = materials();
  const std::vector<double> t = transmission(attenuation_, areal_density);
  RayModel out{std::vector<double>(bins()), Array<double, 2>({bins(), n}), Array<double, 3>({bins(), n, n}),
               Array<double, 2>({weights.edge.extent(0), 1 + n})};
  for (std::size_t b = 0; b < bins(); ++b) {
    for (std::size_t k = 0; k < t.size(); ++k) {
      const double counts = scale[b] * weights.weight(b, k) * t[k];
      out.lambda[b] += counts;
      for (std::size_t m = 0; m < n; ++m) {
        out.slope(b, m) -= counts * attenuation_(m, k);
        for (std::size_t l = 0; l < n; ++l) out.curvature(b, m, l) += counts * attenuation_(m, k) * attenuation_(l, k);
      }
    }
    if (!background.empty()) out.lambda[b] += background[b];
  }
  for (std::size_t j = 0; j < out.edge.extent(0); ++j)
    for (std::size_t k = 0; k < t.size(); ++k) {
      const double at_edge = weights.edge(j, k) * t[k];
      out.edge(j, 0) += at_edge;
      for (std::size_t m = 0; m < n; ++m) out.edge(j, 1 + m) -= at_edge * attenuation_(m, k);
    }
  return out;
}

Array<double, 2> fisher_information(const RayModel& ray) {
  const std::size_t n = ray.slope.extent(1);
  Array<double, 2> information({n, n});
  for (std::size_t b = 0; b < ray.lambda.size(); ++b) {
    if (!(ray.lambda[b] > 0)) continue;  // expects nothing and tells nothing
    for (std::size_t m = 0; m < n; ++m)
      for (std::size_t l = 0; l < n; ++l) information(m, l) += ray.slope(b, m) * ray.slope(b, l) / ray.lambda[b];
  }
  return information;
}

// Inverted in units of its own diagonal, so that materials of very different attenuation are no trouble.
Array<double, 2> cramer_rao_bound(const RayModel& ray) {
  const Array<double, 2> information = fisher_information(ray);
  const auto n = static_cast<Eigen::Index>(information.extent(0));
  const Matrix f = Eigen::Map<const Matrix>(information.data(), n, n);
  const Eigen::VectorXd unit = f.diagonal().cwiseSqrt().cwiseInverse();
  if (!unit.allFinite()) throw DataError("a ray's counts do not depend on one of the materials; there is no bound");
  const Eigen::LDLT<Matrix> solver(unit.asDiagonal() * f * unit.asDiagonal());
  if (!(solver.vectorD().minCoeff() > 1e-13))
    throw DataError("the Fisher information of a ray is singular: fewer independent bins than materials");
  Array<double, 2> bound({information.extent(0), information.extent(0)});
  Eigen::Map<Matrix>(bound.data(), n, n) = unit.asDiagonal() * solver.solve(Matrix::Identity(n, n)) * unit.asDiagonal();
  return bound;
}

}  // namespace counterflow
