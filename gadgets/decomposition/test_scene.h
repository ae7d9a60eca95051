// Spectra for tests and benchmarks of the kernels: a tube at 120 kV behind a filter, a detector with Gaussian energy resolution.
// Its thresholds have derivatives in closed form. And the likelihood of one ray by plain loops in double.
#pragma once
#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>
#include <string>
#include <vector>

#include "core/physics/material.h"
#include "gadgets/decomposition/ray_tables.h"

namespace counterflow::testing {

struct Scene {
  std::vector<double> energies, thresholds;
  Array<double, 2> attenuation;  // [material, energy]

  Scene(const std::vector<std::string>& names, std::size_t bins, double energy_step = 1) {
    for (double kev = 20 + energy_step / 2; kev < kVoltage; kev += energy_step) energies.push_back(kev);
    for (std::size_t b = 0; b < bins; ++b) thresholds.push_back(25 + 65 * static_cast<double>(b) / static_cast<double>(bins));
    attenuation = Array<double, 2>({names.size(), energies.size()});
    for (std::size_t m = 0; m < names.size(); ++m)
      std::ranges::copy(cell_attenuation(find_material(names[m]), energies, energy_step), attenuation.block(m).begin());
  }
  std::size_t bins() const { return thresholds.size(); }
  std::size_t materials() const { return attenuation.extent(0); }

  BinWeights weights(const std::vector<double>& shift = {}) const {
    const std::size_t n = bins(), count = energies.size();
    BinWeights w{Array<double, 2>({n, count}), Array<double, 2>({n, count}), std::vector<double>(n), std::vector<double>(n)};
    for (std::size_t e = 0; e < count; ++e)
      for (std::size_t b = 0; b < n; ++b) {
        const auto t = [&](std::size_t k) { return thresholds[k] + (shift.empty() ? 0 : shift[k]); };
        const double z = (t(b) - energies[e]) / kSigma;
        w.weight(b, e) = photons(energies[e]) * (above(t(b), energies[e]) - (b + 1 < n ? above(t(b + 1), energies[e]) : 0));
        w.edge(b, e) = photons(energies[e]) * std::exp(-z * z / 2) / (kSigma * std::sqrt(2 * std::numbers::pi));
        w.total[b] += w.weight(b, e);
        w.edge_total[b] += w.edge(b, e);
      }
    return w;
  }

 private:
  static constexpr double kSigma = 3, kVoltage = 120;  // [keV]
  static double above(double threshold, double energy) {
    return std::erfc((threshold - energy) / kSigma / std::numbers::sqrt2) / 2;
  }
  // Bremsstrahlung behind 8 mm of aluminium, whose attenuation is near 0.13 (60 / E)^3 + 0.15 cm^2/g.
  static double photons(double kev) {
    return std::pow(kVoltage / kev - 1, 0.9) * std::exp(-2.16 * (0.13 * std::pow(60 / kev, 3) + 0.15));
  }
};

// Expected counts, gradient, Fisher matrix and Hessian of the likelihood of one ray by plain loops in double.
struct PlainRay {
  std::vector<double> lambda;
  Array<double, 2> slope;                         // [bin, material]
  std::vector<double> gradient, fisher, hessian;  // [material], [material, material]
  double likelihood = 0;
};
inline PlainRay plain_ray(const Array<double, 2>& mu, const BinWeights& w, const std::vector<double>& air_total,
                          const std::vector<double>& open, const std::vector<double>& background,
                          const std::vector<double>& counts, const std::vector<double>& a) {
  const std::size_t bins = open.size(), materials = a.size();
  PlainRay r{std::vector<double>(bins), Array<double, 2>({bins, materials}), std::vector<double>(materials),
             std::vector<double>(materials * materials), std::vector<double>(materials * materials)};
  for (std::size_t b = 0; b < bins; ++b) {
    std::vector<double> second(materials * materials);
    r.lambda[b] = background.empty() ? 0 : background[b];
    for (std::size_t e = 0; e < mu.extent(1); ++e) {
      double x = 0;
      for (std::size_t m = 0; m < materials; ++m) x += mu(m, e) * a[m];
      const double t = open[b] * w.weight(b, e) / air_total[b] * std::exp(-x);
      r.lambda[b] += t;
      for (std::size_t m = 0; m < materials; ++m) {
        r.slope(b, m) -= mu(m, e) * t;
        for (std::size_t n = 0; n < materials; ++n) second[m * materials + n] += mu(m, e) * mu(n, e) * t;
      }
    }
    const double ratio = counts[b] / r.lambda[b];
    r.likelihood += r.lambda[b] - counts[b] + (counts[b] > 0 ? counts[b] * std::log(ratio) : 0);  // deviance / 2
    for (std::size_t m = 0; m < materials; ++m) {
      r.gradient[m] += (1 - ratio) * r.slope(b, m);
      for (std::size_t n = 0; n < materials; ++n) {
        const double f = r.slope(b, m) * r.slope(b, n) / r.lambda[b];
        r.fisher[m * materials + n] += f;
        r.hessian[m * materials + n] += ratio * f + (1 - ratio) * second[m * materials + n];
      }
    }
  }
  return r;
}

// Rays side by side, as the kernels take them, all arrays [.., ray].
template <class Real>
struct Rays {
  std::size_t count = 0;
  std::vector<double> truth;  // [material, ray]
  std::vector<Real> counts, open, background, known, density, covariance;
  std::vector<std::uint8_t> fate;

