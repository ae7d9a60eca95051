// The interpolation itself: against Hermite's cubics written out, what it keeps, and counts that it gives back exactly.
#include "gadgets/bin_drift/resampling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

#include "core/physics/counts_model.h"
#include "core/physics/detector_response.h"
#include "gadgets/bin_drift/energy_scale.h"

namespace counterflow {
namespace {

constexpr std::size_t kPixels = Resampling<double>::kPixels;

// One pixel.
template <class Real>
std::vector<Real> resampled(const Resampling<Real>& resampling, const std::vector<Real>& counts, const std::vector<Real>& moves) {
  const std::size_t bins = counts.size();
  typename Resampling<Real>::Work work(bins);
  std::vector<Real> x(counts), y(bins), move((bins + 1) * kPixels);
  for (std::size_t k = 0; k < bins; ++k) move[k * kPixels] = moves[k];
  resampling.forward(1, {x.data(), 1}, move.data(), {y.data(), 1}, work);
  return y;
}

template <class Real>
Real sum_of(const std::vector<Real>& v) {
  return std::accumulate(v.begin(), v.end(), Real(0));
}

TEST(Resampling, a_flat_spectrum_comes_back_exactly) {
  const std::vector<double> nominal{1, 3, 4.5, 7}, moves{0.3, -0.2, 0.4};
  const auto y = resampled<double>(Resampling<double>(nominal, false), {10 * 1.5, 10 * 2.1, 10 * 2.1}, moves);
  for (std::size_t b = 0; b < 3; ++b) EXPECT_NEAR(y[b], 10 * (nominal[b + 1] - nominal[b]), 1e-12);
}

TEST(Resampling, agrees_with_cubic_hermite_pieces_of_the_counts_above) {
  const std::vector<double> nominal{0, 2, 3, 5}, moves{-0.4, 0.3, -0.45}, x{120, 90, 40};
  const std::vector<double> v{-0.4, 2.3, 2.55, 5};  // recorded; the third bin's threshold stands at 3 - 0.45
  const std::vector<double> density{120 / 2.7, 90 / 0.25, 40 / 2.45};
  const double a1 = 1. / 3, a2 = 2. / 3;
  const std::vector<double> slope{density[0], 1 / (a1 / density[0] + (1 - a1) / density[1]),
                                  1 / (a2 / density[1] + (1 - a2) / density[2]), density[2]};
  const std::vector<double> above{250, 130, 40, 0};  // at v
  const auto counts_above = [&](double at) {
    std::size_t j = 0;
    while (at > v[j + 1]) ++j;
    const double h = v[j + 1] - v[j], t = (at - v[j]) / h;
    return (1 + 2 * t) * (1 - t) * (1 - t) * above[j] - h * t * (1 - t) * (1 - t) * slope[j] +
           t * t * (3 - 2 * t) * above[j + 1] + h * t * t * (1 - t) * slope[j + 1];
  };
  const auto y = resampled<double>(Resampling<double>(nominal, false), x, moves);
  EXPECT_NEAR(y[0], counts_above(0) - counts_above(2), 1e-11);
  EXPECT_NEAR(y[1], counts_above(2) - counts_above(3), 1e-11);
  EXPECT_NEAR(y[2], counts_above(3), 1e-11);
}

TEST(Resampling, thresholds_that_did_not_move_leave_the_counts_as_they_are) {
  const std::vector<float> x{3, 0, 1e7F, 0.25F};
  EXPECT_EQ(resampled<float>(Resampling<float>({0, 1, 2, 3, 4}, false), x, {0, 0, 0, 0}), x);
}

TEST(Resampling, what_one_bin_gives_its_neighbour_gets_and_none_falls_below_zero) {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> uniform(0, 1);
  for (int trial = 0; trial < 2000; ++trial) {
    std::vector<double> nominal{-3}, x, moves;
    for (int b = 0; b < 5; ++b) nominal.push_back(nominal.back() + std::pow(10, 2 * uniform(random) - 1));
    for (std::size_t b = 0; b < 5; ++b) {
      x.push_back(uniform(random) < 0.2 ? 0 : std::pow(10, 6 * uniform(random) - 1));
      const double gap = std::min(nominal[b + 1] - nominal[b], b == 0 ? 1e9 : nominal[b] - nominal[b - 1]);
      moves.push_back(0.98 * (uniform(random) - 0.5) * gap);
    }
    const auto kept = resampled<double>(Resampling<double>(nominal, true), x, moves);
    EXPECT_NEAR(sum_of(kept), sum_of(x), 1e-12 * sum_of(x));  // a count cut off at zero would miss here
    for (double v : kept) EXPECT_GE(v, 0);
    const auto y = resampled<double>(Resampling<double>(nominal, false), x, moves);
    const double passed = sum_of(y) - sum_of(x);  // the lowest threshold: downwards more, upwards less
    EXPECT_GE(passed * moves[0], -1e-12 * sum_of(x));
    for (std::size_t b = 1; b < 5; ++b) EXPECT_EQ(y[b], kept[b]);
    for (float v : resampled<float>(Resampling<float>(nominal, false), {x.begin(), x.end()}, {moves.begin(), moves.end()}))
      EXPECT_GE(v, 0);
  }
}

TEST(Resampling, counts_that_are_not_numbers_stay_in_their_pixel) {
  const Resampling<float> resampling({0, 1, 2}, false);
  Resampling<float>::Work work(2);
  std::vector<float> x{5, NAN, 6, 7, 8, -3}, y(6), move(3 * kPixels, 0.1F);
  std::fill(move.begin() + 2 * kPixels, move.end(), 0.F);
  resampling.forward(3, {x.data(), 3}, move.data(), {y.data(), 3}, work);
  EXPECT_TRUE(std::isnan(y[1]));
  for (std::size_t i : {0u, 2u, 3u, 5u}) EXPECT_TRUE(std::isfinite(y[i])) << i;
}

SpectralSystem system_of() {
  SpectralSystem s;
  s.thresholds = {25, 45, 60, 75};
  s.bins = 4;
  s.tube_voltage = 110;
  s.filters = "Al 3.0";
  s.detector = "ideal";
  prepare_response(s, "");
  return s;
}

TEST(EnergyScale, moves_are_what_the_model_of_counts_says_and_slopes_their_derivatives) {
  const SpectralSystem system = system_of();
  const CountsModel model(system, {"water"});
  const EnergyScale scale(0, system);
  const auto share_above = [&](std::size_t k, double shift) {
    std::vector<double> shifts(4);
    shifts[k] = shift;
    const BinWeights w = model.shifted(shifts);
    double above = 0, all = 0;
    for (std::size_t b = k; b < 4; ++b) above += w.total[b];
    for (double t : model.nominal().total) all += t;
    return above / all;
  };
  for (std::size_t k = 0; k < 4; ++k)
    for (double shift : {-6.3, -0.21, 0.0, 1.7, 7.2}) {
      EXPECT_NEAR(scale.move(k, shift).value, share_above(k, 0) - share_above(k, shift), 1e-13);
      const double h = 1e-4, slope = (scale.move(k, shift + h).value - scale.move(k, shift - h).value) / (2 * h);
      EXPECT_NEAR(scale.move(k, shift).slope / slope, 1, 1e-5);
    }
}

TEST(EnergyScale, a_spectrum_like_the_reference_comes_back_exactly_from_shifted_thresholds) {
  const SpectralSystem system = system_of();
  const CountsModel model(system, {"water"});
  const EnergyScale scale(20, system);
  const std::vector<double> shift{1.3, -0.8, 2.4, -1.9}, water{20}, scales(4, 1e6);
  std::vector<double> moves;
  for (std::size_t k = 0; k < 4; ++k) moves.push_back(scale.move(k, shift[k]).value);
  const auto recorded = model.ray(model.shifted(shift), scales, {}, water).lambda;
  const auto nominal = model.ray(model.nominal(), scales, {}, water).lambda;
  const auto y = resampled<double>(Resampling<double>(scale.nominal(), false), recorded, moves);
  for (std::size_t b = 0; b < 4; ++b) {
    EXPECT_NEAR(y[b] / nominal[b], 1, 1e-12);
    EXPECT_GT(std::abs(recorded[b] / nominal[b] - 1), 0.01);
  }
}

}  // namespace
}  // namespace counterflow
