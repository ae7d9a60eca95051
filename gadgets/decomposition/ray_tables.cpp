#include "gadgets/decomposition/ray_tables.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace counterflow {
namespace {

constexpr double kGroups = 16;
constexpr double kCentreDepth = 3;  // [attenuation lengths]

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

// Groups of equal error: borders as dense as (spectrum * (change of attenuation)^2)^(1/3), as in companding quantisers.
std::vector<std::size_t> borders(const Array<double, 2>& mu, const std::vector<double>& spectrum,
                                 const std::vector<double>& unit) {
  const std::size_t energies = spectrum.size();
  std::vector<double> sum(energies, 0.);
  for (std::size_t e = 1; e < energies; ++e) {
    double change = 0;
    for (std::size_t m = 0; m < unit.size(); ++m) change += std::abs(mu(m, e) - mu(m, e - 1)) * unit[m];
    sum[e] = sum[e - 1] + std::cbrt(std::max(spectrum[e], spectrum[e - 1]) * change * change);
  }
  const auto share = [&](std::size_t e) {
    return std::floor(std::min(kGroups * sum[e] / std::max(sum.back(), 1e-300), kGroups - 1));
  };
  std::vector<std::size_t> group(energies, 0);
  for (std::size_t e = 1; e < energies; ++e) group[e] = group[e - 1] + (share(e) > share(e - 1) ? 1 : 0);
  return group;
}

// [group, row of mu] mean over each group, weighted by `spectrum`.
Array<double, 2> group_means(const Array<double, 2>& mu, const std::vector<std::size_t>& group,
                             const std::vector<double>& spectrum) {
  const std::size_t count = group.back() + 1;
  const double least = 1e-30 * *std::max_element(spectrum.begin(), spectrum.end());
  Array<double, 2> mean({count, mu.extent(0)});
  std::vector<double> total(count, 0.);
  for (std::size_t e = 0; e < group.size(); ++e) total[group[e]] += spectrum[e] + least;
  for (std::size_t e = 0; e < group.size(); ++e)
    for (std::size_t m = 0; m < mu.extent(0); ++m) mean(group[e], m) += mu(m, e) * (spectrum[e] + least) / total[group[e]];
  return mean;
}

Array<double, 2> transposed(const Array<double, 2>& a) {
  Array<double, 2> t({a.extent(1), a.extent(0)});
  for (std::size_t i = 0; i < a.extent(0); ++i)
    for (std::size_t j = 0; j < a.extent(1); ++j) t(j, i) = a(i, j);
  return t;
}

}  // namespace

EnergyGroups group_energies(const Array<double, 2>& attenuation, const BinWeights& weights, const Array<double, 2>& known) {
  const std::size_t materials = attenuation.extent(0);
  EnergyGroups groups;
  groups.centre.assign(materials, 0.);
  groups.unit = attenuation_lengths(attenuation, spectrum_behind(attenuation, weights, groups.centre));
  const auto body = static_cast<std::size_t>(std::max_element(groups.unit.begin(), groups.unit.end()) - groups.unit.begin());
  groups.centre[body] = kCentreDepth * groups.unit[body];
  const auto spectrum = spectrum_behind(attenuation, weights, groups.centre);
  groups.unit = attenuation_lengths(attenuation, spectrum);
  groups.group = borders(attenuation, spectrum, groups.unit);
  groups.attenuation = group_means(attenuation, groups.group, spectrum);
  groups.known = group_means(known, groups.group, spectrum);
  return groups;
}

