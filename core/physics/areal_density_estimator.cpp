#include "core/physics/areal_density_estimator.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace counterflow {
namespace {

constexpr double kLeastPrimary = 0.5;  // [count]
constexpr double kPriorReach = 3;      // deviation of the prior over the range

// Sums of a least-squares step: (sum_b w D D^T + tau) step = sum_b w D r - tau (A - centre).
class NormalEquations {
 public:
  NormalEquations(std::span<const double> density, const std::vector<double>& centre, const std::vector<double>& prior)
      : density_(density.begin(), density.end()),
        matrix_(Eigen::Map<const Eigen::VectorXd>(prior.data(), static_cast<Eigen::Index>(prior.size())).asDiagonal()),
        right_(static_cast<Eigen::Index>(prior.size())) {
    for (std::size_t m = 0; m < prior.size(); ++m) right_(static_cast<Eigen::Index>(m)) = -prior[m] * (density[m] - centre[m]);
  }
  void add(std::span<const double> slope, double weight, double weighted_residual) {
    const Eigen::Map<const Eigen::VectorXd> d(slope.data(), static_cast<Eigen::Index>(slope.size()));
    matrix_ += weight * d * d.transpose();
    right_ += weighted_residual * d;
  }
  std::vector<double> solve() const {
    const Eigen::VectorXd unit = matrix_.diagonal().cwiseSqrt().cwiseInverse();
    const Eigen::MatrixXd scaled = unit.asDiagonal() * matrix_ * unit.asDiagonal();
    const Eigen::VectorXd change = unit.asDiagonal() * scaled.ldlt().solve(unit.cwiseProduct(right_));
    std::vector<double> out = density_;
    for (std::size_t m = 0; m < out.size(); ++m) out[m] += change(static_cast<Eigen::Index>(m));
    return out;
  }

 private:
  std::vector<double> density_;
  Eigen::MatrixXd matrix_;
  Eigen::VectorXd right_;
};

}  // namespace

ArealDensityEstimator::ArealDensityEstimator(const CountsModel& model, const EffectiveSpectra::Settings& settings)
    : spectra_(model, settings) {
  if (model.materials() < 2 || model.bins() < model.materials())
    throw ConfigError("expected two materials or more and at least as many bins, got " + std::to_string(model.materials()) +
                      " materials and " + std::to_string(model.bins()) + " bins");
  const std::vector<double>& range = spectra_.range();
  for (double r : range) prior_.push_back(1 / (kPriorReach * r * kPriorReach * r));
  // Low, because the linear step overshoots less upwards: chosen over 0.2-0.45 and 0-0.3 of the ranges.
  for (std::size_t m = 0; m < range.size(); ++m) centre_.push_back((m == spectra_.body() ? 0.2 : 0.1) * range[m]);
}

LogTransmission ArealDensityEstimator::at(const EffectiveNodes& nodes, std::span<const double> density) const {
  const std::size_t bins = spectra_.bins(), materials = spectra_.materials();
  LogTransmission out{std::vector<double>(bins), Array<double, 2>({bins, materials})};
  for (std::size_t b = 0; b < bins; ++b) {
    double sum = 0;
    for (std::size_t n = spectra_.first()[b]; n < spectra_.first()[b + 1]; ++n) {
      double exponent = nodes.log_weight[n];
      for (std::size_t m = 0; m < materials; ++m) exponent -= nodes.attenuation(n, m) * density[m];
      sum += std::exp(exponent);
      for (std::size_t m = 0; m < materials; ++m) out.slope(b, m) -= nodes.attenuation(n, m) * std::exp(exponent);
    }
    out.value[b] = std::log(sum);
    for (std::size_t m = 0; m < materials; ++m) out.slope(b, m) /= sum;
  }
  return out;
}

// With shares f_n = t_n/P:  d ln P/d log_weight_n = f_n,  d D/d log_weight_n = -f_n (mu_n + D),
// d ln P/d mu_n = -f_n A,  d D_m/d mu_nl = f_n [(mu_nm + D_m) A_l - delta_ml].
void ArealDensityEstimator::adjoin(const EffectiveNodes& nodes, std::span<const double> density, const LogTransmission& bar,
                                   EffectiveNodes& nodes_bar) const {
  const LogTransmission here = at(nodes, density);
  const std::size_t materials = spectra_.materials();
  for (std::size_t b = 0; b < spectra_.bins(); ++b)
    for (std::size_t n = spectra_.first()[b]; n < spectra_.first()[b + 1]; ++n) {
      double exponent = nodes.log_weight[n] - here.value[b], along = bar.value[b];
      for (std::size_t m = 0; m < materials; ++m) {
        exponent -= nodes.attenuation(n, m) * density[m];
        along -= bar.slope(b, m) * (nodes.attenuation(n, m) + here.slope(b, m));
      }
      const double share = std::exp(exponent);
      nodes_bar.log_weight[n] += share * along;
      for (std::size_t m = 0; m < materials; ++m) nodes_bar.attenuation(n, m) -= share * (along * density[m] + bar.slope(b, m));
    }
}

std::vector<double> ArealDensityEstimator::log_step(const EffectiveNodes& nodes, const MeasuredRay& ray,
                                                    std::span<const double> density) const {
  const LogTransmission here = at(nodes, density);
  NormalEquations equations(density, centre_, prior_);
  for (std::size_t b = 0; b < spectra_.bins(); ++b) {
    const double s = ray.background.empty() ? 0 : ray.background[b];
    const double u = std::max(ray.counts[b] - s, 0.), p = std::max(u, kLeastPrimary), w = u * u / (u + s + 1);
    equations.add(here.slope.block(b), w, w * (std::log(p / ray.open[b]) - here.value[b]));
  }
  return equations.solve();
}

std::vector<double> ArealDensityEstimator::score_step(const EffectiveNodes& nodes, const MeasuredRay& ray,
                                                      std::span<const double> density) const {
  const LogTransmission here = at(nodes, density);
  NormalEquations equations(density, centre_, prior_);
  for (std::size_t b = 0; b < spectra_.bins(); ++b) {
    const double primary = ray.open[b] * std::exp(here.value[b]);
    const double lambda = primary + (ray.background.empty() ? 0 : ray.background[b]);
    equations.add(here.slope.block(b), primary * primary / lambda, primary * (ray.counts[b] / lambda - 1));
  }
  return equations.solve();
}

std::vector<double> ArealDensityEstimator::estimate(const EffectiveNodes& nodes, const MeasuredRay& ray) const {
  std::vector<double> density = centre_;
  for (std::size_t m = 0; m < density.size(); ++m) density = log_step(nodes, ray, density);
  return score_step(nodes, ray, density);
}

}  // namespace counterflow
