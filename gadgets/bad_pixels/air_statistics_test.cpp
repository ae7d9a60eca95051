#include "gadgets/bad_pixels/air_statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace counterflow {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kRows = 12, kColumns = 40;
#else
constexpr std::size_t kRows = 32, kColumns = 128;
#endif
constexpr std::size_t kBins = 3;

// A detector under a bowtie-like profile whose bins differ from pixel to pixel by a static 10 % rms (thresholds 0.5 keV off).
struct Detector {
  double counts = 100;    // of a bin in an air view, in the middle
  double flicker = 0;     // of the tube from view to view, rms
  double dispersion = 1;  // variance of all pixels' counts over Poisson's
  Array<double, 3> gain{{kBins, kRows, kColumns}};
  Array<double, 2> unstable{{kRows, kColumns}};  // rms change from view to view

  explicit Detector(unsigned seed) {
    std::mt19937_64 random(seed);
    std::normal_distribution<double> normal;
    for (std::size_t b = 0; b < kBins; ++b)
      for (std::size_t r = 0; r < kRows; ++r)
        for (std::size_t c = 0; c < kColumns; ++c) {
          const double u = 2 * static_cast<double>(c) / kColumns - 1;
          gain(b, r, c) = std::exp(-1.5 * u * u) * std::max(0.3, 1 + 0.1 * normal(random));
        }
  }

  AirStatistics measured(std::size_t views, unsigned seed) const {
    std::mt19937_64 random(seed);
    std::normal_distribution<double> normal;
    AirStatistics air;
    for (std::size_t v = 0; v < views; ++v) {
      Array<float, 3> x(gain.shape());
      const double tube = 1 + flicker * normal(random);
      Array<double, 2> factor({kRows, kColumns}, 1);
      for (std::size_t p = 0; p < factor.size(); ++p)
        if (unstable[p] > 0) factor[p] = std::exp(unstable[p] * normal(random));
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double mean = counts * tube * gain[i] * factor[i % factor.size()];
        const double drawn = static_cast<double>(std::poisson_distribution<long>(std::max(mean, 1e-9))(random));
        x[i] = static_cast<float>(mean + std::sqrt(dispersion) * (drawn - mean));
      }
      air.add(x);
    }
    return air;
  }
};

Array<Fault, 2> find(const AirStatistics& air) {
  return find_faults(air, FaultLimits{}, Array<Fault, 2>({kRows, kColumns}, Fault::none));
}
std::size_t bad(const Array<Fault, 2>& faults) {
  std::size_t n = 0;
  for (Fault f : faults) n += f != Fault::none;
  return n;
}

TEST(AirStatistics, a_good_detector_has_no_bad_pixels) {
  for (std::size_t views : {16u, 64u})
    for (double counts : {1.0, 5.0, 30.0, 1000.0, 20000.0})
      for (double flicker : {0.0, 0.03}) {
        Detector detector(static_cast<unsigned>(views));
        detector.counts = counts;
        detector.flicker = flicker;
        EXPECT_EQ(bad(find(detector.measured(views, 7))), 0u) << views << " views of " << counts << ", tube " << flicker;
      }
}

TEST(AirStatistics, dispersion_that_all_pixels_share_makes_none_unstable) {
  for (double dispersion : {0.0, 0.4, 2.0}) {
    Detector detector(3);
    detector.dispersion = dispersion;
    EXPECT_EQ(bad(find(detector.measured(32, 1))), 0u) << dispersion;
  }
}

TEST(AirStatistics, dead_hot_and_unstable_pixels_are_found_and_no_others) {
  Detector detector(5);
  detector.counts = 400;
  Array<Fault, 2> truth({kRows, kColumns}, Fault::none);
  std::mt19937_64 random(2);
  for (int n = 0; n < 12; ++n) truth[random() % truth.size()] = static_cast<Fault>(2 + n % 3);
  for (std::size_t r = 2; r < 10; ++r)
    for (std::size_t c = 8; c < 20; ++c) truth(r, c) = Fault::dead;              // a block larger than any surroundings
  for (std::size_t r = 0; r < kRows; ++r) truth(r, kColumns - 1) = Fault::dead;  // a column at the edge
  for (std::size_t p = 0; p < truth.size(); ++p) {
    for (std::size_t b = 0; b < kBins; ++b)
      if (truth[p] == Fault::dead) detector.gain[b * truth.size() + p] = 0;
    if (truth[p] == Fault::hot) detector.gain[truth.size() + p] *= 4;  // one bin is enough
    if (truth[p] == Fault::unstable) detector.unstable[p] = 0.3;
  }
  EXPECT_EQ(find(detector.measured(32, 3)), truth);
}

TEST(AirStatistics, what_is_not_a_number_is_dead_and_harms_no_other) {
  AirStatistics air = Detector(9).measured(16, 4);
  air.sum(1, 3, 5) = std::numeric_limits<double>::quiet_NaN();
  air.sum(2, 4, 6) = std::numeric_limits<double>::infinity();
  const auto faults = find(air);
  EXPECT_EQ(bad(faults), 2u);
  EXPECT_EQ(faults(3, 5), Fault::dead);
  EXPECT_EQ(faults(4, 6), Fault::dead);
}

TEST(AirStatistics, listed_pixels_stay_listed_and_measure_nobody) {
  Detector detector(4);
  Array<Fault, 2> listed({kRows, kColumns}, Fault::none);
  for (std::size_t r = 0; r < 8; ++r)
    for (std::size_t c = 20; c < 27; ++c) {
      listed(r, c) = Fault::listed;
      for (std::size_t b = 0; b < kBins; ++b) detector.gain(b, r, c) *= 50;
    }
  EXPECT_EQ(find_faults(detector.measured(16, 1), FaultLimits{}, listed), listed);
}

TEST(AirStatistics, without_air_views_nothing_is_found) { EXPECT_EQ(bad(find(AirStatistics())), 0u); }

}  // namespace
}  // namespace counterflow
