#include "core/physics/effective_spectra.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>

#include "core/error.h"
#include "core/physics/node_fit.h"
#include "core/text.h"

namespace counterflow {
namespace {

using Matrix = NodeFit::Matrix;
using Vector = NodeFit::Vector;

constexpr double kBelow = 0.15;        // of the range, below zero
constexpr double kLengths = 10;        // attenuation lengths of the body
constexpr double kOtherLengths = 3;    // of the other materials
constexpr std::size_t kMostNodes = 8;  // of a bin
constexpr int kIterations = 100;
constexpr double kTolerance = 0.1;     // of the standard deviation of an efficient estimate
constexpr double kLeastCounts = 1e-3;  // errors where fewer counts are expected are held against this
constexpr int kShiftIterations = 6;
constexpr double kHold = 2e-4;  // keeps shifted nodes near the nominal ones, where the data do not care

Eigen::Index index(std::size_t i) { return static_cast<Eigen::Index>(i); }

// Attenuation length of each material in all that is detected behind `a` [g/cm^2].
std::vector<double> attenuation_lengths(const CountsModel& model, const std::vector<double>& a) {
  const RayModel ray = model.ray(model.nominal(), std::vector<double>(model.bins(), 1.), {}, a);
  std::vector<double> out;
  for (std::size_t m = 0; m < a.size(); ++m) {
    double counts = 0, slope = 0;
    for (std::size_t b = 0; b < ray.lambda.size(); ++b) {
      counts += ray.lambda[b];
      slope -= ray.slope(b, m);
    }
    out.push_back(counts / slope);
  }
  return out;
}

std::size_t most_penetrable(const CountsModel& model) {
  const std::vector<double> length = attenuation_lengths(model, std::vector<double>(model.materials(), 0.));
  return static_cast<std::size_t>(std::max_element(length.begin(), length.end()) - length.begin());
}

// [point, material] Chebyshev nodes of the box -0.15..1 times the range.
Matrix chebyshev_grid(const std::vector<double>& range) {
  const std::size_t axis = range.size() == 2 ? 14 : 8;
  std::size_t points = 1;
  for (std::size_t m = 0; m < range.size(); ++m) points *= axis;
  Matrix grid(index(points), index(range.size()));
  for (std::size_t p = 0; p < points; ++p)
    for (std::size_t m = 0, rest = p; m < range.size(); ++m, rest /= axis) {
      const double u = std::cos(std::numbers::pi * (static_cast<double>(rest % axis) + 0.5) / static_cast<double>(axis));
      grid(index(p), index(m)) = range[m] * ((1 - kBelow) / 2 + (1 + kBelow) / 2 * u);
    }
  return grid;
}

using Orders = std::array<double, EffectiveSpectra::kOrders>;
Orders orders(double x, double y) { return {x, y, x * x, x * y, y * y, x * x * x, x * x * y, x * y * y, y * y * y}; }
Orders along_x(double x, double y) { return {1, 0, 2 * x, y, 0, 3 * x * x, 2 * x * y, y * y, 0}; }
Orders along_y(double x, double y) { return {0, 1, 0, x, 2 * y, 0, x * x, 2 * x * y, 3 * y * y}; }

// The shifts of a bin's two edges; the upper end of the last bin does not move.
std::pair<double, double> edges(std::span<const double> shift, std::size_t bin) {
  return {shift[bin], bin + 1 < shift.size() ? shift[bin + 1] : 0.};
}

}  // namespace

// The model over a grid of areal densities, and the fits to it.
class EffectiveSpectra::Fit {
 public:
  Fit(const CountsModel& model, const std::vector<double>& range, const Settings& settings)
      : model_(model), range_(range), air_moves_(settings.air_moves), grid_(chebyshev_grid(range)) {
    const Array<double, 2>& mu = model.attenuation();
    transmission_ = (-grid_ * Eigen::Map<const Matrix>(mu.data(), index(mu.extent(0)), index(mu.extent(1)))).array().exp();
    const std::vector<double>& total = model.nominal().total;
    open_ = settings.counts / std::accumulate(total.begin(), total.end(), 0.);
  }

  // Logarithms [node, 1 + material] of weights and attenuations, with the largest error.
  std::pair<Vector, double> bin(std::size_t b) const {
    const NodeFit fit = fit_of(b, model_.nominal());
    const double tolerance = kTolerance / std::sqrt(static_cast<double>(model_.bins()));
    std::pair<Vector, double> best{grouped(b, 1), 1e300};
    for (std::size_t n = 1; n <= kMostNodes && !(best.second < tolerance); ++n)
      for (const Vector& start : {grouped(b, n), n == 1 ? best.first : split(best.first)}) {
        Vector x = fit.solve(start, kIterations);
        if (const double error = fit.largest_error(x); error < best.second) best = {std::move(x), error};
      }
    return best;
  }

