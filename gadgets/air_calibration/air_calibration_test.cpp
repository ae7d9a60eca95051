#include "gadgets/air_calibration/air_calibration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/physics/counts_model.h"
#include "core/testing/gradient_check.h"

namespace counterflow {
namespace {

ScanHeader small_header() {
  ScanHeader header;
  header.system.bins = 3;
  header.geometry.rows = 5;
  header.geometry.columns = 7;
  header.modules = 2;
  return header;
}

Counts<double> random_view(std::mt19937_64& random, bool air) {
  std::uniform_real_distribution<double> uniform(50, 1000);
  Counts<double> x;
  x.view.air = air;
  x.view.exposure = uniform(random) / 500;
  x.counts = Array<double, 3>({3, 5, 7});
  for (double& v : x.counts) v = uniform(random);
  return x;
}

Counts<double> random_object(std::mt19937_64& random) {
  Counts<double> x = random_view(random, false);
  x.background = testing::random_like(x, random).counts;
  x.threshold_shift = Array<double, 3>({3, 1, 2}, 0.25);
  return x;
}

TEST(AirCalibration, open_beam_is_the_sum_of_counts_over_the_sum_of_exposures) {
  std::mt19937_64 random(1);
  const AirCalibration<double> gadget;
  auto state = gadget.begin({}, small_header());
  std::vector<Counts<double>> air;
  for (int v = 0; v < 4; ++v) {
    air.push_back(random_view(random, true));
    gadget.calibrate(state, air.back());
  }
  gadget.calibrated(state);
  const auto y = gadget.forward({}, state, random_view(random, false));
  double exposure = 0;
  for (const auto& a : air) exposure += a.view.exposure;
  for (std::size_t i = 0; i < y.counts.size(); ++i) {
    double counts = 0;
    for (const auto& a : air) counts += a.counts[i];
    EXPECT_NEAR((*y.open_beam)[i], counts / exposure, 1e-12 * counts / exposure);
  }
}

TEST(AirCalibration, background_of_an_air_view_is_no_open_beam) {
  std::mt19937_64 random(2);
  const AirCalibration<float> gadget;
  auto state = gadget.begin({}, small_header());
  Counts<float> air;
  air.view.exposure = 2;
  air.counts = Array<float, 3>({3, 5, 7}, 110);
  air.background = Array<float, 3>({3, 5, 7}, 10);
  gadget.calibrate(state, air);
  gadget.calibrated(state);
  EXPECT_THAT(*state.open_beam, ::testing::Each(50.0F));
}

TEST(AirCalibration, every_view_shares_one_open_beam_and_passes_unchanged) {
  std::mt19937_64 random(3);
  const AirCalibration<double> gadget;
  auto state = gadget.begin({}, small_header());
  gadget.calibrate(state, random_view(random, true));
  gadget.calibrated(state);
  const auto first = random_object(random), second = random_object(random);
  const auto y1 = gadget.forward({}, state, first), y2 = gadget.forward({}, state, second);
  EXPECT_EQ(y1.open_beam.get(), y2.open_beam.get());
  EXPECT_EQ(y1.counts, first.counts);
  EXPECT_EQ(y1.background, first.background);
  EXPECT_EQ(y1.threshold_shift, first.threshold_shift);
  EXPECT_EQ(y1.view, first.view);
}

TEST(AirCalibration, air_views_pass_on_without_an_open_beam) {
  std::mt19937_64 random(4);
  const AirCalibration<double> gadget;
  auto state = gadget.begin({}, small_header());
  const auto air = random_view(random, true);
  gadget.calibrate(state, air);
  const auto y = gadget.forward({}, state, air);
  EXPECT_EQ(y.counts, air.counts);
  EXPECT_EQ(y.open_beam, nullptr);
}

TEST(AirCalibration, without_air_views_the_header_s_open_beam_is_shared_over_the_bins) {
  ScanHeader header = small_header();
  header.system.bins = 2;
  header.system.bin_spectra = "two.txt";
  header.system.files["two.txt"] = "# keV low high\n40 1 0\n50 2 1\n60 1 2\n70 0 2\n";
  header.system.open_beam_counts = 1000;
  const std::vector<double> total = CountsModel(header.system, {"water"}).nominal().total;
  const AirCalibration<double> gadget;
  const auto state = gadget.begin({}, header);
  ASSERT_NE(state.open_beam, nullptr);
  const double low = (*state.open_beam)(0, 0, 0), high = (*state.open_beam)(1, 4, 6);
  EXPECT_NEAR(low + high, 1000, 1e-9);
  EXPECT_NEAR(low / high, total[0] / total[1], 1e-12);
}

TEST(AirCalibration, neither_air_views_nor_open_beam_counts_is_refused_with_the_way_out) {
  std::mt19937_64 random(5);
  const AirCalibration<double> gadget;
  const auto state = gadget.begin({}, small_header());
  try {
    gadget.forward({}, state, random_view(random, false));
    FAIL() << "accepted";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("no air view came before the first object view"));
    EXPECT_THAT(error.what(), ::testing::HasSubstr("open_beam_counts"));
  }
}

TEST(AirCalibration, wrong_shapes_and_exposures_are_refused) {
  std::mt19937_64 random(6);
  const AirCalibration<double> gadget;
  auto state = gadget.begin({}, small_header());
  auto air = random_view(random, true);
  air.view.exposure = 0;
  EXPECT_THROW(gadget.calibrate(state, air), DataError);
  air = random_view(random, true);
  air.counts = Array<double, 3>({3, 5, 6});
  EXPECT_THROW(gadget.calibrate(state, air), DataError);
}

TEST(AirCalibration, dead_pixels_are_reported) {
  std::mt19937_64 random(7);
  const AirCalibration<double> gadget;
  auto state = gadget.begin({}, small_header());
  auto air = random_view(random, true);
  gadget.calibrate(state, air);
  gadget.calibrated(state);
  EXPECT_TRUE(gadget.report(state).empty());
  state = gadget.begin({}, small_header());
  air.counts(1, 2, 3) = 0;
  air.counts(2, 0, 6) = 0;
  gadget.calibrate(state, air);
  gadget.calibrated(state);
  ASSERT_EQ(gadget.report(state).size(), 1U);
  EXPECT_EQ(gadget.report(state)[0].count, 2U);
  EXPECT_EQ(gadget.report(state)[0].of, 105U);
}

TEST(AirCalibration, adjoint_holds_against_differences_and_a_wrong_one_fails) {
  const AirCalibration<double> gadget;
  std::mt19937_64 other(20);
  const auto air = random_view(other, true);
  const auto see_air = [&](auto& state) {
    gadget.calibrate(state, air);
    gadget.calibrated(state);
  };
  const auto errors = testing::map_adjoint_errors(gadget, small_header(), random_object, see_air);
  EXPECT_LT(errors.right.value, 1e-8) << errors.right.block;
  EXPECT_GT(errors.wrong_most, 1e-6);
}

}  // namespace
}  // namespace counterflow
