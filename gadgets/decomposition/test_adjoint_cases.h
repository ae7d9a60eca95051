// Cases that the adjoints of MaximumLikelihood are held against differences in.
#pragma once
#include "core/testing/counts_scan.h"
#include "core/testing/gadget_with.h"
#include "core/testing/gradient_check.h"
#include "gadgets/decomposition/maximum_likelihood.h"

namespace counterflow::testing {

struct AdjointCase {
  std::string name;
  Scenario scenario;
  Settings settings;
};

inline Settings with_materials(const Scenario& s, Settings settings) {
  settings["materials"] = joined(s.materials, " ");
  settings.emplace("tolerance", "1e-9");
  return settings;
}

template <class G>
GradientError adjoint_error(const AdjointCase& c, unsigned seed, double step = 3e-4) {
  SmallScan scan = small_scan(c.scenario, seed);
  const G gadget = gadget_with<G>(with_materials(c.scenario, c.settings));
  const auto state = gadget.begin({}, scan.header);
  std::mt19937_64 random(seed);
  const auto y = gadget.forward({}, state, scan.x);
  auto w = random_like(y, random);
  for (std::size_t m = 0; m < c.scenario.materials.size(); ++m)  // of equal weight
    for (double& v : w.areal_density.block(m)) v /= state.plan.unit[m];
  None none;
  const auto x_bar = gadget.adjoint(none, state, scan.x, y, w, none);
  return gradient_error(scan.x, x_bar, none, none, random, [&] { return inner_product(w, gadget.forward({}, state, scan.x)); },
                        {c.settings.contains("residual") ? step / 10 : step, 1e-3});  // residuals bend where counts are few
}

// A mutant: its derivatives by counts are a ten-thousandth too large.
struct CountsScaled : MaximumLikelihood<double> {
  In adjoint(const None& p, const State& state, const In& x, const Out& y, const Out& y_bar, None& p_bar) const {
    In x_bar = MaximumLikelihood<double>::adjoint(p, state, x, y, y_bar, p_bar);
    for (double& v : x_bar.counts) v *= 1.0001;
    return x_bar;
  }
};

inline const Scenario kTwo,
    kThree{
        .materials = {"water", "calcium", "gadolinium"}, .low = {2, 0.1, 0.01}, .high = {12, 0.8, 0.08}, .bins = 8, .total = 3e6};

Scenario changed(Scenario s, auto&& change) {
  change(s);
  return s;
}

inline std::vector<AdjointCase> adjoint_cases() {
  std::vector<AdjointCase> out;
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
    const Scenario bowtie = changed(full, [](Scenario& s) { s.bowtie = kBowtie; });
    out.push_back({n + "bowtie", bowtie, {}});
    out.push_back({n + "bowtie in a cone, summed",
                   changed(bowtie, [](Scenario& s) { s.cone = true; }),
                   {{"sum_rows", "2"}, {"sum_columns", "2"}}});
    out.push_back({n + "bowtie, shifts in the air scan too",
                   changed(bowtie, [](Scenario& s) { s.air_moves = true; }),
                   {{"air_thresholds", "shifted"}}});
    out.push_back({n + "bowtie, bias correction, shifts in the air scan too",
                   changed(weak, [](Scenario& s) { s.air_moves = true, s.bowtie = kBowtie; }),
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

}  // namespace counterflow::testing