template <class Real>
RayTables<Real>::RayTables(const Array<double, 2>& attenuation, const BinWeights& weights, const BinWeights& air, bool air_moves,
                           const EnergyGroups& groups, const Array<double, 2>& known)
    : bins_(weights.weight.extent(0)), materials_(attenuation.extent(0)), air_moves_(air_moves) {
  const std::size_t energies = attenuation.extent(1), count = groups.attenuation.extent(0);
  Array<double, 2> full({energies, bins_}), coarse({count, bins_});
  for (std::size_t e = 0; e < energies; ++e)
    for (std::size_t b = 0; b < bins_; ++b) {
      full(e, b) = weights.weight(b, e) / air.total[b];
      coarse(groups.group[e], b) += full(e, b);
      if (!known.empty()) air_weight_.push_back(static_cast<Real>(air.weight(b, e) / air.total[b]));
    }
  full_ = spectra(transposed(attenuation), full, transposed(known));
  coarse_ = spectra(groups.attenuation, coarse, groups.known);
  set_centre(transposed(attenuation), full, groups);
  const double scale = *std::max_element(air.total.begin(), air.total.end());
  for (double total : air.total) per_total_.push_back(static_cast<Real>(scale / total));
  if (weights.edge.empty()) return;
  thresholds_ = weights.edge.extent(0);
  for (std::size_t e = 0; e < energies; ++e)
    for (std::size_t k = 0; k < thresholds_; ++k) edge_.push_back(static_cast<Real>(weights.edge(k, e) / scale));
  for (double total : weights.edge_total) edge_total_.push_back(static_cast<Real>(total / scale));
}

template <class Real>
auto RayTables<Real>::spectra(const Array<double, 2>& attenuation, const Array<double, 2>& weight, const Array<double, 2>& known)
    -> Spectra {
  if (attenuation.extent(0) > kMaxEnergies)
    throw ConfigError("MaximumLikelihood: expected at most " + std::to_string(kMaxEnergies) + " energies, got " +
                      std::to_string(attenuation.extent(0)) + "; raise energy_step");
  if (known.extent(1) > kMaxKnown)
    throw ConfigError("MaximumLikelihood: expected at most " + std::to_string(kMaxKnown) + " known attenuators, got " +
                      std::to_string(known.extent(1)));
  Spectra s;
  s.energies = attenuation.extent(0);
  s.known = known.extent(1);
  for (double nu : known) s.known_exponent.push_back(static_cast<Real>(-nu / std::log(2.)));
  for (double mu : attenuation) {
    s.exponent.push_back(static_cast<Real>(-mu / std::log(2.)));
    s.attenuation.push_back(static_cast<Real>(mu));
  }
  for (double w : weight) s.weight.push_back(static_cast<Real>(w));
  return s;
}

// Value and logarithmic slope of each bin at the centre.
template <class Real>
void RayTables<Real>::set_centre(const Array<double, 2>& mu, const Array<double, 2>& weight, const EnergyGroups& groups) {
  for (double u : groups.unit) unit_.push_back(static_cast<Real>(u));
  for (double a : groups.centre) centre_.push_back(static_cast<Real>(a));
  for (std::size_t b = 0; b < bins_; ++b) {
    double value = 0;
    std::vector<double> slope(materials_, 0.);
    for (std::size_t e = 0; e < mu.extent(0); ++e) {
      double x = 0;
      for (std::size_t m = 0; m < materials_; ++m) x += mu(e, m) * groups.centre[m];
      const double t = weight(e, b) * std::exp(-x);
      value += t;
      for (std::size_t m = 0; m < materials_; ++m) slope[m] += mu(e, m) * t;
    }
    centre_value_.push_back(static_cast<Real>(value));
    for (double s : slope) centre_slope_.push_back(static_cast<Real>(s / value));
  }
}

template <class Real>
RaySpectra<Real> RayTables<Real>::Spectra::view() const {
  return {.energies = energies,
          .exponent = exponent.data(),
          .attenuation = attenuation.data(),
          .weight = weight.data(),
          .known = known,
          .known_exponent = known_exponent.data()};
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
  s.edge = edge_.data();
  s.per_total = per_total_.data();
  s.edge_total = air_moves_ ? edge_total_.data() : nullptr;
  s.air_weight = air_weight_.data();
  return s;
}

template <class Real>
std::size_t RayTables<Real>::bytes() const {
  return sizeof(Real) * (2 * full_.attenuation.size() + full_.weight.size() + 2 * coarse_.attenuation.size() +
                         coarse_.weight.size() + edge_.size() + air_weight_.size() + bins_ * (materials_ + 2));
}

template class RayTables<float>;
template class RayTables<double>;

}  // namespace counterflow
