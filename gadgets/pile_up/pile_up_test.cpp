#include "gadgets/pile_up/pile_up.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <numeric>

#include "core/physics/counts_model.h"
#include "core/physics/detector_response.h"
#include "core/physics/pile_up_model.h"
#include "core/testing/gadget_with.h"
#include "core/testing/gradient_check.h"
#include "core/testing/refusal.h"

namespace counterflow {
namespace {

using ::testing::HasSubstr;
using testing::refusal;

constexpr std::size_t kBins = 3, kRows = 5, kColumns = 7;
constexpr double kViewTime = 1e-6;

ScanHeader small_header() {
  ScanHeader header;
  header.system.bins = kBins;
  header.geometry.rows = kRows;
  header.geometry.columns = kColumns;
  header.geometry.views_per_rotation = 500;
  header.geometry.rotation_time = 500 * kViewTime;
  return header;
}

template <class Real, template <class> class Gadget = PileUp>
Gadget<Real> with(testing::Settings settings) {
  settings.try_emplace("spectrum", "none");
  return testing::gadget_with<Gadget<Real>>(settings);
}

// Recorded counts of up to 0.6 of a dead time of 20 ns.
Counts<double> random_view(std::mt19937_64& random) {
  std::uniform_real_distribution<double> uniform(0.01, 10);
  Counts<double> x;
  x.counts = Array<double, 3>({kBins, kRows, kColumns});
  for (double& v : x.counts) v = uniform(random);
  x.background = x.counts;
  for (double& v : x.background) v *= uniform(random) / 100;
  return x;
}

TEST(PileUp, true_counts_come_back_from_what_a_non_paralyzable_counter_records) {
  std::mt19937_64 random(1);
  const auto gadget = with<double>({{"dead_time", "20"}});
  const auto header = small_header();
  const auto state = gadget.begin({}, header);
  const Counts<double> truth = random_view(random);
  Counts<double> recorded = truth;
  for (std::size_t p = 0; p < kRows * kColumns; ++p) {
    double n = 0;
    for (std::size_t b = 0; b < kBins; ++b) n += truth.counts.block(b)[p];
    for (std::size_t b = 0; b < kBins; ++b) recorded.counts.block(b)[p] /= 1 + n * 20e-9 / kViewTime;
  }
  const auto y = gadget.forward(gadget.initial(header), state, recorded);
  for (std::size_t i = 0; i < truth.counts.size(); ++i) EXPECT_NEAR(y.counts[i], truth.counts[i], 1e-10 * truth.counts[i]);
  EXPECT_NEAR(y.background[3] / recorded.background[3], y.counts[3] / recorded.counts[3], 1e-14);
  EXPECT_TRUE(gadget.report(state).empty());
}

TEST(PileUp, air_views_are_corrected_too) {
  std::mt19937_64 random(2);
  const auto gadget = with<double>({{"dead_time", "20"}});
  const auto header = small_header();
  const auto state = gadget.begin({}, header);
  Counts<double> x = random_view(random);
  const auto object = gadget.forward(gadget.initial(header), state, x);
  x.view.air = true;
  EXPECT_EQ(gadget.forward(gadget.initial(header), state, x).counts, object.counts);
}

TEST(PileUp, saturated_pixels_have_a_stated_value_and_are_counted) {
  const auto gadget = with<float>({{"dead_time", "20"}, {"largest_loss", "0.8"}});
  const auto header = small_header();
  const auto state = gadget.begin({}, header);
  Counts<float> x;
  x.counts = Array<float, 3>({kBins, kRows, kColumns}, 0.01F);
  x.counts(0, 2, 3) = 70;  // 1.4 dead times a second
  const auto y = gadget.forward(gadget.initial(header), state, x);
  EXPECT_FLOAT_EQ(y.counts(0, 2, 3), 350.F);
  EXPECT_FLOAT_EQ(y.counts(1, 2, 3), 0.05F);
  ASSERT_EQ(gadget.report(state).size(), 1u);
  EXPECT_EQ(gadget.report(state)[0].count, 1u);
  EXPECT_EQ(gadget.report(state)[0].of, 35u);
}

TEST(PileUp, the_time_of_a_view_comes_from_the_property_or_the_scan) {
  ScanHeader header = small_header();
  EXPECT_DOUBLE_EQ(with<float>({{"dead_time", "20"}}).begin({}, header).view_time, kViewTime);
  EXPECT_DOUBLE_EQ(with<float>({{"dead_time", "20"}, {"view_time", "0.25"}}).begin({}, header).view_time, 0.25);
}

TEST(PileUp, what_cannot_be_is_refused_with_the_way_out) {
  ScanHeader header = small_header();
  EXPECT_THAT(refusal([&] { PileUp<float>().begin({}, header); }), HasSubstr("expected a dead_time above 0 ns"));
  EXPECT_THAT(refusal([&] {
                with<float>({{"dead_time", "20"}, {"spectrum", "water"}}).begin({}, header);
              }),
              HasSubstr("set spectrum to none"));
  header.geometry.rotation_time = 0;
  EXPECT_THAT(refusal([&] { with<float>({{"dead_time", "20"}}).begin({}, header); }), HasSubstr("give the property view_time"));
  std::mt19937_64 random(3);
  const auto gadget = with<double>({{"dead_time", "20"}});
  const auto state = gadget.begin({}, small_header());
  auto x = random_view(random);
  x.counts = Array<double, 3>({3, 5, 6});
  EXPECT_THAT(refusal([&] { gadget.forward(gadget.initial(header), state, x); }), HasSubstr("got 3 bins, 5 rows, 6 columns"));
  x = random_view(random);
  x.open_beam = std::make_shared<Array<double, 3>>(x.counts);
  EXPECT_THAT(refusal([&] { gadget.forward(gadget.initial(header), state, x); }), HasSubstr("move it before AirCalibration"));
}

ScanHeader spectral_header() {
  ScanHeader header = small_header();
  header.system.thresholds = {25, 45, 65};
  header.system.tube_voltage = 100;
  header.system.filters = "Al 3.0";
  header.system.detector = "ideal";
  header.system.open_beam_counts = 30;
  prepare_response(header.system, "");
  return header;
}

// Counts of five bins behind water and calcium [g/cm^2], where the open beam loses `lost` counts for each that it records.
class FiveBins {
 public:
  explicit FiveBins(double lost) {
    header.geometry.rows = header.geometry.columns = 1;
    header.system.bins = 5;
    header.system.thresholds = {30, 51, 62, 72, 83};
    header.system.tube_voltage = 120;
    header.system.response = nullptr;
    prepare_response(header.system, "");
    model_ = std::make_unique<CountsModel>(header.system, std::vector<std::string>{"water", "calcium"}, 1);
    pile_up_ = std::make_unique<PileUpModel>(header.system, model_->energies(), 1, 30, 83);
    const auto& total = model_->nominal().total;
    open_ = std::accumulate(total.begin(), total.end(), 0.0);
    header.system.open_beam_counts = lost * kViewTime / 20e-9;
  }

