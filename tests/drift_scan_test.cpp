// Known threshold shifts injected by the simulator and given to BinDrift: what the decomposition then makes of counts without
// noise. docs/bin_drift.md quotes the figures that are printed here.
#include <gtest/gtest.h>

#include <cstdio>

#include "pipelines/simulator/drift.h"
#include "tests/support.h"

namespace counterflow::testing {
namespace {

using Parameters = std::vector<std::vector<double>>;  // [stage][flat]

// A fan of 33 cm of water with iodine rods, few views and no noise; each pixel one ray, energies as the decomposition takes them.
Scenario small_scenario(const DriftSettings& drift) {
  Scenario s = scenario("iodine_rods");
  ScanGeometry& g = s.header.geometry;
  const auto fewer = static_cast<double>(g.views) / 6;
  g.rows = s.header.grid.nz = 2;
  g.views = g.views_per_rotation = 6;
  g.angle_step *= fewer;
  const double wider = static_cast<double>(g.columns) / 64;
  g.columns = 64;
  g.column_pitch *= wider;
  s.header.modules = 4;
  s.header.system.pixel_columns = s.header.system.pixel_rows = 1.3;
  s.acquisition.noise = false;
  s.acquisition.air_views = 1;
  s.sampling = {.energy_step = 0.5, .column_rays = 1};
  s.drift = drift;
  return s;
}

// Areal densities of every view, [material,row,column].
std::vector<Array<double, 3>> densities(const std::string& gadgets, const Scan& scan, const Parameters& parameters) {
  const auto chain = parse_chain<double>(chain_of(gadgets), "chain.xml", plugin_folders());
  Workers workers(2);
  ScanRun<double> run(chain, scan.header, workers, parameters);
  std::vector<Array<double, 3>> out;
  run.output = [&](const Stage<double>&, const Message<double>& m) {
    out.push_back(std::get<Sent<PathLengths<double>>>(m)->areal_density);
  };
  run.forward([&, n = std::size_t{0}]() mutable -> Message<double> {
    if (n == scan.views.size()) return {};
    const auto& view = *std::get<Sent<Counts<float>>>(scan.views[n++]);
    Counts<double> x;
    x.view = view.view;
    x.counts = Array<double, 3>(view.counts.shape());
    std::copy(view.counts.begin(), view.counts.end(), x.counts.begin());
    return Sent<Counts<double>>(std::make_shared<const Counts<double>>(std::move(x)));
  });
  return out;
}

struct Error {
  double water = 0, iodine = 0;  // rms over all rays [g/cm^2], [mg/cm^2]
};

class DriftedScan {
 public:
  explicit DriftedScan(const DriftSettings& drift) : scenario_(small_scenario(drift)), drift_(scenario_, 8) {
    scan_ = simulate(scenario_);
    truth_ = densities(air() + likelihood({}), simulate(small_scenario({})), {});
  }

  enum class Known { nothing, all, since_air };

  Error error(std::map<std::string, std::string> properties, std::map<std::string, std::string> decomposition = {},
              Known known = Known::all) const {
    properties.insert({{"common_nodes", "2"}, {"pixels", drift_.pixels().empty() ? "false" : "true"}});
    const auto found = densities(air() + gadget("bin_drift", "BinDrift", properties) + likelihood(decomposition), scan_,
                                 known == Known::nothing ? Parameters{} : Parameters{{}, shifts(known), {}});
    Error e;
    double rays = 0;
    for (std::size_t v = 0; v < found.size(); ++v)
      for (std::size_t i = 0; i < found[v].size() / 2; ++i, ++rays) {
        e.water += std::pow(found[v].block(0u)[i] - truth_[v].block(0u)[i], 2);
        e.iodine += 1e6 * std::pow(found[v].block(1u)[i] - truth_[v].block(1u)[i], 2);
      }
    return {std::sqrt(e.water / rays), std::sqrt(e.iodine / rays)};
  }

