// The adjoint of the gadget against differences, case by case, and wrong adjoints that must show.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "gadgets/decomposition/test_adjoint_cases.h"

namespace counterflow {
namespace {

using testing::adjoint_error;
using testing::changed;
using testing::kThree;
using testing::kTwo;
using testing::Scenario;
using testing::SmallScan;
using Case = testing::AdjointCase;
using Gadget = MaximumLikelihood<double>;

TEST(MaximumLikelihoodAdjoint, agrees_with_differences) {
  for (const Case& c : testing::adjoint_cases()) {
    const auto error = adjoint_error<Gadget>(c, 11);
    std::printf("%-60s %.1e\n", c.name.c_str(), error.value);
    EXPECT_LT(error.value, 1e-8) << c.name << ": " << error.block;
    EXPECT_GT(error.value, 0) << c.name;
  }
}

// The usual mistake: the adjoint at counts equal to the model, where Hessian and Fisher matrix are the same.
struct FisherForHessian : Gadget {
  In adjoint(const None& p, const State& state, const In& x, const Out& y, const Out& y_bar, None& p_bar) const {
    In model = x;
    for (std::size_t r = 0; r < x.counts.extent(1); ++r)
      for (std::size_t c = 0; c < x.counts.extent(2); ++c) {
        std::vector<double> scale, background, a;
        for (std::size_t b = 0; b < x.counts.extent(0); ++b) {
          scale.push_back(x.view.exposure * (*x.open_beam)(b, r, c) / state.model->nominal().total[b]);
          if (!x.background.empty()) background.push_back(x.background(b, r, c));
        }
        for (std::size_t m = 0; m < y.areal_density.extent(0); ++m) a.push_back(y.areal_density(m, r, c));
        const auto lambda = state.model->ray(state.model->nominal(), scale, background, a).lambda;
        for (std::size_t b = 0; b < lambda.size(); ++b) model.counts(b, r, c) = lambda[b];
      }
    return Gadget::adjoint(p, state, model, y, y_bar, p_bar);
  }
};
struct Swapped : Gadget {
  In adjoint(const None& p, const State& state, const In& x, const Out& y, const Out& y_bar, None& p_bar) const {
    In x_bar = Gadget::adjoint(p, state, x, y, y_bar, p_bar);
    std::ranges::swap_ranges(x_bar.counts.block(0), x_bar.counts.block(1));
    return x_bar;
  }
};

// The adjoint of the estimate without its correction.
struct BiasForgotten : Gadget {
  In adjoint(const None& p, const State& state, const In& x, const Out&, const Out& y_bar, None& p_bar) const {
    const Gadget plain = testing::gadget_with<Gadget>({{"tolerance", "1e-9"}});
    return plain.adjoint(p, state, x, plain.forward(p, state, x), y_bar, p_bar);
  }
};

// The adjoint with a bowtie that is a thousandth thicker than the one of forward().
struct ThickerBowtie : Gadget {
  In adjoint(const None& p, const State& state, const In& x, const Out&, const Out& y_bar, None& p_bar) const {
    State thicker = state;
    for (double& v : thicker.bowtie) v *= 1.001;
    const Out optimum = Gadget::forward(p, thicker, x);  // else its rays would be told from their optima, and have no adjoint
    return Gadget::adjoint(p, thicker, x, optimum, y_bar, p_bar);
  }
};
// The air scan's thresholds taken as still, though they moved.
struct AirForgotten : Gadget {
  In adjoint(const None& p, const State& state, const In& x, const Out& y, const Out& y_bar, None& p_bar) const {
    const Gadget still = testing::gadget_with<Gadget>({{"tolerance", "1e-9"}});
    In x_bar = Gadget::adjoint(p, state, x, y, y_bar, p_bar);
    State others = state;
    others.last = std::make_shared<LastParts>();
    x_bar.threshold_shift = still.adjoint(p, others, x, still.forward(p, others, x), y_bar, p_bar).threshold_shift;
    return x_bar;
  }
};

TEST(MaximumLikelihoodAdjoint, knows_the_bowtie_above_and_below) {
  const Case c{"bowtie",
               changed(kTwo, [](Scenario& s) { s.bowtie = testing::kBowtie, s.shift_rows = 1, s.air_moves = true; }),
               {{"air_thresholds", "shifted"}}};
  EXPECT_LT(adjoint_error<Gadget>(c, 5).value, 1e-8);
  EXPECT_GT(adjoint_error<ThickerBowtie>(c, 5).value, 1e-6);
  EXPECT_GT(adjoint_error<AirForgotten>(c, 5).value, 1e-6);
}

TEST(MaximumLikelihoodAdjoint, knows_the_bias_correction) {
  const Case c{"bias", changed(kTwo, [](Scenario& s) { s.total /= 20; }), {{"bias_correction", "cox-snell"}}};
  EXPECT_LT(adjoint_error<Gadget>(c, 5).value, 1e-8);
  EXPECT_GT(adjoint_error<BiasForgotten>(c, 5).value, 1e-6);
}

TEST(MaximumLikelihoodAdjoint, wrong_ones_show) {
  for (const Scenario& base : {kTwo, kThree}) {
    const Case c{"background", changed(base, [](Scenario& s) { s.scatter = 0.3; }), {}};
    EXPECT_LT(adjoint_error<Gadget>(c, 5).value, 1e-8);
    EXPECT_GT(adjoint_error<FisherForHessian>(c, 5).value, 1e-6);
    EXPECT_GT(adjoint_error<testing::CountsScaled>(c, 5).value, 1e-6);
    EXPECT_GT(adjoint_error<Swapped>(c, 5).value, 1e-6);
  }
}

// Wrong cotangents of thresholds: of the neighbour threshold, and those of the nominal spectra.
struct ThresholdsSwapped : Gadget {
  In adjoint(const None& p, const State& state, const In& x, const Out& y, const Out& y_bar, None& p_bar) const {
    In x_bar = Gadget::adjoint(p, state, x, y, y_bar, p_bar);
    std::ranges::swap_ranges(x_bar.threshold_shift.block(1), x_bar.threshold_shift.block(2));
    return x_bar;
  }
};
struct ThresholdsNominal : Gadget {
  In adjoint(const None& p, const State& state, const In& x, const Out& y, const Out& y_bar, None& p_bar) const {
    In nominal = x, x_bar = Gadget::adjoint(p, state, x, y, y_bar, p_bar);
    for (double& s : nominal.threshold_shift) s *= 0.99;
    const Out at = Gadget::forward(p, state, nominal);
    x_bar.threshold_shift = Gadget::adjoint(p, state, nominal, at, y_bar, p_bar).threshold_shift;
    return x_bar;
  }
};

// The residuals' own dependence on the counts left out, and that on the optimum.
struct ResidualOfModelAlone : Gadget {
  In adjoint(const None& p, const State& state, const In& x, const Out& y, const Out& y_bar, None& p_bar) const {
    In x_bar = Gadget::adjoint(p, state, x, y, y_bar, p_bar);
    for (std::size_t i = 0; i < x_bar.counts.size(); ++i) x_bar.counts[i] -= 1e-3 * y_bar.residual[i] / std::sqrt(x.counts[i]);
    return x_bar;
  }
};

TEST(MaximumLikelihoodAdjoint, a_wrong_one_of_the_residuals_shows) {
  for (const Scenario& base : {kTwo, kThree}) {
    const Case c{"", changed(base, [](Scenario& s) { s.scatter = 0.15, s.shift_rows = 1; }), {{"residual", "true"}}};
    EXPECT_LT(adjoint_error<Gadget>(c, 5).value, 1e-8);
    EXPECT_GT(adjoint_error<ResidualOfModelAlone>(c, 5).value, 1e-6);
  }
}

TEST(MaximumLikelihoodAdjoint, wrong_ones_of_the_thresholds_of_each_pixel_show) {
  for (const Scenario& base : {kTwo, kThree}) {
    const Case c{"", changed(base, [](Scenario& s) { s.scatter = 0.15, s.own_shifts = true; }), {}};
    EXPECT_LT(adjoint_error<Gadget>(c, 5).value, 1e-8);
    EXPECT_GT(adjoint_error<ThresholdsSwapped>(c, 5).value, 1e-6);
    EXPECT_GT(adjoint_error<ThresholdsNominal>(c, 5).value, 1e-6);
  }
}

TEST(MaximumLikelihoodAdjoint, bounds_are_active_in_its_test) {
  const Scenario s = changed(kTwo, [](Scenario& v) { v.low.back() = -0.05, v.high.back() = 0.05; });
  const SmallScan scan = testing::small_scan(s, 11);
  const Gadget gadget = testing::gadget_with<Gadget>({{"non_negative", "true"}});
  const auto y = gadget.forward({}, gadget.begin({}, scan.header), scan.x);
  const auto iodine = y.areal_density.block(1);
  const auto clamped = std::ranges::count(iodine, 0.);
  EXPECT_GT(clamped, 4);
  EXPECT_LT(clamped, 20);
  EXPECT_GE(std::ranges::min(y.areal_density), 0);
}

TEST(MaximumLikelihoodAdjoint, failed_rays_have_none) {
  SmallScan scan = testing::small_scan(changed(kTwo, [](Scenario& s) { s.scatter = 0.1, s.shift_rows = 1; }), 3);
  for (std::size_t b = 0; b < 5; ++b) scan.x.counts(b, 1, 4) = 0;
  const Gadget gadget = testing::gadget_with<Gadget>({{"failed_value", "7 8"}});
  const auto state = gadget.begin({}, scan.header);
  const auto y = gadget.forward({}, state, scan.x);
  EXPECT_EQ(y.areal_density(0, 1, 4), 7);
  EXPECT_EQ(y.areal_density(1, 1, 4), 8);
  auto y_bar = zero_like(y);
  y_bar.areal_density(0, 1, 4) = y_bar.areal_density(1, 1, 4) = 1;
  None none;
  const auto x_bar = gadget.adjoint(none, state, scan.x, y, y_bar, none);
  Counts<double>::each(x_bar, [](auto, const auto& block) {
    for (double v : block) EXPECT_EQ(v, 0);
  });
  y_bar.areal_density(0, 1, 5) = 1;
  const auto other = gadget.adjoint(none, state, scan.x, y, y_bar, none);
  EXPECT_NE(other.counts(0, 1, 5), 0);
}

}  // namespace
}  // namespace counterflow
