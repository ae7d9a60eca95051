#include "gadgets/proxy_decomposition/proxy_decomposition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include <cmath>
#include <random>

#include "core/kernel.h"
#include "core/parallel.h"
#include "core/testing/counts_scan.h"
#include "core/testing/gadget_with.h"
#include "core/testing/gradient_check.h"
#include "core/testing/refusal.h"

namespace counterflow {
namespace {

using testing::converted;
using ::testing::HasSubstr;
using testing::refusal;
using testing::Scenario;
using testing::Settings;
using testing::small_header;
using testing::small_scan;
using testing::SmallScan;

template <class Real>
ProxyDecomposition<Real> gadget_with(const Settings& settings) {
  return testing::gadget_with<ProxyDecomposition<Real>>(settings);
}

template <class Real>
PathLengths<Real> decomposed(const Settings& settings, const SmallScan& scan) {
  const auto gadget = gadget_with<Real>(settings);
  const auto p = gadget.initial(scan.header);
  return gadget.forward(p, gadget.begin(p, scan.header), converted<Real>(scan.x));
}

// Largest error relative to the truth.
template <class Real>
double worst_error(const Scenario& s, Settings settings, unsigned seed) {
  settings["materials"] = joined(s.materials, " ");
  const SmallScan scan = small_scan(s, seed);
  const auto y = decomposed<Real>(settings, scan).areal_density;
  const std::size_t rows = scan.truth.extent(1) / y.extent(1), columns = scan.truth.extent(2) / y.extent(2);
  double worst = 0;
  for (std::size_t m = 0; m < s.materials.size(); ++m)
    for (std::size_t r = 0; r < y.extent(1); ++r)
      for (std::size_t c = 0; c < y.extent(2); ++c)
        worst = std::max(worst, std::abs(static_cast<double>(y(m, r, c)) / scan.truth(m, r * rows, c * columns) - 1));
  return worst;
}

TEST(ProxyDecomposition, noise_free_rays_are_recovered_with_background_shifts_and_sums) {
  Scenario s{.noisy = false, .scatter = 0.2};
  const auto expect = [&](const Settings& settings, double limit) {
    EXPECT_LT(worst_error<double>(s, settings, 1), limit);
    EXPECT_LT(worst_error<float>(s, settings, 1), limit);
  };
  expect({}, 3e-3);
  s.shift_rows = 1;
  expect({}, 1e-2);
  s.shift_rows = 2;
  expect({}, 1e-2);
  s.air_moves = true;
  expect({{"air_thresholds", "shifted"}}, 1e-2);
  s.shift_rows = 1;
  s.same_ray = true;
  expect({{"air_thresholds", "shifted"}, {"sum_rows", "2"}, {"sum_columns", "4"}}, 1e-2);
  s = {
      .materials = {"water", "calcium", "gadolinium"}, .low = {2, 0.1, 0.02}, .high = {12, 0.8, 0.08}, .bins = 6, .noisy = false};
  expect({}, 1e-2);
}

TEST(ProxyDecomposition, kernels_of_every_instruction_set_agree_with_the_plain_reference) {
  for (const Scenario& s :
       {Scenario{.scatter = 0.2},
        Scenario{.materials = {"water", "calcium", "gadolinium"}, .low = {2, 0, 0}, .high = {20, 1, 0.1}, .bins = 7},
        Scenario{.bins = 2, .total = 5000}}) {
    const SmallScan scan = small_scan(s, 5);
    const CountsModel model(scan.header.system, s.materials);
    const ArealDensityEstimator estimator(model);
    const ProxyTables<double> tables(estimator, estimator.spectra().nominal(), {0});
    const SummedRays<double> sums(scan.x, {});
    for (Isa isa : available_isas()) {
      Array<double, 3> y({s.materials.size(), 2, 12});
      ProxyResult<double> out{.plane = 24, .areal_density = y.data()};
      choose<EstimateRays<double>>(kernel_baseline::estimate_rays, kernel_avx2::estimate_rays, kernel_avx512::estimate_rays, isa)(
          tables.system(), sums.rays(0, 23), out);  // the last ray is left alone
      for (std::size_t i = 0; i < 23; ++i) {
        std::vector<double> counts, open, background;
        for (std::size_t b = 0; b < s.bins; ++b) {
          counts.push_back(scan.x.counts[b * 24 + i]);
          open.push_back(1.25 * (*scan.x.open_beam)[b * 24 + i]);
          if (s.scatter > 0) background.push_back(scan.x.background[b * 24 + i]);
        }
        const auto plain = estimator.estimate(estimator.spectra().nominal(), {counts, open, background});
        for (std::size_t m = 0; m < s.materials.size(); ++m)
          EXPECT_NEAR(y[m * 24 + i], plain[m], 1e-9 * estimator.spectra().range()[m]);
      }
      EXPECT_EQ(y[23], 0);
      EXPECT_EQ(out.failed, 0u);
    }
  }
}

TEST(ProxyDecomposition, covariance_is_the_bound) {
  const SmallScan scan = small_scan({}, 4);
  const auto y = decomposed<double>({{"covariance", "true"}}, scan);
  const CountsModel model(scan.header.system, {"water", "iodine"});
  std::vector<double> scale;
  for (std::size_t b = 0; b < 5; ++b) scale.push_back(1.25 * (*scan.x.open_beam)(b, 1, 7) / model.nominal().total[b]);
  const auto bound =
      cramer_rao_bound(model.ray(model.nominal(), scale, {}, std::vector{y.areal_density(0, 1, 7), y.areal_density(1, 1, 7)}));
  EXPECT_NEAR(y.covariance(0, 1, 7) / bound(0, 0), 1, 0.01);
  EXPECT_NEAR(y.covariance(1, 1, 7) / bound(0, 1), 1, 0.01);
  EXPECT_NEAR(y.covariance(2, 1, 7) / bound(1, 1), 1, 0.01);
}

TEST(ProxyDecomposition, rays_without_counts_get_the_stated_value_and_no_number_is_missing) {
  SmallScan scan = small_scan({}, 4);
  auto open = *scan.x.open_beam;
  open(2, 0, 3) = 0;  // a dead pixel
  scan.x.open_beam = std::make_shared<Array<double, 3>>(open);
  for (std::size_t b = 0; b < 5; ++b) scan.x.counts(b, 1, 0) = 0;
  scan.x.counts(0, 1, 5) = std::numeric_limits<double>::quiet_NaN();
  scan.x.counts(4, 1, 6) = -3;
  scan.x.counts(4, 1, 8) = std::numeric_limits<double>::infinity();
  for (std::size_t b = 0; b < 4; ++b) scan.x.counts(b, 1, 7) = 0;  // counts in the highest bin alone: held by the prior
  scan.x.counts(0, 1, 9) = 0;                                      // one empty bin is no trouble
  const auto gadget = gadget_with<double>({{"failed_value", "1 -2"}, {"covariance", "true"}});
  const auto p = gadget.initial(scan.header);
  const auto state = gadget.begin(p, scan.header);
  const auto y = gadget.forward(p, state, scan.x);
  for (const auto& [row, column] : {std::pair{0, 3}, {1, 0}, {1, 5}, {1, 6}, {1, 8}}) {
    EXPECT_EQ(y.areal_density(0, row, column), 1);
    EXPECT_EQ(y.areal_density(1, row, column), -2);
    EXPECT_EQ(y.covariance(0, row, column), 0);
  }
  for (double v : y.areal_density) EXPECT_TRUE(std::isfinite(v));
  EXPECT_NE(y.areal_density(0, 1, 9), 1);
  auto bar = y;
  for (double& v : bar.areal_density) v = 1;
  auto p_bar = zero_like(p);
  const auto x_bar = gadget.adjoint(p, state, scan.x, y, bar, p_bar);
  for (double v : x_bar.counts) EXPECT_TRUE(std::isfinite(v));
  for (double v : p_bar.log_attenuation) EXPECT_TRUE(std::isfinite(v));
  EXPECT_EQ(x_bar.counts(1, 0, 3), 0);
  const auto remarks = gadget.report(state);
  EXPECT_EQ(remarks[0].text, "rays without an estimate");
  EXPECT_EQ(remarks[0].count, 5u);
  EXPECT_EQ(remarks[0].of, 24u);
  EXPECT_EQ(remarks[1].text, "rays estimated outside the range of the fit");
}

TEST(ProxyDecomposition, rays_outside_the_range_are_counted) {
  const SmallScan scan = small_scan({.low = {10, 0.04}, .high = {20, 0.06}}, 4);
  const auto gadget = gadget_with<double>({{"range", "5 0.03"}});
  const auto p = gadget.initial(scan.header);
  const auto state = gadget.begin(p, scan.header);
  gadget.forward(p, state, scan.x);
  EXPECT_EQ(gadget.report(state)[1].count, 24u);
}

TEST(ProxyDecomposition, a_dead_pixel_is_left_out_of_sums) {
  SmallScan scan = small_scan({.noisy = false, .same_ray = true}, 4);
  auto open = *scan.x.open_beam;
  for (std::size_t b = 0; b < 5; ++b) open(b, 0, 3) = 0;
  scan.x.open_beam = std::make_shared<Array<double, 3>>(open);
  const auto y = decomposed<double>({{"sum_rows", "2"}}, scan);
  EXPECT_NEAR(y.areal_density(0, 0, 3) / scan.truth(0, 0, 3), 1, 1e-3);
}

// The gadget fitted once, and wrong by 0.01 % in one of its cotangents if asked.
struct Fitted : ProxyDecomposition<double> {
  using Base = ProxyDecomposition<double>;
  State fitted;
  int wrong = 0;