  // [order][node, 1 + material]: change of log_weight and attenuation with the shifts of the bin's edges up to `reach` keV.
  Matrix shifts(std::size_t b, const Vector& nominal, double reach) const {
    constexpr std::array<double, 4> samples = {-1, -1. / 3, 1. / 3, 1};
    Matrix basis(16, index(kOrders)), change(16, nominal.size());
    Eigen::Index row = 0;
    for (const double i : samples)
      for (const double j : samples) {
        std::vector<double> shift(model_.bins(), j * reach);
        shift[b] = i * reach;
        const Vector moved = fit_of(b, model_.shifted(shift)).solve(nominal, kShiftIterations, kHold);
        basis.row(row) = Eigen::Map<const Eigen::RowVectorXd>(orders(i * reach, b + 1 < model_.bins() ? j * reach : 0.).data(),
                                                              index(kOrders));
        change.row(row++) = values(moved) - values(nominal);
      }
    return basis.completeOrthogonalDecomposition().solve(change);
  }

  // log_weight and attenuation [node, 1 + material] of logarithms.
  Vector values(Vector x) const {
    for (Eigen::Index k = 0; k < x.size(); ++k)
      if (k % index(1 + range_.size()) != 0) x(k) = std::exp(x(k));
    return x;
  }

 private:
  // Errors of ln P_b are held against 1/sqrt(expected counts).
  NodeFit fit_of(std::size_t b, const BinWeights& weights) const {
    const std::vector<double>& total = air_moves_ ? weights.total : model_.nominal().total;
    const Eigen::Map<const Vector> weight(weights.weight.block(b).data(), index(weights.weight.extent(1)));
    const Vector p = (transmission_ * weight / total[b]).cwiseMax(1e-300);
    return NodeFit(grid_, p.array().log(), (open_ * model_.nominal().total[b] * p.array().min(1.)).max(kLeastCounts).sqrt());
  }

  // A start: groups of energies of about the same error, borders as dense as (spectrum x change of attenuation^2)^(1/3).
  Vector grouped(std::size_t b, std::size_t groups) const {
    const Array<double, 2>& mu = model_.attenuation();
    const auto weight = model_.nominal().weight.block(b);
    const std::size_t stride = 1 + range_.size();
    std::vector<double> sum(weight.size(), 0.);
    for (std::size_t e = 1; e < sum.size(); ++e) {
      double change = 0;
      for (std::size_t m = 0; m < range_.size(); ++m) change += std::abs(mu(m, e) - mu(m, e - 1)) * range_[m];
      sum[e] = sum[e - 1] + std::cbrt(std::max({weight[e], weight[e - 1], 0.}) * change * change);
    }
    Matrix out = Matrix::Zero(index(groups), index(stride));
    for (std::size_t e = 0; e < sum.size(); ++e) {
      const double place = static_cast<double>(groups) * sum[e] / std::max(sum.back(), 1e-300);
      const Eigen::Index g = index(std::min(groups - 1, static_cast<std::size_t>(place)));
      const double w = std::max(weight[e] / model_.nominal().total[b], 1e-9);
      out(g, 0) += w;
      for (std::size_t m = 0; m < range_.size(); ++m) out(g, index(1 + m)) += w * mu(m, e);
    }
    for (Eigen::Index g = 0; g < out.rows(); ++g)
      for (Eigen::Index m = out.cols() - 1; m >= 0; --m)
        out(g, m) = std::log(std::max(m == 0 ? out(g, 0) : out(g, m) / std::max(out(g, 0), 1e-9), 1e-9));
    return Eigen::Map<const Vector>(out.data(), out.size());
  }

  // One node more: the heaviest in two halves, one harder and one softer.
  Vector split(const Vector& x) const {
    const Eigen::Index stride = index(1 + range_.size()), nodes = x.size() / stride;
    Eigen::Index heaviest = 0;
    for (Eigen::Index n = 1; n < nodes; ++n)
      if (x(n * stride) > x(heaviest * stride)) heaviest = n;
    Vector out(x.size() + stride);
    out << x, x.segment(heaviest * stride, stride);
    for (Eigen::Index m = 0; m < stride; ++m) {
      const double change = m == 0 ? -std::log(2.) : 0.1;
      out(heaviest * stride + m) += change;
      out(nodes * stride + m) += m == 0 ? change : -change;
    }
    return out;
  }

