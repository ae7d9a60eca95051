#include "core/physics/count_pairs.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/parallel.h"
#include "core/physics/detector_response.h"
#include "core/physics/sensor_photon.h"
#include "core/physics/spectrum_file.h"
#include "core/physics/tube.h"
#include "core/text.h"

namespace counterflow {
namespace {

constexpr double kStep = 1;   // [keV] of incident energies
constexpr double kFirst = 2;  // [keV]

// Probabilities that a pixel counts in each bin because of a charge.
class BinOdds {
 public:
  BinOdds(const SensorModel& model, std::vector<double> thresholds, std::size_t bins)
      : model_(model), thresholds_(std::move(thresholds)), bins_(bins), noise_(bins) {
    fill(0, noise_);
  }

  // False where the charge is too small to count.
  bool operator()(double charge, std::vector<double>& odds) const {
    if (charge + 6 * std::sqrt(model_.variance(charge)) < thresholds_[0]) return false;
    fill(charge, odds);
    for (std::size_t b = 0; b < bins_; ++b) odds[b] -= noise_[b];
    return true;
  }

 private:
  void fill(double charge, std::vector<double>& odds) const {
    const double sigma = std::sqrt(model_.variance(charge));
    odds.resize(bins_);
    double above = normal_below((charge - thresholds_[0]) / sigma);
    for (std::size_t b = 0; b < bins_; ++b) {
      const double next = b + 1 < thresholds_.size() ? normal_below((charge - thresholds_[b + 1]) / sigma) : 0;
      odds[b] = above - next;
      above = next;
    }
  }

  const SensorModel& model_;
  std::vector<double> thresholds_;
  std::size_t bins_;
  std::vector<double> noise_;
};

struct Counting {
  long column, row;
  std::vector<double> odds;
};

// [direction] of one pixel from another that stands before it, else -1.
int direction_of(const Counting& from, const Counting& to) {
  for (std::size_t d = 0; d < kPairDirections.size(); ++d)
    if (to.row - from.row == kPairDirections[d][0] && to.column - from.column == kPairDirections[d][1])
      return static_cast<int>(d);
  return -1;
}

void add_pairs(const std::vector<Counting>& pixels, std::size_t n, double weight, std::span<double> sums) {
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) {
      const int direction = i == j ? -1 : direction_of(pixels[i], pixels[j]);
      if (direction < 0) continue;
      double* sum = sums.data() + static_cast<std::size_t>(direction) * sums.size() / kPairDirections.size();
      for (double here : pixels[i].odds)
        for (double there : pixels[j].odds) *sum++ += weight * here * there;
    }
}

}  // namespace

double CountPairs::at(double energy, std::size_t direction, std::size_t here, std::size_t there) const {
  const double place = (energy - first) / step;
  if (place < 0) return 0;
  const std::size_t k = std::min(static_cast<std::size_t>(place), probability.extent(0) - 2);
  const double t = std::min(1.0, place - static_cast<double>(k));
  return (1 - t) * probability(k, direction, here, there) + t * probability(k + 1, direction, here, there);
}

CountPairs simulate_pairs(const Sensor& sensor, const std::vector<double>& thresholds, std::size_t bins, double max_energy,
                          std::size_t photons, std::uint64_t seed) {
  const auto energies = static_cast<std::size_t>(std::ceil((max_energy - kFirst) / kStep)) + 1;
  const SensorModel model(sensor, kFirst + kStep * static_cast<double>(energies));
  const BinOdds odds(model, thresholds, bins);
  const auto points = even_points(photons, seed);
  CountPairs pairs{kFirst, kStep, Array<double, 4>({energies, kPairDirections.size(), bins, bins})};
  parallel_chunks(energies, 2, [&](std::size_t from, std::size_t to) {
    std::vector<Counting> counting;
    for (std::size_t k = from; k < to; ++k)
      for (std::size_t n = 0; n < photons; ++n)
        follow_photon(model, kFirst + kStep * static_cast<double>(k), points[n], seed, n,
                      [&](std::span<const PixelCharge> charges, double weight) {
                        std::size_t found = 0;
                        if (counting.size() < charges.size()) counting.resize(charges.size());
                        for (const PixelCharge& c : charges)
                          if (odds(c.energy, counting[found].odds)) {
                            counting[found].column = c.column;
                            counting[found++].row = c.row;
                          }
                        add_pairs(counting, found, weight / static_cast<double>(photons), pairs.probability.block(k));
                      });
  });
  return pairs;
}

Array<double, 2> pair_spectra(const SpectralSystem& system, const std::vector<double>& energies, double step, std::size_t photons,
                              std::uint64_t seed) {
  if (!system.bin_spectra.empty() || words(system.detector).size() != 2)
    throw ConfigError("which counts are correlated follows from the Monte Carlo of a sensor such as 'CdTe 1.6', got '" +
                      (system.bin_spectra.empty() ? system.detector : system.bin_spectra) + "'");
  const Sensor sensor = sensor_of(system.detector, system.pixel_columns, system.pixel_rows);
  const CountPairs pairs = simulate_pairs(sensor, system.thresholds, system.bins, largest_energy(system), photons, seed);
  const std::vector<double> source = source_spectrum(system, energies);
  Array<double, 2> spectra({kPairDirections.size() * system.bins * system.bins, energies.size()});
  std::size_t row = 0;
  for (std::size_t d = 0; d < kPairDirections.size(); ++d)
    for (std::size_t here = 0; here < system.bins; ++here)
      for (std::size_t there = 0; there < system.bins; ++there, ++row)
        for (std::size_t e = 0; e < energies.size(); ++e)
          spectra(row, e) = std::max(0.0, source[e] * step * pairs.at(energies[e], d, here, there));
  return spectra;
}

}  // namespace counterflow