  Fitted(const Base& gadget, const Params& p, const ScanHeader& header) : Base(gadget), fitted(gadget.begin(p, header)) {}
  State begin(const Params& p, const ScanHeader&) const {
    State s = fitted;
    set_nodes(p, s);
    return s;
  }
  In adjoint(const Params& p, const State& s, const In& x, const Out& y, const Out& y_bar, Params& p_bar) const {
    In x_bar = Base::adjoint(p, s, x, y, y_bar, p_bar);
    const auto spoil = [](auto& block) {
      for (auto& v : block) v *= 1.0001;
    };
    if (wrong == 1) spoil(x_bar.counts);
    if (wrong == 2) spoil(x_bar.background);
    if (wrong == 3) spoil(x_bar.threshold_shift);
    if (wrong == 4) spoil(p_bar.log_weight);
    if (wrong == 5) spoil(p_bar.log_attenuation);
    return x_bar;
  }
};

testing::GradientError adjoint_error(const Scenario& scene, const Settings& settings, unsigned first_seed, unsigned seeds,
                                     int wrong) {
  testing::GradientError worst;
  const auto gadget = gadget_with<double>(settings);
  const auto p = gadget.initial(small_header(scene.bins));
  Fitted fitted(gadget, p, small_header(scene.bins));
  fitted.wrong = wrong;
  for (unsigned seed = first_seed; seed < first_seed + seeds; ++seed) {
    const SmallScan scan = small_scan(scene, seed);
    const auto error =
        testing::map_adjoint_error(fitted, scan.header, p, scan.x, seed, [](auto&) {}, {.relative = 1e-4, .floor = 1e-3});
    if (!(error.value <= worst.value)) worst = error;
  }
  return worst;
}

TEST(ProxyDecomposition, adjoint_agrees_with_differences) {
  auto expect = [seed = 1U](const Scenario& scene, const Settings& settings) mutable {
    const auto error = adjoint_error(scene, settings, seed, 4, 0);
    EXPECT_LT(error.value, 1e-8) << error.block << ", seeds from " << seed;
    seed += 4;
  };
  Scenario s{.high = {12, 0.05}, .total = 1e7};  // no bin so weak that a difference would pass the kinks at 1/2 and 0 counts
  expect(s, {});
  s.scatter = 0.2;
  s.shift_rows = 1;
  expect(s, {});
  s.air_moves = s.same_ray = true;
  expect(s, {{"air_thresholds", "shifted"}, {"sum_rows", "2"}, {"sum_columns", "4"}});
  s = {.high = {12, 0.05}, .bins = 3, .total = 1e7, .scatter = 0.2, .shift_rows = 2};
  expect(s, {});
  s = {.materials = {"water", "calcium", "gadolinium"}, .low = {2, 0.1, 0.02}, .high = {12, 0.8, 0.08}, .bins = 6, .total = 1e7};
  s.scatter = 0.2;
  expect(s, {{"materials", "water calcium gadolinium"}});
}

TEST(ProxyDecomposition, wrong_adjoints_are_seen) {
  const Scenario scene{.high = {12, 0.05}, .total = 1e7, .scatter = 0.2, .shift_rows = 1};
  for (int wrong = 1; wrong <= 5; ++wrong) EXPECT_GT(adjoint_error(scene, {}, 2, 3, wrong).value, 1e-6) << wrong;
}

TEST(ProxyDecomposition, trained_parameters_move_the_answer) {
  const SmallScan scan = small_scan({.noisy = false}, 4);
  const ProxyDecomposition<double> gadget;
  auto p = gadget.initial(scan.header);
  const auto before = gadget.forward(p, gadget.begin(p, scan.header), scan.x);
  for (double& mu : p.log_attenuation) mu += std::log(1.01);  // everything attenuates 1 % more: 1 % less of it
  const auto after = gadget.forward(p, gadget.begin(p, scan.header), scan.x);
  for (std::size_t i = 0; i < before.areal_density.size(); ++i)
    EXPECT_NEAR(after.areal_density[i] * 1.01, before.areal_density[i], 2e-3 * std::abs(before.areal_density[i]));
}

TEST(ProxyDecomposition, gives_the_same_bits_for_any_number_of_threads) {
  std::vector<Counts<float>> views;
  for (unsigned v = 0; v < 8; ++v) views.push_back(converted<float>(small_scan({.scatter = 0.2, .shift_rows = 1}, v).x));
  const tbb::global_control four(tbb::global_control::max_allowed_parallelism, 4);
  const ProxyDecomposition<float> gadget;
  const auto p = gadget.initial(small_header(5));
  const auto state = gadget.begin(p, small_header(5));
  std::vector<std::vector<float>> first;
  for (int threads = 1; threads <= 4; ++threads) {
    tbb::task_arena arena(threads);
    std::vector<std::vector<float>> all(3 * views.size());
    arena.execute([&] {
      parallel_chunks(views.size(), 1, [&](std::size_t begin, std::size_t end) {
        for (std::size_t v = begin; v < end; ++v) {
          const auto y = gadget.forward(p, state, views[v]);
          auto p_bar = zero_like(p);
          const auto x_bar = gadget.adjoint(p, state, views[v], y, y, p_bar);
          all[3 * v] = y.areal_density.values();
          all[3 * v + 1] = x_bar.threshold_shift.values();
          all[3 * v + 2] = p_bar.log_attenuation;
        }
      });
    });
    if (threads == 1) first = all;
    EXPECT_EQ(all, first);
  }
}

TEST(ProxyDecomposition, refuses_properties_that_contradict_the_scan) {
  const auto initial = [](const Settings& settings, std::size_t bins = 5) {
    return refusal<ConfigError>([&] { gadget_with<float>(settings).initial(small_header(bins)); });
  };
  EXPECT_THAT(initial({{"materials", "water"}}), HasSubstr("two or three materials"));
  EXPECT_THAT(initial({{"materials", "water iodine calcium"}}, 2), HasSubstr("3 to 8 bins for 3 materials, got 2"));
  EXPECT_THAT(initial({{"failed_value", "1 2 3"}}), HasSubstr("failed_value"));
  EXPECT_THAT(initial({{"range", "1 2 3"}}), HasSubstr("range for each of 2 materials, got 3"));
  EXPECT_THAT(initial({{"sum_columns", "3"}}), HasSubstr("two detector modules"));
  EXPECT_THAT(initial({{"materials", "water iodin"}}), HasSubstr("iodin"));
  EXPECT_THAT(refusal<ConfigError>([] {
                ScanHeader header = small_header(5);
                header.system.bowtie = "bowtie.txt";
                ProxyDecomposition<float>().initial(header);
              }),
              HasSubstr("behind the bowtie 'bowtie.txt'"));
  EXPECT_THAT(refusal<ConfigError>([] {
                const ProxyDecomposition<float> gadget;
                gadget.begin(gadget.initial(small_header(5)), small_header(8));
              }),
              HasSubstr("trained on another detector"));
}

TEST(ProxyDecomposition, refuses_views_that_do_not_fit) {
  const SmallScan scan = small_scan({.scatter = 0.2, .shift_rows = 2}, 1);
  const auto p = ProxyDecomposition<double>().initial(scan.header);
  const auto state = ProxyDecomposition<double>().begin(p, scan.header);
  const auto forward = [&](auto&& change, const Settings& settings = {}) {
    const auto gadget = gadget_with<double>(settings);
    Counts<double> x = scan.x;
    change(x);
    return refusal<DataError>([&] { gadget.forward(p, state, x); });
  };
  EXPECT_THAT(forward([](auto& x) { x.open_beam = nullptr; }), HasSubstr("put AirCalibration before"));
  EXPECT_THAT(forward([](auto& x) { x.counts = Array<double, 3>({4, 2, 12}); }), HasSubstr("view 3: expected counts"));
  EXPECT_THAT(forward([](auto& x) { x.background = Array<double, 3>({5, 2, 11}); }), HasSubstr("background"));
  EXPECT_THAT(forward([](auto& x) { x.threshold_shift = Array<double, 3>({5, 2, 4}); }), HasSubstr("threshold shift"));
  EXPECT_THAT(forward([](auto& x) { x.threshold_shift(2, 0, 1) = 2.5; }), HasSubstr("within +-2 keV, got 2.5"));
  EXPECT_THAT(forward([](auto& x) { x.view.exposure = 0; }), HasSubstr("exposure"));
  EXPECT_THAT(forward([](auto&) {}, {{"sum_rows", "2"}}), HasSubstr("set sum_rows to 1"));
}

TEST(ProxyDecomposition, later_gadgets_are_told_of_the_summed_detector) {
  const auto gadget = gadget_with<float>({{"sum_rows", "2"}, {"sum_columns", "4"}});
  const ScanHeader h = gadget.output_header(small_header(5));
  EXPECT_EQ(h.geometry.rows, 1u);
  EXPECT_EQ(h.geometry.columns, 3u);
  EXPECT_EQ(h.grid.nz, 1u);
}

}  // namespace
}  // namespace counterflow
