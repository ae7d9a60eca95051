// R(U|E) from photons followed in a sensor (docs/physics.md); what pixels collect is spread by its noise analytically.
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <span>

#include "core/error.h"
#include "core/parallel.h"
#include "core/physics/detector_response.h"
#include "core/physics/sensor_photon.h"
#include "core/text.h"

namespace counterflow {
namespace {

constexpr double kGrid = 0.5;   // [keV] incident and recorded
constexpr double kFine = 0.05;  // [keV] of the histogram of deposits

// Deposits of one incident energy, counted by what a pixel collected.
class Deposits {
 public:
  explicit Deposits(double energy) : counts_(static_cast<std::size_t>(std::ceil(energy / kFine)) + 3) {}

  // A pixel that collected `energy` counts above T with P(energy + noise > T); without the photon it would have counted with
  // P(noise > T), which is not the photon's doing.
  void add(std::span<const PixelCharge> charges, double weight) {
    for (const PixelCharge& p : charges) {
      const double place = p.energy / kFine;
      const auto k = std::min(static_cast<std::size_t>(place), counts_.size() - 2);
      const double t = place - static_cast<double>(k);
      counts_[k] += (1 - t) * weight;
      counts_[k + 1] += t * weight;
      counts_[0] -= weight;
    }
  }

  // Density over the channels, each deposit a Gaussian of its own width.
  void spread(const SensorModel& model, const std::vector<double>& recorded, std::span<double> density) const {
    for (std::size_t k = 0; k < counts_.size(); ++k) {
      if (counts_[k] == 0) continue;
      const double energy = kFine * static_cast<double>(k), variance = model.variance(energy), reach = 7 * std::sqrt(variance);
      const double height = counts_[k] / std::sqrt(2 * std::numbers::pi * variance);
      const double first = std::max(0.0, std::ceil((energy - reach - recorded[0]) / kGrid));
      for (auto c = static_cast<std::size_t>(first); c < recorded.size() && recorded[c] <= energy + reach; ++c)
        density[c] += height * std::exp(-(recorded[c] - energy) * (recorded[c] - energy) / (2 * variance));
    }
  }

 private:
  std::vector<double> counts_;
};

void simulate_energy(const SensorModel& model, double energy, const std::vector<std::array<double, 3>>& points,
                     std::uint64_t seed, const std::vector<double>& recorded, std::span<double> density) {
  Deposits deposits(energy);
  const double each = 1 / static_cast<double>(points.size());
  for (std::size_t n = 0; n < points.size(); ++n)
    follow_photon(model, energy, points[n], seed, n,
                  [&](std::span<const PixelCharge> charges, double weight) { deposits.add(charges, weight * each); });
  deposits.spread(model, recorded, density);
}

std::vector<double> grid(double first, double last) {
  std::vector<double> out;
  for (std::size_t k = 0; out.empty() || out.back() < last; ++k) out.push_back(first + kGrid * static_cast<double>(k));
  return out;
}

}  // namespace

DetectorResponse simulate_response(const Sensor& sensor, double max_energy, std::size_t photons, std::uint64_t seed) {
  if (!(max_energy >= 5 && max_energy <= 500))
    throw ConfigError("expected a detector response up to 5 to 500 keV, got " + number_text(max_energy) + " keV");
  if (photons == 0) throw ConfigError("expected at least 1 photon for each incident energy");
  const std::vector<double> incident = grid(2, max_energy);
  const SensorModel model(sensor, incident.back());
  const auto points = even_points(photons, seed);
  const std::vector<double> recorded = grid(kGrid, incident.back() + 6 * std::sqrt(model.variance(incident.back())));
  Array<double, 2> density({incident.size(), recorded.size()});
  parallel_chunks(incident.size(), 2, [&](std::size_t from, std::size_t to) {
    for (std::size_t k = from; k < to; ++k) simulate_energy(model, incident[k], points, seed, recorded, density.block(k));
  });
  return {incident, recorded, density};
}

DetectorResponse ideal_response(double max_energy, double noise) {
  const std::vector<double> incident = grid(2, max_energy);
  const std::vector<double> recorded = grid(-10 * noise, incident.back() + 10 * noise);
  Array<double, 2> density({incident.size(), recorded.size()});
  for (std::size_t k = 0; k < incident.size(); ++k)
    for (std::size_t c = 0; c < recorded.size(); ++c) {
      const double t = (recorded[c] - incident[k]) / noise;
      density(k, c) = std::exp(-t * t / 2) / (noise * std::sqrt(2 * std::numbers::pi));
    }
  return {incident, recorded, density};
}

}  // namespace counterflow