  const CountsModel& model_;
  const std::vector<double>& range_;
  bool air_moves_;
  Matrix grid_, transmission_;  // [point, material], [point, energy]
  double open_ = 0;             // open-beam counts over the sum of a bin's weights
};

std::vector<double> EffectiveSpectra::default_range(const CountsModel& model) {
  const std::size_t body = most_penetrable(model);
  std::vector<double> a(model.materials(), 0.);
  a[body] = kOtherLengths * attenuation_lengths(model, a)[body];  // hardened as in the middle of the range
  a = attenuation_lengths(model, a);
  for (std::size_t m = 0; m < a.size(); ++m) a[m] *= m == body ? kLengths : kOtherLengths;
  return a;
}

EffectiveSpectra::EffectiveSpectra(const CountsModel& model, const Settings& settings)
    : range_(settings.largest.empty() ? default_range(model) : settings.largest), body_(most_penetrable(model)) {
  if (range_.size() != model.materials())
    throw ConfigError("expected a range for each of " + std::to_string(model.materials()) + " materials, got " +
                      std::to_string(range_.size()));
  for (double r : range_)
    if (!(r > 0)) throw ConfigError("expected ranges of areal density above 0 g/cm^2, got " + number_text(r));
  const Fit fit(model, range_, settings);
  const std::size_t stride = 1 + materials();
  std::vector<Vector> logarithms;
  std::vector<double> attenuation;
  for (std::size_t b = 0; b < model.bins(); ++b) {
    auto [x, error] = fit.bin(b);
    const Vector values = fit.values(x);
    for (Eigen::Index k = 0; k < values.size(); ++k)
      (k % index(stride) == 0 ? nominal_.log_weight : attenuation).push_back(values(k));
    first_.push_back(nominal_.log_weight.size());
    error_ = std::hypot(error_, error);
    logarithms.push_back(std::move(x));
  }
  nominal_.attenuation = Array<double, 2>({nodes(), materials()});
  nominal_.attenuation.values() = std::move(attenuation);
  if (!model.has_thresholds()) return;
  largest_shift_ = kLargestShift;
  for (std::size_t k = 1; k < model.thresholds().size(); ++k)
    largest_shift_ = std::min(largest_shift_, (model.thresholds()[k] - model.thresholds()[k - 1]) / 3);
  response_ = Array<double, 3>({kOrders, nodes(), stride});
  for (std::size_t b = 0; b < bins(); ++b) {
    const Matrix change = fit.shifts(b, logarithms[b], largest_shift_);
    for (std::size_t o = 0; o < kOrders; ++o)
      for (Eigen::Index k = 0; k < change.cols(); ++k)
        response_.block(o)[first_[b] * stride + static_cast<std::size_t>(k)] = change(index(o), k);
  }
}

EffectiveNodes EffectiveSpectra::shifted(const EffectiveNodes& nodes, std::span<const double> shift) const {
  if (largest_shift_ == 0) throw DataError("thresholds cannot move where the spectra of the bins come from a file");
  for (double s : shift)
    if (!(std::abs(s) <= largest_shift_))
      throw DataError("expected threshold shifts within +-" + number_text(largest_shift_) + " keV, got " + number_text(s) +
                      " keV; MaximumLikelihood follows larger ones");
  EffectiveNodes out = nodes;
  for (std::size_t b = 0; b < bins(); ++b) {
    const auto [x, y] = edges(shift, b);
    const Orders o = orders(x, y);
    for (std::size_t n = first_[b]; n < first_[b + 1]; ++n)
      for (std::size_t k = 0; k < kOrders; ++k) {
        out.log_weight[n] += o[k] * response_(k, n, 0);
        for (std::size_t m = 0; m < materials(); ++m) out.attenuation(n, m) += o[k] * response_(k, n, 1 + m);
      }
  }
  return out;
}

void EffectiveSpectra::adjoin_shift(std::span<const double> shift, const EffectiveNodes& bar, std::span<double> shift_bar) const {
  for (std::size_t b = 0; b < bins(); ++b) {
    const auto [x, y] = edges(shift, b);
    const Orders dx = along_x(x, y), dy = along_y(x, y);
    for (std::size_t k = 0; k < kOrders; ++k) {
      double sum = 0;
      for (std::size_t n = first_[b]; n < first_[b + 1]; ++n) {
        sum += response_(k, n, 0) * bar.log_weight[n];
        for (std::size_t m = 0; m < materials(); ++m) sum += response_(k, n, 1 + m) * bar.attenuation(n, m);
      }
      shift_bar[b] += dx[k] * sum;
      if (b + 1 < bins()) shift_bar[b + 1] += dy[k] * sum;
    }
  }
}

}  // namespace counterflow
