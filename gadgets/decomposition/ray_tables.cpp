#include "gadgets/decomposition/ray_tables.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "core/error.h"

namespace counterflow {
namespace {

constexpr std::size_t kStartNodes = 24;
constexpr double kNothing = 1e-9;   // of the largest part of a spectrum that moves
constexpr double kCentreDepth = 3;  // [attenuation lengths]
// Range of the nodes [attenuation lengths]: the most penetrable material (50 cm of water), the others, known attenuators.
constexpr double kLeast = -0.01, kDeepest = 10, kOther = 1, kKnown = 2;

// Detected spectrum of all bins behind `areal_density`.
std::vector<double> spectrum_behind(const Array<double, 2>& mu, const BinWeights& weights,
                                    const std::vector<double>& areal_density) {
  std::vector<double> spectrum(mu.extent(1), 0.);
  for (std::size_t e = 0; e < spectrum.size(); ++e) {
    double x = 0;
    for (std::size_t m = 0; m < mu.extent(0); ++m) x += mu(m, e) * areal_density[m];
    for (std::size_t b = 0; b < weights.weight.extent(0); ++b) spectrum[e] += weights.weight(b, e) * std::exp(-x);
  }
  return spectrum;
}

std::vector<double> attenuation_lengths(const Array<double, 2>& mu, const std::vector<double>& spectrum) {
  std::vector<double> lengths;
  double total = 0;
  for (double w : spectrum) total += w;
  for (std::size_t m = 0; m < mu.extent(0); ++m) {
    double mean = 0;
    for (std::size_t e = 0; e < spectrum.size(); ++e) mean += mu(m, e) * spectrum[e] / total;
    lengths.push_back(1 / mean);
  }
  return lengths;
}

double largest(const std::vector<double>& values) { return *std::ranges::max_element(values); }

Array<double, 2> stacked(const Array<double, 2>& a, const Array<double, 2>& b) {
  Array<double, 2> out({a.extent(0) + b.extent(0), a.extent(1)});
  std::ranges::copy(b, std::ranges::copy(a, out.begin()).out);
  return out;
}

// [i, j] divided by [i].
Array<double, 2> per(Array<double, 2> a, const std::vector<double>& divisor) {
  for (std::size_t i = 0; i < a.extent(0); ++i)
    for (double& v : a.block(i)) v /= divisor[i];
  return a;
}

// [j, i] of [i, j].
template <class Real>
std::vector<Real> transposed(const Array<double, 2>& a, double factor = 1) {
  std::vector<Real> t;
  for (std::size_t j = 0; j < a.extent(1); ++j)
    for (std::size_t i = 0; i < a.extent(0); ++i) t.push_back(static_cast<Real>(factor * a(i, j)));
  return t;
}

// sum_E spectrum exp(-mu A), and the same with mu_m of each material.
std::vector<double> sums_behind(const Array<double, 2>& mu, const std::vector<double>& areal_density,
                                std::span<const double> spectrum) {
  std::vector<double> sums(1 + mu.extent(0));
  for (std::size_t e = 0; e < spectrum.size(); ++e) {
    double x = 0;
    for (std::size_t m = 0; m < mu.extent(0); ++m) x += mu(m, e) * areal_density[m];
    const double t = spectrum[e] * std::exp(-x);
    sums[0] += t;
    for (std::size_t m = 0; m < mu.extent(0); ++m) sums[1 + m] += mu(m, e) * t;
  }
  return sums;
}

}  // namespace

RayPlan plan_rays(const Array<double, 2>& attenuation, const BinWeights& weights, const Array<double, 2>& known,
                  std::size_t quadrature, const std::array<double, kMaxKnown>& most_known) {
  RayPlan plan{attenuation, known, {}, std::vector<double>(attenuation.extent(0)), {}, {}, {}};
  plan.unit = attenuation_lengths(attenuation, spectrum_behind(attenuation, weights, plan.centre));
  const auto body = static_cast<std::size_t>(std::ranges::max_element(plan.unit) - plan.unit.begin());
  plan.centre[body] = kCentreDepth * plan.unit[body];
  const auto spectrum = spectrum_behind(attenuation, weights, plan.centre);
  plan.unit = attenuation_lengths(attenuation, spectrum);
  for (std::size_t m = 0; m < plan.unit.size(); ++m) {
    plan.range.least.push_back(kLeast * plan.unit[m]);
    plan.range.most.push_back((m == body ? kDeepest : kOther) * plan.unit[m]);
  }
  for (std::size_t k = 0; k < known.extent(0); ++k) {
    plan.range.least.push_back(0);
    plan.range.most.push_back(most_known.at(k) > 0 ? most_known.at(k) : kKnown * attenuation_lengths(known, spectrum)[k]);
  }
  const Array<double, 2> all = stacked(attenuation, known), share = per(weights.weight, weights.total);
  plan.start = choose_nodes(all, share, plan.range, kStartNodes);
  if (quadrature > 0) plan.full = choose_nodes(all, share, plan.range, quadrature);
  return plan;
}

NodeError quadrature_error(const RayPlan& plan, const BinWeights& weights) {
  return node_error(plan.full, stacked(plan.attenuation, plan.known), plan.attenuation.extent(0), weights.weight, plan.range);
}

ThresholdMoves plan_moves(const RayPlan& plan, double largest, const std::function<BinWeights(double)>& weights_at) {
  return fit_moves(weights_at, largest, stacked(plan.attenuation, plan.known), plan.range);
}

template <class Real>
RayTables<Real>::RayTables(const RayPlan& plan, const BinWeights& weights, const BinWeights& air, bool air_moves)
    : RayTables(plan, weights, air, air_moves, air.total) {}

template <class Real>
RayTables<Real>::RayTables(const RayPlan& plan, const BinWeights& nominal, const ThresholdMoves& moves, bool air_moves)
    : RayTables(plan, nominal, nominal, air_moves, std::vector<double>(nominal.total.size(), largest(nominal.total))) {
  largest_shift_ = moves.largest;
  for (std::size_t k = 0; k < bins_; ++k) {
    Array<double, 2> power({kMovePowers, moves.power.extent(2)});
    std::ranges::transform(moves.power.block(k), power.begin(), [&](double v) { return v / largest(nominal.total); });
    add_move(plan.full.energy.empty() ? power : plan.full.weights(power), full_);
    add_move(plan.start.weights(power), coarse_);
  }
}

template <class Real>
void RayTables<Real>::add_move(const Array<double, 2>& power, Spectra& s) {
  double most = 0;
  for (double v : power) most = std::max(most, std::abs(v));
  std::size_t from = s.energies;
  for (std::size_t e = s.energies; e-- > 0;)
    for (std::size_t n = 0; n < kMovePowers; ++n)
      if (std::abs(power(n, e)) > kNothing * most) from = e;
  s.moved_from.push_back(from);
  const auto values = transposed<Real>(power);
  s.move.insert(s.move.end(), values.begin(), values.end());
}

template <class Real>
RayTables<Real>::RayTables(const RayPlan& plan, const BinWeights& weights, const BinWeights& air, bool air_moves,
                           const std::vector<double>& unit)
    : bins_(weights.weight.extent(0)), materials_(plan.attenuation.extent(0)), air_moves_(air_moves) {
  const bool all = plan.full.energy.empty();
  const auto weights_of = [&](const Array<double, 2>& spectra) { return all ? spectra : plan.full.weights(spectra); };
  const auto values_of = [&](const Array<double, 2>& mu) { return all ? mu : plan.full.values(mu); };
  const Array<double, 2> share = per(weights.weight, unit);
  full_ = spectra(values_of(plan.attenuation), weights_of(share), values_of(plan.known));
  coarse_ = spectra(plan.start.values(plan.attenuation), plan.start.weights(share), plan.start.values(plan.known));
  set_centre(plan, share, weights.edge);
  if (!plan.known.empty()) air_weight_ = transposed<Real>(weights_of(per(air.weight, unit)));
  const double scale = largest(air.total);
  for (double total : air.total) per_total_.push_back(static_cast<Real>(scale / total));
  if (weights.edge.empty()) return;
  thresholds_ = weights.edge.extent(0);
  full_.edge = transposed<Real>(weights_of(weights.edge), 1 / scale);
  coarse_.edge = transposed<Real>(plan.start.weights(weights.edge), 1 / scale);
  for (Real& v : centre_edge_) v /= static_cast<Real>(scale);
  for (double total : weights.edge_total) edge_total_.push_back(static_cast<Real>(total / scale));
}

template <class Real>
auto RayTables<Real>::spectra(const Array<double, 2>& attenuation, const Array<double, 2>& weight, const Array<double, 2>& known)
    -> Spectra {
  if (attenuation.extent(1) > kMaxEnergies)
    throw ConfigError("MaximumLikelihood: expected at most " + std::to_string(kMaxEnergies) + " energies, got " +
                      std::to_string(attenuation.extent(1)) + "; raise energy_step");
  if (known.extent(0) > kMaxKnown)
    throw ConfigError("MaximumLikelihood: expected at most " + std::to_string(kMaxKnown) + " known attenuators, got " +
                      std::to_string(known.extent(0)));
  return {.exponent = transposed<Real>(attenuation, -1 / std::log(2.)),
          .attenuation = transposed<Real>(attenuation),
          .weight = transposed<Real>(weight),
          .known_exponent = transposed<Real>(known, -1 / std::log(2.)),
          .move = {},
          .edge = {},
          .moved_from = {},
          .energies = attenuation.extent(1),
          .known = known.extent(0)};
}

// Value and logarithmic slope of each bin at the centre; value and slope of each threshold's edge there.
template <class Real>
void RayTables<Real>::set_centre(const RayPlan& plan, const Array<double, 2>& weight, const Array<double, 2>& edge) {
  for (double u : plan.unit) unit_.push_back(static_cast<Real>(u));
  for (double a : plan.centre) centre_.push_back(static_cast<Real>(a));
  for (std::size_t b = 0; b < bins_; ++b) {
    const std::vector<double> sums = sums_behind(plan.attenuation, plan.centre, weight.block(b));
    centre_value_.push_back(static_cast<Real>(sums[0]));
    for (std::size_t m = 0; m < materials_; ++m) centre_slope_.push_back(static_cast<Real>(sums[1 + m] / sums[0]));
  }
  for (std::size_t k = 0; k < edge.extent(0); ++k)
    for (double sum : sums_behind(plan.attenuation, plan.centre, edge.block(k))) centre_edge_.push_back(static_cast<Real>(sum));
}

template <class Real>
RaySpectra<Real> RayTables<Real>::Spectra::view() const {
  return {.energies = energies,
          .exponent = exponent.data(),
          .attenuation = attenuation.data(),
          .weight = weight.data(),
          .known = known,
          .known_exponent = known_exponent.data(),
          .move = move.empty() ? nullptr : move.data(),
          .moved_from = moved_from.data(),
          .edge = edge.data()};
}

template <class Real>
RaySystem<Real> RayTables<Real>::system() const {
  RaySystem<Real> s;
  s.bins = bins_;
  s.materials = materials_;
  s.full = full_.view();
  s.coarse = coarse_.view();
  s.unit = unit_.data();
  s.centre = centre_.data();
  s.centre_value = centre_value_.data();
  s.centre_slope = centre_slope_.data();
  s.thresholds = thresholds_;
  s.centre_edge = centre_edge_.data();
  s.per_total = per_total_.data();
  s.edge_total = air_moves_ ? edge_total_.data() : nullptr;
  s.air_weight = air_weight_.data();
  s.largest_shift = static_cast<Real>(largest_shift_);
  return s;
}

template <class Real>
std::size_t RayTables<Real>::bytes() const {
  return sizeof(Real) * (2 * full_.attenuation.size() + full_.weight.size() + 2 * coarse_.attenuation.size() +
                         coarse_.weight.size() + full_.edge.size() + coarse_.edge.size() + centre_edge_.size() +
                         air_weight_.size() + full_.move.size() + coarse_.move.size() + bins_ * (materials_ + 2));
}

template class RayTables<float>;
template class RayTables<double>;

}  // namespace counterflow
