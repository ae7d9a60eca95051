// The adjoint of the gadget against differences, case by case, and wrong adjoints that must show.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "core/testing/counts_scan.h"
#include "core/testing/gadget_with.h"
#include "core/testing/gradient_check.h"
#include "gadgets/decomposition/maximum_likelihood.h"

namespace counterflow {
namespace {

using testing::Scenario;
using testing::Settings;
using testing::SmallScan;
using Gadget = MaximumLikelihood<double>;

struct Case {
  std::string name;
  Scenario scenario;
  Settings settings;
};

Settings with_materials(const Scenario& s, Settings settings) {
  settings["materials"] = joined(s.materials, " ");
  settings.emplace("tolerance", "1e-9");
  return settings;
}

template <class G>
testing::GradientError error_of(const Case& c, unsigned seed) {
  SmallScan scan = testing::small_scan(c.scenario, seed);
  const G gadget = testing::gadget_with<G>(with_materials(c.scenario, c.settings));
  const auto state = gadget.begin({}, scan.header);
  std::mt19937_64 random(seed);
  const auto y = gadget.forward({}, state, scan.x);
  auto w = testing::random_like(y, random);
  for (std::size_t m = 0; m < c.scenario.materials.size(); ++m)  // of equal weight
    for (double& v : w.areal_density.block(m)) v /= state.plan.unit[m];
  None none;
  const auto x_bar = gadget.adjoint(none, state, scan.x, y, w, none);
  return testing::gradient_error(scan.x, x_bar, none, none, random,
                                 [&] { return testing::inner_product(w, gadget.forward({}, state, scan.x)); },
                                 {c.settings.contains("residual") ? 3e-5 : 3e-4, 1e-3});  // residuals bend where counts are few
}

const Scenario kTwo,
    kThree{
        .materials = {"water", "calcium", "gadolinium"}, .low = {2, 0.1, 0.01}, .high = {12, 0.8, 0.08}, .bins = 8, .total = 3e6};

Scenario changed(Scenario s, auto&& change) {
  change(s);
  return s;
}

std::vector<Case> cases() {
  std::vector<Case> out;
  for (const Scenario& base : {kTwo, kThree}) {
    const std::string n = base.materials.size() == 2 ? "two materials, " : "three materials, ";
    const Scenario full = changed(base, [](Scenario& s) { s.scatter = 0.15, s.shift_rows = 1; });
    const Scenario rows = changed(full, [](Scenario& s) { s.shift_rows = 2; });
    const Scenario air = changed(full, [](Scenario& s) { s.air_moves = true; });
    const Scenario negative = changed(full, [](Scenario& s) { s.low.back() = -0.05, s.high.back() = 0.05; });
    const Scenario weak = changed(full, [](Scenario& s) { s.total /= 20; });
    out.push_back({n + "plain", base, {}});
    out.push_back({n + "background", changed(base, [](Scenario& s) { s.scatter = 0.3; }), {}});
    out.push_back({n + "threshold shifts", full, {}});
    out.push_back({n + "threshold shifts by row", rows, {}});
    out.push_back({n + "threshold shifts in the air scan too", air, {{"air_thresholds", "shifted"}}});
    const Scenario own = changed(full, [](Scenario& s) { s.shift_rows = 0, s.own_shifts = true; });
    const Scenario own_air = changed(own, [](Scenario& s) { s.air_moves = true; });
    const Scenario own_weak = changed(own_air, [](Scenario& s) { s.total /= 20; });
    out.push_back({n + "thresholds of each pixel", own, {}});
    out.push_back({n + "thresholds of each pixel in the air scan too", own_air, {{"air_thresholds", "shifted"}}});
    out.push_back({n + "thresholds of each pixel, bias correction",
                   own_weak,
                   {{"bias_correction", "cox-snell"}, {"air_thresholds", "shifted"}}});
    out.push_back({n + "residuals", full, {{"residual", "true"}}});
    out.push_back({n + "residuals, shifts in the air scan too", air, {{"residual", "true"}, {"air_thresholds", "shifted"}}});
    out.push_back({n + "residuals, thresholds of each pixel", own, {{"residual", "true"}}});
    out.push_back({n + "residuals, bounds", negative, {{"residual", "true"}, {"non_negative", "true"}}});
    out.push_back({n + "quadrature", full, {{"quadrature", "40"}}});
    out.push_back({n + "quadrature, shifts in the air scan too", air, {{"quadrature", "40"}, {"air_thresholds", "shifted"}}});
    out.push_back({n + "quadrature, thresholds of each pixel", own, {{"quadrature", "40"}}});
    out.push_back({n + "bounds", negative, {{"non_negative", "true"}}});
    out.push_back({n + "bias correction", weak, {{"bias_correction", "cox-snell"}}});
    out.push_back({n + "bias correction, shifts in the air scan too",
                   changed(weak, [](Scenario& s) { s.air_moves = true; }),
                   {{"bias_correction", "cox-snell"}, {"air_thresholds", "shifted"}}});
    out.push_back({n + "summed", full, {{"sum_rows", "2"}, {"sum_columns", "2"}}});
    const Scenario bowtie = changed(full, [](Scenario& s) { s.bowtie = testing::kBowtie; });
    out.push_back({n + "bowtie", bowtie, {}});
    out.push_back({n + "bowtie in a cone, summed",
                   changed(bowtie, [](Scenario& s) { s.cone = true; }),
                   {{"sum_rows", "2"}, {"sum_columns", "2"}}});
    out.push_back({n + "bowtie, shifts in the air scan too",
                   changed(bowtie, [](Scenario& s) { s.air_moves = true; }),
                   {{"air_thresholds", "shifted"}}});
    out.push_back({n + "bowtie, bias correction, shifts in the air scan too",
                   changed(weak, [](Scenario& s) { s.air_moves = true, s.bowtie = testing::kBowtie; }),
                   {{"bias_correction", "cox-snell"}, {"air_thresholds", "shifted"}}});
    out.push_back({n + "covariance", full, {{"covariance", "true"}}});
  }
  for (std::size_t bins = 2; bins <= 8; ++bins)
    out.push_back({"two materials, bins " + std::to_string(bins),
                   changed(kTwo, [&](Scenario& s) { s.bins = bins, s.shift_rows = 1; }),
                   {}});
  for (std::size_t bins = 3; bins <= 7; ++bins)
    out.push_back({"three materials, bins " + std::to_string(bins),
                   changed(kThree, [&](Scenario& s) { s.bins = bins, s.shift_rows = 1; }),
                   {}});
  return out;
}

TEST(MaximumLikelihoodAdjoint, agrees_with_differences) {
  for (const Case& c : cases()) {
    const auto error = error_of<Gadget>(c, 11);
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
struct Scaled : Gadget {
  In adjoint(const None& p, const State& state, const In& x, const Out& y, const Out& y_bar, None& p_bar) const {
    In x_bar = Gadget::adjoint(p, state, x, y, y_bar, p_bar);
    for (double& v : x_bar.counts) v *= 1.0001;
    return x_bar;
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
  EXPECT_LT(error_of<Gadget>(c, 5).value, 1e-8);
  EXPECT_GT(error_of<ThickerBowtie>(c, 5).value, 1e-6);
  EXPECT_GT(error_of<AirForgotten>(c, 5).value, 1e-6);
}

TEST(MaximumLikelihoodAdjoint, knows_the_bias_correction) {
  const Case c{"bias", changed(kTwo, [](Scenario& s) { s.total /= 20; }), {{"bias_correction", "cox-snell"}}};
  EXPECT_LT(error_of<Gadget>(c, 5).value, 1e-8);
  EXPECT_GT(error_of<BiasForgotten>(c, 5).value, 1e-6);
}

TEST(MaximumLikelihoodAdjoint, wrong_ones_show) {
  for (const Scenario& base : {kTwo, kThree}) {
    const Case c{"background", changed(base, [](Scenario& s) { s.scatter = 0.3; }), {}};
    EXPECT_LT(error_of<Gadget>(c, 5).value, 1e-8);
    EXPECT_GT(error_of<FisherForHessian>(c, 5).value, 1e-6);
    EXPECT_GT(error_of<Scaled>(c, 5).value, 1e-6);
    EXPECT_GT(error_of<Swapped>(c, 5).value, 1e-6);
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
    EXPECT_LT(error_of<Gadget>(c, 5).value, 1e-8);
    EXPECT_GT(error_of<ResidualOfModelAlone>(c, 5).value, 1e-6);
  }
}

TEST(MaximumLikelihoodAdjoint, wrong_ones_of_the_thresholds_of_each_pixel_show) {
  for (const Scenario& base : {kTwo, kThree}) {
    const Case c{"", changed(base, [](Scenario& s) { s.scatter = 0.15, s.own_shifts = true; }), {}};
    EXPECT_LT(error_of<Gadget>(c, 5).value, 1e-8);
    EXPECT_GT(error_of<ThresholdsSwapped>(c, 5).value, 1e-6);
    EXPECT_GT(error_of<ThresholdsNominal>(c, 5).value, 1e-6);
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
