#include "gadgets/line_integrals/line_integrals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/testing/gadget_with.h"
#include "core/testing/gradient_check.h"

namespace counterflow {
namespace {

ScanHeader small_header() {
  ScanHeader header;
  header.system.bins = 3;
  header.system.bin_spectra = "three.txt";
  header.system.files["three.txt"] = "# keV 50kV 80kV 120kV\n30 1 2 3\n40, 4, 5, 6  # end\n\n50 0.5 8 9e1\n";
  header.geometry.rows = 5;
  header.geometry.columns = 7;
  return header;
}

Counts<double> random_counts(std::mt19937_64& random) {
  std::uniform_real_distribution<double> uniform(200, 1000);
  const auto array = [&](std::array<std::size_t, 3> shape, double scale) {
    Array<double, 3> a(shape);
    for (double& v : a) v = scale * uniform(random);
    return a;
  };
  Counts<double> x;
  x.view.exposure = 1.25;
  x.counts = array({3, 5, 7}, 1);
  x.background = array({3, 5, 7}, 0.02);
  x.threshold_shift = array({3, 1, 2}, 1e-3);
  x.open_beam = std::make_shared<const Array<double, 3>>(array({3, 5, 7}, 10));
  return x;
}

PathLengths<double> random_line_integrals(std::mt19937_64& random) {
  std::uniform_real_distribution<double> uniform(-0.1, 4);
  PathLengths<double> x;
  x.view.exposure = 0.8;
  x.areal_density = Array<double, 3>({3, 5, 7});
  for (double& v : x.areal_density) v = uniform(random);
  x.channels = std::make_shared<const Channels>(Channels{"line_integral", "1", {"bin 0", "bin 1", "bin 2"}});
  return x;
}

TEST(LineIntegrals, are_the_logarithm_of_counts_less_background_over_the_open_beam) {
  std::mt19937_64 random(1);
  const LineIntegrals<double> gadget;
  const auto x = random_counts(random);
  const auto y = gadget.forward({}, gadget.begin({}, small_header()), x);
  for (std::size_t i = 0; i < x.counts.size(); ++i)
    EXPECT_NEAR(std::exp(-y.areal_density[i]), (x.counts[i] - x.background[i]) / (1.25 * (*x.open_beam)[i]), 1e-13);
  EXPECT_EQ(y.channels->quantity, "line_integral");
  EXPECT_THAT(y.channels->names, ::testing::ElementsAre("bin 0", "bin 1", "bin 2"));
}

TEST(LineIntegrals, low_counts_are_floored_and_counted_and_let_nothing_flow_back) {
  std::mt19937_64 random(2);
  const auto gadget = testing::gadget_with<LineIntegrals<double>>({{"floor", "2"}});
  auto x = random_counts(random);
  x.counts(1, 2, 3) = 0;
  x.counts(2, 4, 6) = x.background(2, 4, 6) + 1.5;
  const auto state = gadget.begin({}, small_header());
  const auto y = gadget.forward({}, state, x);
  EXPECT_DOUBLE_EQ(y.areal_density(1, 2, 3), -std::log(2 / (1.25 * (*x.open_beam)(1, 2, 3))));
  ASSERT_EQ(gadget.report(state).size(), 1U);
  EXPECT_EQ(gadget.report(state)[0].count, 2U);
  EXPECT_EQ(gadget.report(state)[0].of, 105U);
  None none;
  const auto x_bar = gadget.adjoint({}, state, x, y, testing::random_like(y, random), none);
  EXPECT_EQ(x_bar.counts(1, 2, 3), 0);
  EXPECT_EQ(x_bar.background(2, 4, 6), 0);
  EXPECT_NE(x_bar.counts(0, 0, 0), 0);
}

TEST(LineIntegrals, a_dead_pixel_gives_zero_and_not_infinity) {
  std::mt19937_64 random(3);
  const LineIntegrals<double> gadget;
  auto x = random_counts(random);
  auto open = *x.open_beam;
  open(0, 1, 2) = 0;
  x.open_beam = std::make_shared<const Array<double, 3>>(open);
  EXPECT_EQ(gadget.forward({}, gadget.begin({}, small_header()), x).areal_density(0, 1, 2), 0);
}

TEST(LineIntegrals, need_an_open_beam) {
  std::mt19937_64 random(4);
  const LineIntegrals<double> gadget;
  auto x = random_counts(random);
  x.open_beam = nullptr;
  try {
    gadget.forward({}, gadget.begin({}, small_header()), x);
    FAIL() << "accepted";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("put AirCalibration before"));
  }
}

TEST(CountsFromLineIntegrals, then_line_integrals_gives_the_same_back) {
  std::mt19937_64 random(5);
  const auto gadget = testing::gadget_with<CountsFromLineIntegrals<double>>({{"open_beam", "5000"}});
  const auto x = random_line_integrals(random);
  const auto counts = gadget.forward({}, gadget.begin({}, small_header()), x);
  EXPECT_DOUBLE_EQ(counts.counts(2, 3, 4), 0.8 * 5000 * std::exp(-x.areal_density(2, 3, 4)));
  const LineIntegrals<double> logarithm;
  const auto y = logarithm.forward({}, logarithm.begin({}, small_header()), counts);
  for (std::size_t i = 0; i < y.areal_density.size(); ++i) EXPECT_NEAR(y.areal_density[i], x.areal_density[i], 1e-13);
}

TEST(CountsFromLineIntegrals, selects_bins_and_their_spectra) {
  std::mt19937_64 random(6);
  const auto gadget = testing::gadget_with<CountsFromLineIntegrals<double>>({{"bins", "2 0"}});
  const auto header = gadget.output_header(small_header());
  EXPECT_EQ(header.quantity, Quantity::counts);
  EXPECT_EQ(header.bins(), 2U);
  EXPECT_EQ(header.system.files.at("three.txt"), "30 3 1\n40 6 4\n50 9e1 0.5\n");
  const auto x = random_line_integrals(random);
  const auto y = gadget.forward({}, gadget.begin({}, small_header()), x);
  EXPECT_EQ(y.counts.shape(), (std::array<std::size_t, 3>{2, 5, 7}));
  EXPECT_EQ(y.open_beam->shape(), y.counts.shape());
  EXPECT_DOUBLE_EQ(y.counts(0, 1, 1), 8e4 * std::exp(-x.areal_density(2, 1, 1)));
  EXPECT_DOUBLE_EQ(y.counts(1, 1, 1), 8e4 * std::exp(-x.areal_density(0, 1, 1)));
}

TEST(CountsFromLineIntegrals, impossible_selections_and_other_quantities_are_refused) {
  std::mt19937_64 random(7);
  for (const char* bins : {"3", "0.5", "1 1"})
    EXPECT_THROW(testing::gadget_with<CountsFromLineIntegrals<double>>({{"bins", bins}}).output_header(small_header()),
                 ConfigError)
        << bins;
  auto by_thresholds = small_header();
  by_thresholds.system.bin_spectra.clear();
  EXPECT_THROW(testing::gadget_with<CountsFromLineIntegrals<double>>({{"bins", "0"}}).output_header(by_thresholds), ConfigError);
  const CountsFromLineIntegrals<double> gadget;
  auto x = random_line_integrals(random);
  x.channels = std::make_shared<const Channels>(Channels{"areal_density", "g/cm^2", {"water", "iodine", "calcium"}});
  EXPECT_THROW(gadget.forward({}, gadget.begin({}, small_header()), x), DataError);
}

TEST(LineIntegrals, adjoint_holds_against_differences_and_a_wrong_one_fails) {
  const auto errors = testing::map_adjoint_errors(LineIntegrals<double>(), small_header(), [](std::mt19937_64& random) {
    auto x = random_counts(random);
    x.counts(0, 0, 0) = 0.1;  // stays below the floor
    return x;
  });
  EXPECT_LT(errors.right.value, 1e-8) << errors.right.block;
  EXPECT_GT(errors.wrong_most, 1e-6);
}

TEST(CountsFromLineIntegrals, adjoint_holds_against_differences_and_a_wrong_one_fails) {
  const auto gadget = testing::gadget_with<CountsFromLineIntegrals<double>>({{"bins", "2 0"}});
  const auto errors = testing::map_adjoint_errors(gadget, small_header(), random_line_integrals);
  EXPECT_LT(errors.right.value, 1e-8) << errors.right.block;
  EXPECT_GT(errors.wrong_most, 1e-6);
}

}  // namespace
}  // namespace counterflow
