// Pile-up, bad pixels and correlated counts, against pulses followed one by one and against their definitions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "core/physics/count_pairs.h"
#include "core/physics/detector_response.h"
#include "core/random.h"
#include "core/testing/refusal.h"
#include "pipelines/simulator/drawn_counts.h"
#include "pipelines/simulator/forward_model.h"
#include "pipelines/simulator/pixel_faults.h"
#include "pipelines/simulator/simulate.h"

namespace counterflow {
namespace {

using ::testing::HasSubstr;
using testing::refusal;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kLess = 10;
#else
constexpr int kLess = 1;
#endif

Scenario scenario_of(const std::string& detector, const std::string& acquisition, const std::string& more,
                     const std::string& tube = "voltage='100'") {
  return parse_scenario(
      parse_xml("<scenario><geometry beam='fan-arc' source_to_isocenter='500' source_to_detector='900' columns='6' rows='4' "
                "column_pitch='0.5' row_pitch='0.5' views='8'/><tube filters='Al 3' " +
                    tube + "/><detector " + detector + "/><acquisition rotation_time='8e-6' " + acquisition +
                    "/><phantom name='water_cylinder' diameter='100'/><truth materials='water'/><sampling column_rays='1'/>" +
                    more + "</scenario>",
                "test.xml"));
}

// Counts of a pixel in air, by bin.
std::vector<double> air_counts(Scenario s) {
  prepare_response(s.header.system, "");
  const ForwardModel model(s);
  std::vector<double> counts;
  for (std::size_t b = 0; b < s.header.bins(); ++b) counts.push_back(model.air_view().counts(b, 1u, 2u));
  return counts;
}

constexpr const char* kFiveBins = "sensor='ideal' thresholds='25 40 52 61 75'";
constexpr double kCounts = 1000, kViewTime = 1e-6;  // [s]

// Pulses one by one: mean counts of the five bins and the variance of their sum over its mean.
struct PulseByPulse {
  std::vector<double> counts = std::vector<double>(5);
  double mean = 0, fano = 0;