  // True and recorded counts [5,1,1] with a dead time of 20 ns.
  std::pair<Counts<double>, Counts<double>> behind(double water, double calcium) const {
    std::vector<double> spectrum(pile_up_->spectra().extent(0)), truth(5);
    for (std::size_t e = 0; e < model_->energies().size(); ++e) {
      const double through = *header.system.open_beam_counts / open_ *
                             std::exp(-model_->attenuation()(0u, e) * water - model_->attenuation()(1u, e) * calcium);
      for (std::size_t j = 0; j < spectrum.size(); ++j) spectrum[j] += through * pile_up_->spectra()(j, e);
      for (std::size_t b = 0; b < 5; ++b) truth[b] += through * model_->nominal().weight(b, e);
    }
    std::vector<double> recorded = truth;
    pile_up_->record(spectrum, header.system.thresholds, 20e-9 / kViewTime, recorded);
    Counts<double> x, y;
    x.counts = y.counts = Array<double, 3>({5, 1, 1});
    x.counts.values() = truth;
    y.counts.values() = recorded;
    return {x, y};
  }

  ScanHeader header = spectral_header();

 private:
  double open_;
  std::unique_ptr<CountsModel> model_;
  std::unique_ptr<PileUpModel> pile_up_;
};

double largest_error(const Counts<double>& got, const Counts<double>& truth) {
  double worst = 0;
  for (std::size_t b = 0; b < 5; ++b) worst = std::max(worst, std::abs(got.counts[b] / truth.counts[b] - 1));
  return worst;
}

TEST(PileUp, the_spectrum_behind_water_comes_back_from_pulses_that_added_up) {
  for (double lost : {0.1, 0.43, 0.85}) {
    const FiveBins five(lost);
    for (const auto& [water, calcium] : {std::pair{0., 0.}, {5., 0.}, {10., 0.}, {20., 0.}, {5., 0.5}, {10., 1.}, {20., 1.}}) {
      const auto [truth, recorded] = five.behind(water, calcium);
      double error[2];
      for (int k = 0; k < 2; ++k) {
        const auto gadget = with<double>({{"dead_time", "20"}, {"spectrum", k == 0 ? "none" : "water"}});
        const auto state = gadget.begin({}, five.header);
        error[k] = largest_error(gadget.forward(gadget.initial(five.header), state, recorded), truth);
      }
      std::printf(
          "  open beam n tau %.2f, %2.0f cm of water, %.1f g/cm2 of calcium: largest error of a bin %6.2f %% scaled, %7.4f %%\n",
          lost, water, calcium, 100 * error[0], 100 * error[1]);
      EXPECT_LT(error[1], calcium > 0 ? 0.5 * error[0] : 1e-5);
    }
  }
}

TEST(PileUp, a_bowtie_counts_as_water) {
  FiveBins five(0.6);
  ScanHeader header = five.header;
  header.geometry.source_to_isocenter = 500;
  header.geometry.source_to_detector = 900;
  header.geometry.column_pitch = header.geometry.row_pitch = 1;
  header.system.open_beam_counts.reset();
  header.system.bowtie = "bowtie.txt";
  header.system.files["bowtie.txt"] = "angle_rad water\n-1 40\n1 40\n";
  const auto gadget = with<double>({{"dead_time", "20"}, {"spectrum", "water"}});
  auto state = gadget.begin({}, header);
  gadget.calibrate(state, five.behind(4, 0).second);
  gadget.calibrated(state);
  for (double water : {0., 3., 12.}) {
    const auto [truth, recorded] = five.behind(4 + water, 0);
    EXPECT_LT(largest_error(gadget.forward(gadget.initial(header), state, recorded), truth), 1e-5);
  }
}

template <class Real>
struct WrongByATenThousandth : PileUp<Real> {
  using Base = PileUp<Real>;
  typename Base::In adjoint(const typename Base::Params& p, const typename Base::State& s, const typename Base::In& x,
                            const typename Base::Out& y, const typename Base::Out& y_bar, typename Base::Params& p_bar) const {
    auto x_bar = Base::adjoint(p, s, x, y, y_bar, p_bar);
    for (double& v : p_bar.dead_time) v *= 1 + 1e-4;
    return x_bar;
  }
};

TEST(PileUp, adjoint_holds_against_differences_and_a_wrong_one_fails) {
  const ScanHeader spectral = spectral_header();
  for (const auto& [by_pixel, spectrum] : {std::pair{"false", "none"}, std::pair{"true", "water"}}) {
    double worst_mutant = 0;
    const unsigned seeds = std::string(spectrum) == "water" ? 4 : 20;  // each difference tabulates the spectrum of air again
    for (unsigned seed = 0; seed < seeds; ++seed) {
      std::mt19937_64 random(seed);
      const ScanHeader& header = spectral;
      auto x = random_view(random);
      if (seed % 2 == 1) x.background = {};
      x.threshold_shift = Array<double, 3>({kBins, 1, 2}, 0.25);
      const std::map<std::string, std::string> settings{{"dead_time", "20"}, {"by_pixel", by_pixel}, {"spectrum", spectrum}};
      const auto right = with<double>(settings);
      const auto air = random_view(random);
      const auto prepare = [&](auto& state) {
        if (seed % 4 < 2) return;  // the header's open beam
        right.calibrate(state, air);
        right.calibrated(state);
      };
      const auto error = testing::map_adjoint_error(right, header, right.initial(header), x, seed, prepare);
      EXPECT_LT(error.value, 1e-8) << error.block;
      const auto wrong = with<double, WrongByATenThousandth>(settings);
      worst_mutant =
          std::max(worst_mutant, testing::map_adjoint_error(wrong, header, wrong.initial(header), x, seed, prepare).value);
    }
    EXPECT_GT(worst_mutant, 1e-6);
  }
}

TEST(PileUp, a_saturated_pixel_is_scaled_only_and_its_gradient_says_so) {
  std::mt19937_64 random(5);
  const ScanHeader header = small_header();
  const auto gadget = with<double>({{"dead_time", "20"}, {"largest_loss", "0.05"}});  // nearly all pixels are
  const auto error = testing::map_adjoint_error(gadget, header, gadget.initial(header), random_view(random), 5);
  EXPECT_LT(error.value, 1e-8) << error.block;
}

}  // namespace
}  // namespace counterflow
