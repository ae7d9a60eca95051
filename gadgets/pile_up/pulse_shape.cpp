#include "gadgets/pile_up/pulse_shape.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "core/chebyshev.h"
#include "core/message/bowtie_rays.h"
#include "core/physics/counts_model.h"
#include "core/physics/detector_response.h"
#include "core/physics/pile_up_model.h"

namespace counterflow {
namespace {

constexpr double kStep = 1;                                   // [keV] of energies
constexpr std::size_t kLossDegrees = 14, kWaterDegrees = 10;  // of the polynomials
constexpr double kLeast = -8, kMost = 0.2;                    // of ln T; above 0 by noise

double total(const auto& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

// Values of x in [from, to] as of [-1, 1].
double scaled(double x, double from, double to) { return (2 * x - from - to) / (to - from); }
double place(std::size_t node, std::size_t n, double from, double to) {
  return (from + to) / 2 + (to - from) / 2 * chebyshev_node(node, n);
}

class BehindWater {
 public:
  BehindWater(const SpectralSystem& system, const CountsModel& model)
      : system_(system),
        model_(model),
        pile_up_(system, model.energies(), kStep, system.thresholds.front(), system.thresholds.back()),
        open_(total(model.nominal().total)) {}

  // [g/cm^2] that lets exp(log_transmission) of all counts through, by bisection.
  double water(double log_transmission) const {
    double low = -5, high = 200;
    for (int k = 0; k < 60; ++k) {
      const double middle = (low + high) / 2;
      (std::log(total(counts_behind(middle)) / open_) > log_transmission ? low : high) = middle;
    }
    return low;
  }

  // [bin] ln s_b behind water at a loss.
  std::vector<double> log_shape(double water, double loss) const {
    const std::vector<double> truth = counts_behind(water);
    std::vector<double> spectrum(pile_up_.spectra().extent(0)), recorded = truth;
    for (std::size_t j = 0; j < spectrum.size(); ++j) spectrum[j] = weighed(pile_up_.spectra().block(j), water);
    pile_up_.record(spectrum, system_.thresholds, loss / (1 - loss) / total(truth), recorded);
    std::vector<double> out;
    for (std::size_t b = 0; b < truth.size(); ++b)
      out.push_back(std::log(truth[b] / total(truth) * total(recorded) / recorded[b]));
    return out;
  }

 private:
  double weighed(std::span<const double> weights, double water) const {
    double sum = 0;
    for (std::size_t e = 0; e < weights.size(); ++e) sum += weights[e] * std::exp(-model_.attenuation()(0u, e) * water);
    return sum;
  }
  std::vector<double> counts_behind(double water) const {
    std::vector<double> counts;
    for (std::size_t b = 0; b < model_.bins(); ++b) counts.push_back(weighed(model_.nominal().weight.block(b), water));
    return counts;
  }

  const SpectralSystem& system_;
  const CountsModel& model_;
  PileUpModel pile_up_;
  double open_;
};

}  // namespace

PulseShape::PulseShape(const ScanHeader& header, double largest) : largest_(largest), bins_(header.bins()) {
  SpectralSystem system = header.system;
  if (system.thresholds.empty())
    throw ConfigError("PileUp: without thresholds nothing is known of the recorded spectrum: set spectrum to none");
  if (!system.response) prepare_response(system, {});
  const CountsModel model(system, {"water"}, kStep, BowtieUse::applied);
  const BehindWater behind(system, model);
  coefficients_.assign(kLossDegrees * kWaterDegrees * bins_, 0.0);
  for (std::size_t w = 0; w < kWaterDegrees; ++w) {
    const double water = behind.water(place(w, kWaterDegrees, kLeast, kMost));
    for (std::size_t l = 0; l < kLossDegrees; ++l) {
      const std::vector<double> sample = behind.log_shape(water, place(l, kLossDegrees, 0, largest));
      for (std::size_t i = 0; i < kLossDegrees; ++i)
        for (std::size_t j = 0; j < kWaterDegrees; ++j)
          for (std::size_t b = 0; b < bins_; ++b)
            coefficients_[(i * kWaterDegrees + j) * bins_ + b] +=
                chebyshev_weight(i, l, kLossDegrees) * chebyshev_weight(j, w, kWaterDegrees) * sample[b];
    }
  }
  if (!model.bowtie()) return;
  const Array<double, 3> density = bowtie_densities<double>(*model.bowtie(), header.geometry);
  const std::size_t pixels = density.extent(1) * density.extent(2);
  for (std::size_t p = 0; p < pixels; ++p) {
    std::vector<double> there;
    for (std::size_t m = 0; m < density.extent(0); ++m) there.push_back(density.block(m)[p]);
    bowtie_.push_back(std::log(total(model.behind_bowtie(model.nominal(), there).total) / total(model.nominal().total)));
  }
}

void PulseShape::at(double loss, double log_transmission, Values& values) const {
  const bool beyond = !(log_transmission > kLeast && log_transmission < kMost);
  const double x = scaled(loss, 0, largest_);
  const double y = scaled(std::clamp(log_transmission, kLeast, kMost), kLeast, kMost);
  std::array<double, kLossDegrees> t, dt;
  std::array<double, kWaterDegrees> u, du;
  chebyshev_polynomials(x, t, dt);
  chebyshev_polynomials(y, u, du);
  const double per_loss = 2 / largest_, per_transmission = beyond ? 0 : 2 / (kMost - kLeast);
  std::ranges::fill(values.log_shape, 0.0);
  std::ranges::fill(values.by_loss, 0.0);
  std::ranges::fill(values.by_transmission, 0.0);
  const double* c = coefficients_.data();
  for (std::size_t i = 0; i < kLossDegrees; ++i)
    for (std::size_t j = 0; j < kWaterDegrees; ++j, c += bins_) {
      const double tu = t[i] * u[j], dtu = per_loss * dt[i] * u[j], tdu = per_transmission * t[i] * du[j];
      for (std::size_t b = 0; b < bins_; ++b) {
        values.log_shape[b] += tu * c[b];
        values.by_loss[b] += dtu * c[b];
        values.by_transmission[b] += tdu * c[b];
      }
    }
}

}  // namespace counterflow