  // `total`: open-beam counts of a ray, all bins together; areal densities uniform from `low` to `high`.
  Rays(const Scene& scene, std::size_t rays, double total, std::vector<double> low, std::vector<double> high, bool noisy,
       double scatter, std::mt19937_64& random)
      : count(rays),
        truth(low.size() * rays),
        counts(scene.bins() * rays),
        open(counts.size()),
        background(scatter > 0 ? counts.size() : 0),
        density(truth.size()),
        covariance(low.size() * (low.size() + 1) / 2 * rays),
        fate(rays, kSolved) {
    const BinWeights w = scene.weights();
    double sum = 0;
    for (double t : w.total) sum += t;
    std::vector<double> a, primary, o(scene.bins()), none(scene.bins(), 1.);
    for (std::size_t i = 0; i < rays; ++i) {
      const std::vector<double> before = a;
      a.resize(low.size());
      for (std::size_t m = 0; m < a.size(); ++m)
        truth[m * rays + i] = a[m] = low[m] + (high[m] - low[m]) * std::uniform_real_distribution<>()(random);
      for (std::size_t b = 0; b < o.size(); ++b) o[b] = total * w.total[b] / sum;
      if (a != before) primary = plain_ray(scene.attenuation, w, w.total, o, {}, none, a).lambda;
      for (std::size_t b = 0; b < o.size(); ++b) {
        const double lambda = primary[b] * (1 + scatter);
        open[b * rays + i] = static_cast<Real>(o[b]);
        if (scatter > 0) background[b * rays + i] = static_cast<Real>(scatter * primary[b]);
        counts[b * rays + i] =
            static_cast<Real>(noisy ? static_cast<double>(std::poisson_distribution<long>(lambda)(random)) : lambda);
      }
    }
  }
  RayData<Real> data() const {
    return {count, counts.data(), open.data(), background.empty() ? nullptr : background.data(),
            known.empty() ? nullptr : known.data()};
  }
  RaySolution<Real> solution() { return {density.data(), covariance.data(), fate.data(), 0}; }
  static std::vector<double> column(const auto& array, std::size_t count, std::size_t i) {
    std::vector<double> out;
    for (std::size_t k = i; k < array.size(); k += count) out.push_back(static_cast<double>(array[k]));
    return out;
  }
  // The plain model of ray i at `a`.
  PlainRay plain(const Scene& scene, const BinWeights& w, std::size_t i, const std::vector<double>& a) const {
    return plain_ray(scene.attenuation, w, w.total, column(open, count, i), column(background, count, i),
                     column(counts, count, i), a);
  }
  std::vector<double> density_of(std::size_t i) const { return column(density, count, i); }
  std::vector<double> truth_of(std::size_t i) const { return column(truth, count, i); }
};

}  // namespace counterflow::testing