  PulseByPulse(const std::vector<double>& spectrum, double lowest, double step, double dead_time, int views) {
    const double edges[] = {25, 40, 52, 61, 75};
    double all = 0, square = 0;
    for (double v : spectrum) all += v;
    Philox random(3, 1);
    const auto gap = [&] { return -std::log(random.uniform()) * kViewTime / all; };
    const auto amplitude = [&] {
      double place = all * random.uniform();
      std::size_t k = 0;
      while (k + 1 < spectrum.size() && place >= spectrum[k]) place -= spectrum[k++];
      return lowest + step * (static_cast<double>(k) + random.uniform());
    };
    for (int v = 0; v < views; ++v) {
      double n = 0;
      for (double t = gap(); t < kViewTime; ++n) {
        double sum = amplitude();
        const double end = t + dead_time;
        while ((t += gap()) < end) sum += amplitude();
        std::size_t bin = 4;
        while (sum < edges[bin]) --bin;
        counts[bin] += 1. / views;
      }
      mean += n / views;
      square += n * n / views;
    }
    fano = (square - mean * mean) / mean;
  }
};

TEST(PileUp, counts_are_those_of_pulses_followed_one_by_one) {
  std::string fine;
  for (double t = 25; t < 100; t += 1) fine += std::to_string(t) + " ";
  const std::string counts = "open_beam_counts='" + std::to_string(kCounts) + "' air_views='1'";
  const auto spectrum = air_counts(scenario_of("sensor='ideal' thresholds='" + fine + "'", counts, ""));
  for (double lost : {0.1, 0.8}) {
    const double dead_time = lost * kViewTime / kCounts;
    const PulseByPulse direct(spectrum, 25, 1, dead_time, 3000 / kLess);
    Scenario s = scenario_of(kFiveBins, counts, "<pile_up dead_time='" + std::to_string(1e9 * dead_time) + "'/>");
    const auto recorded = air_counts(s);
    double sum = 0;
    for (std::size_t b = 0; b < 5; ++b) {
      sum += recorded[b];
      EXPECT_NEAR(recorded[b], direct.counts[b], 5 * std::sqrt(recorded[b] * kLess / 3000) + 2e-3 * recorded[b])
          << lost << " " << b;
    }
    EXPECT_NEAR(sum, kCounts / (1 + lost), 1e-9 * kCounts);
    prepare_response(s.header.system, "");
    const double spread = ForwardModel(s).air_view().spread(1u, 2u);
    EXPECT_NEAR(spread * spread, 1 / ((1 + lost) * (1 + lost)), 1e-9);
    EXPECT_NEAR(direct.fano, spread * spread, 0.13 * std::sqrt(kLess) * spread * spread);  // 5 sigma
  }
}

TEST(PileUp, counts_above_an_upper_end_blind_the_pixel_too) {
  const std::string counts = "open_beam_counts='1000' air_views='1'", pile_up = "<pile_up dead_time='0.5'/>";
  const auto open = air_counts(scenario_of("sensor='ideal' thresholds='25 40 60'", counts, pile_up));
  const auto closed = air_counts(scenario_of("sensor='ideal' thresholds='25 40 60' upper_end='100'", counts, pile_up));
  const auto alone = air_counts(scenario_of("sensor='ideal' thresholds='25 40 60' upper_end='100'", counts, ""));
  // Nothing of 100 kV counts above 105 keV but pulses that piled up.
  EXPECT_NEAR(closed[0] / open[0], 1, 2e-3);
  EXPECT_LT(closed[2], 0.95 * open[2]);
  EXPECT_GT(alone[0], 1.2 * closed[0]);
}

TEST(PileUp, thresholds_that_drift_move_its_bins_too) {
  const std::string counts = "open_beam_counts='1000' air_views='1'", pile_up = "<pile_up dead_time='0.5'/>";
  const auto moved = air_counts(scenario_of(kFiveBins, counts, pile_up + "<drift common='2' air='drifted'/>"));
  auto built = scenario_of("sensor='ideal' thresholds='27 42 54 63 77'", counts, pile_up);
  // The same photons: open_beam_counts are those at nominal thresholds.
  const auto nominal = air_counts(scenario_of(kFiveBins, counts, "")),
             higher = air_counts(scenario_of("sensor='ideal' thresholds='27 42 54 63 77'", counts, ""));
  const auto drifted = air_counts(scenario_of(kFiveBins, counts, "<drift common='2' air='drifted'/>"));
  built.acquisition.open_beam_counts *= drifted[1] / higher[1];
  const auto expected = air_counts(built);
  for (std::size_t b = 0; b < 5; ++b) EXPECT_NEAR(moved[b], expected[b], 2e-3 * expected[b]) << b;
  EXPECT_GT(nominal[4], drifted[4]);
}

// Means and covariances of numbers drawn again and again, all values of a view as one vector.
struct Moments {
  std::vector<double> mean;
  Array<double, 2> covariance;
  Moments(const ExpectedView& expected, std::size_t views)
      : mean(expected.counts.size()), covariance({mean.size(), mean.size()}) {
    for (std::size_t v = 0; v < views; ++v) {
      const auto x = drawn_counts(expected, 11, v, false);
      for (std::size_t i = 0; i < mean.size(); ++i) {
        EXPECT_EQ(x[i], std::floor(x[i]));
        EXPECT_GE(x[i], 0);
        mean[i] += static_cast<double>(x[i]) / static_cast<double>(views);
        for (std::size_t j = 0; j < mean.size(); ++j)
          covariance(i, j) += static_cast<double>(x[i]) * static_cast<double>(x[j]) / static_cast<double>(views);
      }
    }
    for (std::size_t i = 0; i < mean.size(); ++i)
      for (std::size_t j = 0; j < mean.size(); ++j) covariance(i, j) -= mean[i] * mean[j];
  }
};

void expect_moments(const ExpectedView& expected, std::size_t views,
                    const std::function<double(std::size_t, std::size_t)>& truth) {
  const Moments got(expected, views);
  const double n = static_cast<double>(views);
  for (std::size_t i = 0; i < got.mean.size(); ++i) {
    const double v = expected.counts[i];
    EXPECT_NEAR(got.mean[i], v, 5 * std::sqrt(v / n));
    for (std::size_t j = 0; j < got.mean.size(); ++j)
      EXPECT_NEAR(got.covariance(i, j), truth(i, j), 6 * std::sqrt(2 * v * expected.counts[j] / n)) << i << " " << j;
  }
}

TEST(PileUp, counts_scatter_less_than_poisson_as_renewals_do) {
  for (double spread : {0.9, 0.5}) {
    ExpectedView expected{Array<double, 3>({3, 1, 1}), {}, Array<double, 2>({1, 1}, spread)};
    expected.counts[0] = 400.3, expected.counts[1] = 70, expected.counts[2] = 30;
    expect_moments(expected, 6000 / kLess, [&](std::size_t i, std::size_t j) {
      return (i == j ? expected.counts[i] : 0) + (spread * spread - 1) * expected.counts[i] * expected.counts[j] / 500.3;
    });
  }
}

TEST(CorrelatedCounts, bins_stay_poisson_and_neighbours_share_what_the_pairs_say) {
  constexpr std::size_t bins = 2, rows = 2, columns = 3;
  ExpectedView expected{Array<double, 3>({bins, rows, columns}), Array<double, 3>({1, columns, 4 * bins * bins}), {}};
  for (std::size_t i = 0; i < expected.counts.size(); ++i) expected.counts[i] = 20 + static_cast<double>(i);
  for (std::size_t i = 0; i < expected.pairs.size(); ++i) expected.pairs[i] = 0.1 * static_cast<double>(1 + i % 16);
  expect_moments(expected, 20000 / kLess, [&](std::size_t i, std::size_t j) {
    if (i == j) return expected.counts[i];
    for (const bool turned : {false, true}) {
      const std::size_t from = turned ? j : i, to = turned ? i : j;
      const std::size_t b = from / 6, r = from % 6 / 3, c = from % 3, b2 = to / 6, r2 = to % 6 / 3, c2 = to % 3;
      for (std::size_t d = 0; d < 4; ++d)
        if (r + static_cast<std::size_t>(kPairDirections[d][0]) == r2 &&
            c + static_cast<std::size_t>(kPairDirections[d][1]) == c2)
          return expected.pairs(0u, c, (d * bins + b) * bins + b2);
    }
    return 0.0;
  });
}

TEST(CorrelatedCounts, a_pixel_never_shares_more_than_it_has) {
  ExpectedView expected{Array<double, 3>({1, 2, 2}, 10), Array<double, 3>({1, 2, 4}, 6), {}};
  expected.counts[2] = 0;
  const Moments got(expected, 5000 / kLess);
  EXPECT_EQ(got.mean[2], 0);
  for (std::size_t i : {0u, 1u, 3u}) EXPECT_NEAR(got.covariance(i, i), 10, 6 * 10 * std::sqrt(2. * kLess / 5000));
}

TEST(CorrelatedCounts, are_expected_as_independent_ones_are) {
  const std::string detector = "sensor='CdTe 1.6' thresholds='20 40'", tube = "voltage='60'";
  Scenario s = scenario_of(detector, "open_beam_counts='1000' air_views='1'", "", tube);
  s.header.system.pixel_columns = s.header.system.pixel_rows = 0.5;
  s.header.system.response = std::make_shared<const DetectorResponse>(ideal_response(60));  // of no matter here, and quick
  Scenario shared = s;
  shared.acquisition.correlated = true;
  const ForwardModel alone(s), correlated(shared);
  EXPECT_EQ(alone.object_view(3).counts, correlated.object_view(3).counts);
  const auto& air = correlated.air_view();
  double pairs = 0;
  for (double p : air.pairs.block(0u, 2u)) pairs += p;
  EXPECT_GT(pairs, 10);  // of 1000 counts; two of them are one photon's
  EXPECT_LT(pairs, 250);
  EXPECT_EQ(drawn_counts(correlated.object_view(4), 1, 4, false), drawn_counts(correlated.object_view(4), 1, 4, true));
}

TEST(BadPixelFaults, stand_where_the_table_says_and_do_what_they_are) {
  const std::string acquisition = "open_beam_counts='1000' air_views='2' noise='false'";
  const Scenario good = scenario_of(kFiveBins, acquisition, "");
  const Scenario bad = scenario_of(kFiveBins, acquisition, "<bad_pixels dead='2' hot='1' unstable='2' seed='5' hot_counts='4'/>");
  const SimulatedScan right(good, ""), wrong(bad, "");
  const auto table = wrong.faults().table();
  ASSERT_EQ(table.size(), 15u);
  const auto x = right.view(5).counts, y = wrong.view(5).counts, z = wrong.view(6).counts;
  Array<double, 2> kind({4, 6});
  for (std::size_t n = 0; n < 15; n += 3)
    kind(static_cast<std::size_t>(table[n]), static_cast<std::size_t>(table[n + 1])) = table[n + 2];
  std::vector<int> seen(4);
  for (std::size_t r = 0; r < 4; ++r)
    for (std::size_t c = 0; c < 6; ++c) {
      const float a = x(1, r, c), b = y(1, r, c);
      ++seen[static_cast<std::size_t>(kind(r, c))];
      if (kind(r, c) == 0) {
        EXPECT_EQ(a, b);
      } else if (kind(r, c) == 1) {
        EXPECT_EQ(b, 0);
      } else if (kind(r, c) == 2) {
        EXPECT_FLOAT_EQ(b, a + 4 * right.view(0).counts(1, r, c));
      } else {
        EXPECT_NE(b, a);
        EXPECT_NE(b, z(1, r, c));
        EXPECT_FLOAT_EQ(b / a, y(2, r, c) / x(2, r, c));
      }
    }
  EXPECT_THAT(seen, ::testing::ElementsAre(19, 2, 1, 2));
}

TEST(DetectorFaults, what_cannot_be_simulated_is_refused) {
  const std::string acquisition = "open_beam_counts='1000' air_views='1'";
  EXPECT_THAT(refusal([&] { scenario_of(kFiveBins, acquisition + " correlated='true'", "<pile_up dead_time='10'/>"); }),
              HasSubstr("<pile_up>: pile-up of correlated counts is not simulated"));
  EXPECT_THAT(refusal([&] { scenario_of(kFiveBins, acquisition, "<pile_up deadtime='10'/>"); }),
              HasSubstr("did you mean 'dead_time'?"));
  EXPECT_THAT(refusal([&] { SimulatedScan(scenario_of(kFiveBins, acquisition, "<bad_pixels dead='25'/>"), ""); }),
              HasSubstr("at most as many as there are pixels (24), got 25"));
  EXPECT_THAT(refusal([&] { SimulatedScan(scenario_of(kFiveBins, acquisition + " correlated='true'", ""), ""); }),
              HasSubstr("got 'ideal'"));
}

}  // namespace
}  // namespace counterflow
