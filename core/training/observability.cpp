#include "core/training/observability.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

namespace counterflow {
namespace {

// Variance of (P q)^T u_true, the true parameters' priors being independent.
double prior_variance(const ParameterSpace& space, std::span<const double> u, std::span<const double> q) {
  std::vector<double> product(space.size());
  space.add_prior_product(u, q, product);
  double variance = 0;
  for (const TrainedBlock& b : space.blocks())
    for (std::size_t i = 0; i < b.size; ++i) variance += std::pow(product[b.first + i] * b.settings.sigma / b.doc.scale, 2);
  return variance;
}

}  // namespace

template <class Real>
std::vector<Mode> observability(Objective<Real>& objective, const ParameterSpace& space, std::span<const double> u,
                                std::size_t draws, std::uint64_t seed, const std::function<void(std::size_t)>& progress) {
  const auto n = static_cast<Eigen::Index>(objective.size());
  Eigen::MatrixXd h(n, n);
  for (Eigen::Index i = 0; i < n; ++i) {
    std::vector<double> unit(objective.size(), 0.0);
    unit[static_cast<std::size_t>(i)] = 1;
    const auto product = objective.curvature(u, unit);
    h.col(i) = Eigen::Map<const Eigen::VectorXd>(product.data(), n);
    if (progress) progress(static_cast<std::size_t>(i) + 1);
  }
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver((h + h.transpose()) / 2);
  const auto noise = objective.gradient_noise(u, draws, seed);
  std::vector<Mode> modes;
  for (Eigen::Index k = n; k-- > 0;) {
    const Eigen::VectorXd q = solver.eigenvectors().col(k);
    double variance = prior_variance(space, u, {q.data(), space.size()});
    for (const auto& g : noise) {
      const double along = q.dot(Eigen::Map<const Eigen::VectorXd>(g.data(), n));
      variance += along * along / static_cast<double>(noise.size());
    }
    const double eigenvalue = solver.eigenvalues()(k);
    modes.push_back({eigenvalue, eigenvalue > 0 ? std::sqrt(variance) / eigenvalue : HUGE_VAL, {q.data(), q.data() + n}});
  }
  return modes;
}

template std::vector<Mode> observability(Objective<float>&, const ParameterSpace&, std::span<const double>, std::size_t,
                                         std::uint64_t, const std::function<void(std::size_t)>&);
template std::vector<Mode> observability(Objective<double>&, const ParameterSpace&, std::span<const double>, std::size_t,
                                         std::uint64_t, const std::function<void(std::size_t)>&);

}  // namespace counterflow
