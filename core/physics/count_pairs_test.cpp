#include "core/physics/count_pairs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "core/physics/detector_response.h"
#include "core/physics/sensor_photon.h"
#include "core/random.h"

namespace counterflow {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kPhotons = 20000;
#else
constexpr std::size_t kPhotons = 200000;
#endif
constexpr std::size_t kBins = 3, kSide = 3;
const std::vector<double> kThresholds = {20, 35, 50};

// One branch of a photon, drawn by its weight; none where it passes the sensor. Weights sum to little more than 1 at times.
bool drawn_branch(const SensorModel& model, double energy, std::size_t n, Philox& random, std::vector<PixelCharge>& charges) {
  constexpr double kMost = 1.25;
  double left = kMost * random.uniform();
  bool taken = false;
  const std::array<double, 3> point{random.uniform(), random.uniform(), random.uniform()};
  follow_photon(model, energy, point, 77, n, [&](std::span<const PixelCharge> branch, double weight) {
    if (taken || left >= weight) {
      left -= weight;
      return;
    }
    taken = true;
    charges.assign(branch.begin(), branch.end());
  });
  return taken;
}

// The bin that a charge with its noise is counted in; kBins = none.
std::size_t bin_of(const SensorModel& model, double charge, Philox& random) {
  const double recorded = charge + std::sqrt(model.variance(charge)) * random.normal();
  std::size_t bin = kBins;
  for (std::size_t b = 0; b < kBins; ++b)
    if (recorded > kThresholds[b]) bin = b;
  return bin;
}

// Photons one by one on a detector of kSide x kSide pixels that closes on itself, one a pixel and repetition on average.
struct DirectMonteCarlo {
  static constexpr double kMean = 1;
  std::size_t repetitions = 0;
  Array<double, 2> sum{{kBins, kSide* kSide}};
  Array<double, 4> product{{kBins, kSide* kSide, kBins, kSide* kSide}};

  DirectMonteCarlo(const SensorModel& model, double energy) {
    Philox random(5, 0);
    std::size_t n = 0;
    std::vector<PixelCharge> charges;
    while (n < kPhotons) {
      Array<double, 2> counts({kBins, kSide * kSide});
      // Branches are taken at 1/1.25 of their weight: that many more photons; exponential gaps make their number Poisson.
      for (double left = 1.25 * kMean * kSide * kSide; (left += std::log(random.uniform())) > 0; ++n) {
        const auto row = static_cast<long>(random.uniform() * kSide), column = static_cast<long>(random.uniform() * kSide);
        if (!drawn_branch(model, energy, n, random, charges)) continue;
        for (const PixelCharge& c : charges) {
          const std::size_t bin = bin_of(model, c.energy, random);
          const long r = ((row + c.row) % 3 + 3) % 3, k = ((column + c.column) % 3 + 3) % 3;
          if (bin < kBins) counts(bin, static_cast<std::size_t>(3 * r + k)) += 1;
        }
      }
      ++repetitions;
      for (std::size_t i = 0; i < counts.size(); ++i) {
        sum[i] += counts[i];
        for (std::size_t j = 0; j < counts.size(); ++j) product[i * counts.size() + j] += counts[i] * counts[j];
      }
    }
  }

  double covariance(std::size_t b, std::size_t p, std::size_t c, std::size_t q) const {
    const double n = static_cast<double>(repetitions);
    return product(b, p, c, q) / n - sum(b, p) / n * (sum(c, q) / n);
  }
  // Mean over all pixels of the covariance with the pixel that stands (dr, dc) from it.
  double covariance_at(std::size_t b, std::size_t c, int dr, int dc) const {
    double mean = 0;
    for (int r = 0; r < 3; ++r)
      for (int k = 0; k < 3; ++k) {
        const int q = (r + dr + 3) % 3 * 3 + (k + dc + 3) % 3;
        mean += covariance(b, static_cast<std::size_t>(3 * r + k), c, static_cast<std::size_t>(q)) / 9;
      }
    return mean;
  }
};

TEST(CountPairs, covariances_of_neighbours_are_those_of_photons_followed_one_by_one) {
  Sensor sensor{.material = "CZT", .thickness = 1.6, .pixel_columns = 0.25, .pixel_rows = 0.35, .voltage = 1000, .noise = 2};
  const double energy = 60, mean = DirectMonteCarlo::kMean;
  const SensorModel model(sensor, 61);
  const DirectMonteCarlo direct(model, energy);
  const CountPairs pairs = simulate_pairs(sensor, kThresholds, kBins, 60, 20000, 1);
  const DetectorResponse response = simulate_response(sensor, 60, 10000, 1);
  double largest = 0;
  for (std::size_t b = 0; b < kBins; ++b) {
    double counted = response.above(kThresholds[b], energy);
    if (b + 1 < kBins) counted -= response.above(kThresholds[b + 1], energy);
    double in_bin = 0;
    for (std::size_t p = 0; p < 9; ++p) in_bin += direct.sum(b, p) / 9 / static_cast<double>(direct.repetitions);
    const double error = 5 * std::sqrt(2 * mean * counted * (1 + mean * counted) / 9 / static_cast<double>(direct.repetitions));
    EXPECT_NEAR(in_bin, mean * counted, error + 0.01 * in_bin);
    EXPECT_NEAR(direct.covariance_at(b, b, 0, 0) / in_bin, 1, 0.03 * std::sqrt(200000. / kPhotons)) << b;  // Poisson in a bin
    for (std::size_t c = 0; c < kBins; ++c) {
      if (c != b) {
        EXPECT_NEAR(direct.covariance_at(b, c, 0, 0), 0, error) << "bins of a pixel are independent";
      }
      for (std::size_t d = 0; d < kPairDirections.size(); ++d) {
        const double expected = mean * pairs.at(energy, d, b, c);
        EXPECT_NEAR(direct.covariance_at(b, c, kPairDirections[d][0], kPairDirections[d][1]), expected, error + 0.02 * expected)
            << "bins " << b << " " << c << " direction " << d;
        largest = std::max(largest, expected / error);
      }
    }
  }
  EXPECT_GT(largest, 1);  // the comparison sees correlations at all
}

TEST(CountPairs, a_photon_below_two_thresholds_is_counted_once) {
  const CountPairs pairs = simulate_pairs(Sensor(), {30, 60}, 2, 100, 2000, 1);
  for (std::size_t d = 0; d < 4; ++d) {
    EXPECT_LT(pairs.at(50, d, 0, 0), 1e-4);  // 2 keV rms of noise
    EXPECT_GT(pairs.at(80, d, 0, 0), d % 2 == 0 ? 1e-3 : 0);
    EXPECT_LT(pairs.at(80, d, 1, 0), 1e-4);
    EXPECT_EQ(pairs.at(1, d, 0, 0), 0);
  }
}

TEST(CountPairs, detectors_that_are_no_sensor_are_refused) {
  SpectralSystem system;
  system.bins = 1;
  system.thresholds = {30};
  system.detector = "ideal";
  system.tube_voltage = 120;
  try {
    pair_spectra(system, {40, 41}, 1);
    FAIL() << "accepted";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("such as 'CdTe 1.6', got 'ideal'"));
  }
}

}  // namespace
}  // namespace counterflow
