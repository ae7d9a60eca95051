#include "gadgets/bad_pixels/bad_pixels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/testing/gadget_with.h"
#include "core/testing/gradient_check.h"
#include "core/testing/refusal.h"

namespace counterflow {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::refusal;

constexpr std::size_t kBins = 3, kRows = 5, kColumns = 7;

ScanHeader small_header() {
  ScanHeader header;
  header.system.bins = kBins;
  header.geometry.rows = kRows;
  header.geometry.columns = kColumns;
  return header;
}

template <class Real>
BadPixels<Real> with(const testing::Settings& settings) {
  return testing::gadget_with<BadPixels<Real>>(settings);
}

// Counts about a gain of each pixel; row 1 column 2 is dead, row 3 column 3 hot.
Counts<double> random_view(std::mt19937_64& random, bool air) {
  Counts<double> x;
  x.view.air = air;
  x.counts = Array<double, 3>({kBins, kRows, kColumns});
  for (std::size_t i = 0; i < x.counts.size(); ++i)
    x.counts[i] = static_cast<double>(std::poisson_distribution<int>(900 + 10 * static_cast<double>(i % 35))(random));
  for (std::size_t b = 0; b < kBins; ++b) x.counts(b, 1, 2) = 0;
  x.counts(2, 3, 3) = 9000;
  return x;
}

template <class Real>
void see_air(const BadPixels<Real>& gadget, typename BadPixels<Real>::State& state, int views = 16) {
  std::mt19937_64 random(4);
  for (int v = 0; v < views; ++v) gadget.calibrate(state, random_view(random, true));
  gadget.calibrated(state);
}

TEST(BadPixels, found_and_listed_pixels_are_repaired_and_reported) {
  const auto gadget = with<double>({{"pixels", "4 6  0 0"}, {"largest_share", "0.2"}});
  auto state = gadget.begin({}, small_header());
  see_air(gadget, state);
  std::mt19937_64 random(8);
  const auto x = random_view(random, false);
  const auto y = gadget.forward({}, state, x);
  for (std::size_t b = 0; b < kBins; ++b) {
    EXPECT_NEAR(y.counts(b, 1, 2), x.counts(b, 1, 1) + x.counts(b, 1, 3), 30);  // two equal neighbours: their sum
    EXPECT_LT(y.counts(b, 3, 3), 3000);
    EXPECT_EQ(y.counts(b, 2, 2), x.counts(b, 2, 2));
  }
  const auto remarks = gadget.report(state);
  ASSERT_EQ(remarks.size(), 3u);
  EXPECT_EQ(remarks[0].text, "listed pixels, repaired (row 0 column 0; row 4 column 6)");
  EXPECT_EQ(remarks[1].text, "dead pixels, repaired (row 1 column 2)");
  EXPECT_EQ(remarks[2].text, "hot pixels, repaired (row 3 column 3)");
  EXPECT_EQ(remarks[0].count, 2u);
  EXPECT_EQ(remarks[0].of, 35u);
}

TEST(BadPixels, repaired_air_views_and_object_views_belong_together) {
  const auto gadget = with<double>({{"largest_share", "0.1"}});
  auto state = gadget.begin({}, small_header());
  std::mt19937_64 random(4);
  Array<double, 3> open({kBins, kRows, kColumns}), repaired(open.shape());
  std::vector<Counts<double>> air;
  for (int v = 0; v < 16; ++v) air.push_back(random_view(random, true));
  for (const auto& a : air) gadget.calibrate(state, a);
  gadget.calibrated(state);
  for (const auto& a : air) {
    const auto y = gadget.forward({}, state, a);
    for (std::size_t i = 0; i < open.size(); ++i) {
      open[i] += a.counts[i] / 16;
      repaired[i] += y.counts[i] / 16;
    }
  }
  Counts<double> half = air[0];  // an object that lets half of everything through
  for (std::size_t i = 0; i < open.size(); ++i) half.counts[i] = open[i] / 2;
  const auto y = gadget.forward({}, state, half);
  for (std::size_t i = 0; i < open.size(); ++i) EXPECT_NEAR(y.counts[i] / repaired[i], 0.5, 1e-12);
}

TEST(BadPixels, the_header_s_file_lists_pixels) {
  ScanHeader header = small_header();
  header.system.bad_pixels = "bad.txt";
  header.system.files["bad.txt"] = "# row column\n2 3\n\n4 0 # corner\n";
  const auto gadget = with<float>({{"find", "false"}, {"largest_share", "0.1"}});
  auto state = gadget.begin({}, header);
  gadget.calibrated(state);
  ASSERT_EQ(gadget.report(state).size(), 1u);
  EXPECT_EQ(gadget.report(state)[0].text, "listed pixels, repaired (row 2 column 3; row 4 column 0)");
  header.system.files["bad.txt"] = "2 3\n2 7\n";
  EXPECT_THAT(refusal([&] { gadget.begin({}, header); }),
              AllOf(HasSubstr("bad.txt:2"), HasSubstr("a column of 0 to 6, got 2 7")));
  header.system.files["bad.txt"] = "2 3 4\n";
  EXPECT_THAT(refusal([&] { gadget.begin({}, header); }), HasSubstr("expected 'row column', got '2 3 4'"));
  header.system.files.clear();
  EXPECT_THAT(refusal([&] { gadget.begin({}, header); }), HasSubstr("names the file 'bad.txt'"));
}

TEST(BadPixels, what_cannot_be_is_refused_with_the_way_out) {
  const ScanHeader header = small_header();
  EXPECT_THAT(refusal([&] { with<float>({{"pixels", "1 2 3"}}).begin({}, header); }), HasSubstr("pairs of row and column"));
  EXPECT_THAT(refusal([&] { with<float>({{"pixels", "5 2"}}).begin({}, header); }), HasSubstr("a row of 0 to 4"));
  const auto strict = with<double>({{"largest_share", "0.05"}, {"pixels", "0 0"}});
  EXPECT_THAT(refusal([&] {
                auto state = strict.begin({}, header);
                see_air(strict, state);
              }),
              HasSubstr("3 of 35 pixels are bad (1 listed, 1 dead, 1 hot), more than the largest_share of 0.05"));
  EXPECT_THAT(refusal([&] {
                const auto gadget = with<float>({{"exposure", "0.1"}});
                auto state = gadget.begin({}, header);
                gadget.calibrated(state);
              }),
              HasSubstr("needs air views"));
  std::mt19937_64 random(1);
  const BadPixels<double> gadget;
  auto state = gadget.begin({}, header);
  gadget.calibrated(state);
  auto x = random_view(random, false);
  x.open_beam = std::make_shared<Array<double, 3>>(x.counts);
  EXPECT_THAT(refusal([&] { gadget.forward({}, state, x); }), HasSubstr("move it before AirCalibration"));
  x.open_beam = nullptr;
  x.counts = Array<double, 3>({3, 5, 6});
  EXPECT_THAT(refusal([&] { gadget.forward({}, state, x); }), HasSubstr("got 3 bins, 5 rows, 6 columns"));
}

struct WrongByATenThousandth : BadPixels<double> {
  using BadPixels<double>::BadPixels;
  In adjoint(const Params& p, const State& s, const In& x, const Out& y, const Out& y_bar, Params& p_bar) const {
    In x_bar = BadPixels<double>::adjoint(p, s, x, y, y_bar, p_bar);
    x_bar.counts(2, 3, 2) *= 1 + 1e-3;  // a neighbour of a repaired pixel
    x_bar.background(2, 3, 4) *= 1 + 1e-3;
    return x_bar;
  }
};

TEST(BadPixels, adjoint_holds_against_differences_and_a_wrong_one_fails) {
  double worst_mutant = 0;
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937_64 random(seed);
    Counts<double> x = random_view(random, false);
    for (double& v : x.counts) v *= 1e-3;  // so that rounding of the counts does not hide the threshold shifts
    x.background = testing::random_like(x, random).counts;
    x.threshold_shift = Array<double, 3>({kBins, 1, 2}, 0.25);
    const BadPixels<double> gadget = with<double>({{"largest_share", "0.1"}});
    const auto prepare = [&](auto& state) { see_air(gadget, state); };
    EXPECT_LT(testing::map_adjoint_error(gadget, small_header(), None{}, x, seed, prepare).value, 1e-8);
    const auto wrong = testing::map_adjoint_error(WrongByATenThousandth(), small_header(), None{}, x, seed, prepare);
    worst_mutant = std::max(worst_mutant, wrong.value);
  }
  EXPECT_GT(worst_mutant, 1e-6);
}

}  // namespace
}  // namespace counterflow