 private:
  static std::string air() { return gadget("air_calibration", "AirCalibration", {}); }
  static std::string likelihood(std::map<std::string, std::string> properties) {
    properties.insert({{"materials", "water iodine"}, {"energy_step", "0.5"}, {"tolerance", "1e-9"}});
    return gadget("decomposition", "MaximumLikelihood", properties);
  }
  // common [node,threshold], module_shift [1,threshold,module], pixel_shift [threshold,row,column].
  std::vector<double> shifts(Known known) const {
    const bool all = known == Known::all;
    std::vector<double> flat(drift_.thresholds(), all ? scenario_.drift.common : 0);
    flat.insert(flat.end(), drift_.thresholds(), scenario_.drift.slow + (all ? scenario_.drift.common : 0));
    for (double shift : drift_.modules()) flat.push_back(all ? shift : 0);
    for (double shift : drift_.pixels()) flat.push_back(all ? shift : 0);
    return flat;
  }

  Scenario scenario_;
  ThresholdDrift drift_;
  Scan scan_;
  std::vector<Array<double, 3>> truth_;
};

void show(const char* what, const Error& e) {
  std::printf("  %-58s water %.2e g/cm2, iodine %.2e mg/cm2\n", what, e.water, e.iodine);
}

using Known = DriftedScan::Known;
const std::map<std::string, std::string> kModel{{"mode", "model"}}, kResample{{"mode", "resample"}};

TEST(DriftedScan, the_likelihood_gives_the_truth_back_from_known_shifts_and_resampled_counts_nearly) {
  const DriftedScan scan({.common = 0.3, .module_sigma = 1, .slow = 1});
  const Error before = scan.error(kModel, {}, Known::nothing), model = scan.error(kModel), resampled = scan.error(kResample),
              kept = scan.error({{"mode", "resample"}, {"keep_total", "true"}});
  show("old air scan, modules and slow drift: not corrected", before);
  show("  model", model);
  show("  resample", resampled);
  show("  resample, total kept", kept);
  EXPECT_GT(before.iodine, 3);
  EXPECT_LT(model.iodine, 1e-4);
  EXPECT_LT(model.water, 1e-5);
  EXPECT_LT(resampled.iodine, before.iodine / 10);
  EXPECT_LT(resampled.water, before.water / 10);
  EXPECT_LT(kept.iodine, before.iodine);
}

TEST(DriftedScan, after_an_air_scan_that_had_drifted_too_both_need_to_be_told) {
  const DriftedScan scan({.common = 0.3, .module_sigma = 1, .air = "drifted"});
  std::map<std::string, std::string> resample = kResample;
  resample["air_thresholds"] = "shifted";
  const Error before = scan.error(kModel, {}, Known::nothing), model = scan.error(kModel, {{"air_thresholds", "shifted"}}),
              resampled = scan.error(resample), untold = scan.error(kModel);
  show("fresh air scan, modules: not corrected", before);
  show("  model, air_thresholds shifted", model);
  show("  resample, air_thresholds shifted", resampled);
  show("  model, not told", untold);
  EXPECT_GT(before.iodine, 1);
  EXPECT_LT(model.iodine, 1e-4);
  EXPECT_LT(resampled.iodine, before.iodine / 2);
  EXPECT_GT(untold.iodine, before.iodine);
}

TEST(DriftedScan, shifts_since_a_fresh_air_scan_are_enough_for_a_drift_during_the_scan) {
  const DriftedScan scan({.common = 0.5, .slow = 1, .air = "drifted"});
  const Error before = scan.error(kModel, {}, Known::nothing), since = scan.error(kModel, {}, Known::since_air),
              shifted = scan.error(kModel, {{"air_thresholds", "shifted"}});
  show("fresh air scan, slow drift: not corrected", before);
  show("  model, shifts since the air scan", since);
  show("  model, air_thresholds shifted", shifted);
  EXPECT_LT(since.iodine, before.iodine / 5);
  EXPECT_GT(shifted.iodine, 3 * since.iodine);
}

TEST(DriftedScan, pixels_have_shifts_of_their_own) {
  const DriftedScan scan({.module_sigma = 0.3, .pixel_sigma = 0.3});
  const Error before = scan.error(kModel, {}, Known::nothing), model = scan.error(kModel), resampled = scan.error(kResample);
  show("old air scan, modules and pixels: not corrected", before);
  show("  model", model);
  show("  resample", resampled);
  EXPECT_GT(before.iodine, 3);
  EXPECT_LT(model.iodine, 0.01);  // spectra of pixels are polynomials in the shift
  EXPECT_LT(resampled.iodine, before.iodine / 10);
}

}  // namespace
}  // namespace counterflow::testing
