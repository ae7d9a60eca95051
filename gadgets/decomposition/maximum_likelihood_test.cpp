#include "gadgets/decomposition/maximum_likelihood.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include "core/parallel.h"
#include "core/testing/counts_scan.h"
#include "core/testing/gadget_with.h"
#include "core/testing/refusal.h"

namespace counterflow {
namespace {

using ::testing::HasSubstr;
using testing::refusal;
using testing::Scenario;
using testing::Settings;
using testing::SmallScan;

template <class Real>
double worst_error(const Scenario& s, Settings settings, unsigned seed) {
  settings["materials"] = joined(s.materials, " ");
  if (sizeof(Real) == 8) settings["tolerance"] = "1e-9";
  const SmallScan scan = testing::small_scan(s, seed);
  const auto gadget = testing::gadget_with<MaximumLikelihood<Real>>(settings);
  const auto y = gadget.forward({}, gadget.begin({}, scan.header), testing::converted<Real>(scan.x));
  const std::size_t rows = scan.truth.extent(1) / y.areal_density.extent(1),
                    columns = scan.truth.extent(2) / y.areal_density.extent(2);
  double worst = 0;
  for (std::size_t m = 0; m < s.materials.size(); ++m)
    for (std::size_t r = 0; r < y.areal_density.extent(1); ++r)
      for (std::size_t c = 0; c < y.areal_density.extent(2); ++c)
        worst =
            std::max(worst, std::abs(static_cast<double>(y.areal_density(m, r, c)) / scan.truth(m, r * rows, c * columns) - 1));
  return worst;
}

TEST(MaximumLikelihood, noise_free_rays_are_recovered_with_background_shifts_and_sums) {
  Scenario s{.noisy = false, .scatter = 0.2, .shift_rows = 1};
  const auto expect = [&](const Settings& settings) {
    EXPECT_LT(worst_error<double>(s, settings, 1), 1e-6);
    EXPECT_LT(worst_error<float>(s, settings, 1), 1e-4);
  };
  expect({});
  expect({{"non_negative", "true"}});
  s.shift_rows = 2;
  expect({});
  s.air_moves = true;
  expect({{"air_thresholds", "shifted"}});
  s.shift_rows = 1;
  s.same_ray = true;
  expect({{"air_thresholds", "shifted"}, {"sum_rows", "2"}, {"sum_columns", "4"}});
  const Scenario three{
      .materials = {"water", "calcium", "gadolinium"}, .low = {2, 0.1, 0.02}, .high = {12, 0.8, 0.08}, .bins = 6, .noisy = false};
  EXPECT_LT(worst_error<double>(three, {}, 2), 1e-6);
  EXPECT_LT(worst_error<float>(three, {}, 2), 1e-4);
}

TEST(MaximumLikelihood, noise_free_rays_behind_a_bowtie_are_recovered_in_every_column) {
  Scenario s{.noisy = false, .scatter = 0.2, .bowtie = testing::kBowtie};
  const auto expect = [&](const Settings& settings) {
    EXPECT_LT(worst_error<double>(s, settings, 1), 1e-6);
    EXPECT_LT(worst_error<float>(s, settings, 1), 2e-4);
  };
  expect({});
  s.cone = true;
  expect({});
  s.shift_rows = 2;
  expect({});
  s.air_moves = true;
  expect({{"air_thresholds", "shifted"}});
  s.cone = false;
  s.shift_rows = 1;
  s.same_ray = true;
  expect({{"air_thresholds", "shifted"}, {"sum_rows", "2"}});
}

// A bowtie left out, or one of a ray that leaves the fan's plane taken as if it lay in it, would show.
TEST(MaximumLikelihood, a_bowtie_matters) {
  for (const bool cone : {false, true}) {
    const SmallScan scan = testing::small_scan({.noisy = false, .bowtie = testing::kBowtie, .cone = cone}, 1);
    ScanHeader wrong = scan.header;
    if (cone) wrong.geometry.beam = Beam::fan_flat;
    else wrong.system.bowtie.clear();
    const auto gadget = testing::gadget_with<MaximumLikelihood<double>>({{"tolerance", "1e-9"}});
    const auto y = gadget.forward({}, gadget.begin({}, wrong), scan.x);
    double worst = 0;
    for (std::size_t i = 0; i < y.areal_density.size(); ++i)
      worst = std::max(worst, std::abs(y.areal_density[i] / scan.truth[i] - 1));
    EXPECT_GT(worst, 1e-3) << cone;
  }
}

TEST(MaximumLikelihood, a_bowtie_that_does_not_cover_the_fan_is_refused) {
  SmallScan scan = testing::small_scan({.bowtie = testing::kBowtie}, 1);
  const auto gadget = testing::gadget_with<MaximumLikelihood<double>>({});
  scan.header.geometry.column_pitch *= 2;
  EXPECT_THROW(
      try { gadget.begin({}, scan.header); } catch (const ConfigError& error) {
        EXPECT_THAT(error.what(), HasSubstr("given for fan angles of -0.004 to 0.004 rad"));
        throw;
      },
      ConfigError);
  scan.header.geometry.beam = Beam::parallel;
  EXPECT_THROW(gadget.begin({}, scan.header), ConfigError);
}

// What the polynomials in the shifts leave, 5e-5 of counts here.
TEST(MaximumLikelihood, noise_free_rays_are_recovered_with_thresholds_of_each_pixel) {
  Scenario s{.noisy = false, .scatter = 0.2, .own_shifts = true};
  const auto expect = [&](const Settings& settings) {
    EXPECT_LT(worst_error<double>(s, settings, 1), 2e-3);
    EXPECT_GT(worst_error<double>(s, settings, 1), 1e-9);
    EXPECT_LT(worst_error<float>(s, settings, 1), 2e-3);
  };
  expect({});
  expect({{"quadrature", "40"}});
  s.air_moves = true;
  expect({{"air_thresholds", "shifted"}});
}

TEST(MaximumLikelihood, a_quadrature_changes_densities_by_less_than_it_states) {
  SmallScan scan = testing::small_scan({.bins = 8, .total = 1e6 / 8}, 1);
  const auto solved = [&](const Settings& settings) {
    const auto gadget = testing::gadget_with<MaximumLikelihood<double>>(settings);
    const auto state = gadget.begin({}, scan.header);
    return std::pair{gadget.forward({}, state, scan.x), gadget.report(state)};
  };
  const auto [all, plain] = solved({{"covariance", "true"}, {"tolerance", "1e-9"}});
  const auto [few, remarks] = solved({{"quadrature", "36"}, {"tolerance", "1e-9"}});
  ASSERT_EQ(plain.size(), 2u);
  ASSERT_EQ(remarks.size(), 3u);
  EXPECT_EQ(remarks[2].count, 36u);
  EXPECT_THAT(remarks[2].text, HasSubstr("counts within"));
  double worst = 0;
  for (std::size_t i = 0; i < 24; ++i)
    for (std::size_t m = 0; m < 2; ++m)
      worst = std::max(worst, std::abs(few.areal_density.block(m)[i] - all.areal_density.block(m)[i]) /
                                  std::sqrt(all.covariance.block(2 * m)[i]));
  const auto gadget = testing::gadget_with<MaximumLikelihood<double>>({{"quadrature", "36"}});
  const NodeError stated = gadget.begin({}, scan.header).quadrature;
  EXPECT_GT(worst, 0);
  EXPECT_LT(worst, 2 * stated.sigmas * 1e3 * std::sqrt(1.25 * 1.2));  // exposure and the brightest pixel
}

TEST(MaximumLikelihood, covariance_is_the_bound) {
  const SmallScan scan = testing::small_scan({}, 4);
  const auto gadget = testing::gadget_with<MaximumLikelihood<double>>({{"covariance", "true"}});
  const auto state = gadget.begin({}, scan.header);
  const auto y = gadget.forward({}, state, scan.x);
  std::vector<double> scale;
  for (std::size_t b = 0; b < 5; ++b) scale.push_back(1.25 * (*scan.x.open_beam)(b, 1, 7) / state.model->nominal().total[b]);
  const auto bound = cramer_rao_bound(
      state.model->ray(state.model->nominal(), scale, {}, std::vector{y.areal_density(0, 1, 7), y.areal_density(1, 1, 7)}));
  EXPECT_NEAR(y.covariance(0, 1, 7) / bound(0, 0), 1, 1e-9);
  EXPECT_NEAR(y.covariance(1, 1, 7) / bound(0, 1), 1, 1e-9);
  EXPECT_NEAR(y.covariance(2, 1, 7) / bound(1, 1), 1, 1e-9);
}

// By the model's own expected counts at the densities found.
TEST(MaximumLikelihood, residuals_are_the_roots_of_each_bins_deviance) {
  for (const double total : {3e5, 2e3}) {
    const SmallScan scan = testing::small_scan({.total = total, .scatter = 0.2}, 4);
    const auto check = [&]<class Real>(Real, double tolerance) {
      const auto gadget = testing::gadget_with<MaximumLikelihood<Real>>({{"residual", "true"}});
      const auto state = gadget.begin({}, scan.header);
      const auto x = testing::converted<Real>(scan.x);
      const auto y = gadget.forward({}, state, x);
      ASSERT_EQ(y.residual.shape(), x.counts.shape());
      double squares = 0;
      for (std::size_t r = 0; r < x.counts.extent(1); ++r)
        for (std::size_t c = 0; c < x.counts.extent(2); ++c) {
          std::vector<double> scale, background, a;
          for (std::size_t b = 0; b < x.counts.extent(0); ++b) {
            scale.push_back(scan.x.view.exposure * (*scan.x.open_beam)(b, r, c) / state.model->nominal().total[b]);
            background.push_back(scan.x.background(b, r, c));
          }
          for (std::size_t m = 0; m < 2; ++m) a.push_back(static_cast<double>(y.areal_density(m, r, c)));
          const auto lambda = state.model->ray(state.model->nominal(), scale, background, a).lambda;
          for (std::size_t b = 0; b < lambda.size(); ++b) {
            const double n = scan.x.counts(b, r, c), l = lambda[b];
            const double d = std::sqrt(std::max(0., 2 * (l - n + (n > 0 ? n * std::log(n / l) : 0)))) * (n < l ? -1 : 1);
            EXPECT_NEAR(static_cast<double>(y.residual(b, r, c)), d, tolerance) << l << " " << n;
            squares += d * d;
          }
        }
      const double rays = static_cast<double>(x.counts.extent(1) * x.counts.extent(2));
      EXPECT_NEAR(squares / rays, 3, 1.2);  // 5 bins less 2 materials: chi^2 of three degrees of freedom, of 24 rays
    };
    check(1., 1e-6);
    check(1.F, 2e-3);
  }
}

TEST(MaximumLikelihood, rays_without_an_optimum_get_the_stated_value_and_are_reported) {
  SmallScan scan = testing::small_scan({}, 4);
  auto open = *scan.x.open_beam;
  open(2, 0, 3) = 0;  // a dead pixel
  scan.x.open_beam = std::make_shared<Array<double, 3>>(open);
  for (std::size_t b = 0; b < 5; ++b) scan.x.counts(b, 1, 0) = 0;
  scan.x.counts(0, 1, 5) = std::numeric_limits<double>::quiet_NaN();
  scan.x.counts(4, 1, 6) = -3;
  for (std::size_t b = 0; b < 4; ++b) scan.x.counts(b, 1, 7) = 0;  // counts in the highest bin alone: no finite optimum
  const auto gadget = testing::gadget_with<MaximumLikelihood<double>>({{"failed_value", "1 -2"}, {"covariance", "true"}});
  const auto state = gadget.begin({}, scan.header);
  const auto y = gadget.forward({}, state, scan.x);
  for (const auto& [row, column] : {std::pair{0, 3}, {1, 0}, {1, 5}, {1, 6}, {1, 7}}) {
    EXPECT_EQ(y.areal_density(0, row, column), 1);
    EXPECT_EQ(y.areal_density(1, row, column), -2);
    EXPECT_EQ(y.covariance(0, row, column), 0);
  }
  for (double v : y.areal_density) EXPECT_TRUE(std::isfinite(v));
  const auto remarks = gadget.report(state);
  EXPECT_EQ(remarks[0].text, "rays without a finite optimum");
  EXPECT_EQ(remarks[0].count, 5u);
  EXPECT_EQ(remarks[0].of, 24u);
}

TEST(MaximumLikelihood, a_dead_pixel_is_left_out_of_sums) {
  SmallScan scan = testing::small_scan({.noisy = false, .same_ray = true}, 4);
  auto open = *scan.x.open_beam;
  for (std::size_t b = 0; b < 5; ++b) open(b, 0, 3) = 0;
  scan.x.open_beam = std::make_shared<Array<double, 3>>(open);
  const auto gadget = testing::gadget_with<MaximumLikelihood<double>>({{"sum_rows", "2"}});
  const auto y = gadget.forward({}, gadget.begin({}, scan.header), scan.x);
  EXPECT_NEAR(y.areal_density(0, 0, 3) / scan.truth(0, 0, 3), 1, 1e-9);
}

TEST(MaximumLikelihood, later_gadgets_are_told_of_the_summed_detector) {
  const auto gadget = testing::gadget_with<MaximumLikelihood<float>>({{"sum_rows", "2"}, {"sum_columns", "4"}});
  const ScanHeader h = gadget.output_header(testing::small_header(5));
  EXPECT_EQ(h.geometry.rows, 1u);
  EXPECT_EQ(h.geometry.columns, 3u);
  EXPECT_EQ(h.grid.nz, 1u);
  EXPECT_DOUBLE_EQ(h.grid.voxel_z, 2);
}

TEST(MaximumLikelihood, gives_the_same_bits_for_any_number_of_threads) {
  std::vector<Counts<float>> views;
  for (unsigned v = 0; v < 8; ++v)
    views.push_back(testing::converted<float>(testing::small_scan({.scatter = 0.1, .shift_rows = 1}, v).x));
  const tbb::global_control four(tbb::global_control::max_allowed_parallelism, 4);
  const MaximumLikelihood<float> gadget;
  const auto state = gadget.begin({}, testing::small_header(5));
  std::vector<std::vector<float>> first;
  for (std::size_t threads = 1; threads <= 4; ++threads) {
    tbb::task_arena arena(static_cast<int>(threads));
    std::vector<std::vector<float>> all(2 * views.size());
    arena.execute([&] {
      parallel_chunks(views.size(), 1, [&](std::size_t begin, std::size_t end) {
        for (std::size_t v = begin; v < end; ++v) {
          const auto y = gadget.forward({}, state, views[v]);
          None none;
          const auto x_bar = gadget.adjoint(none, state, views[v], y, y, none);
          all[2 * v] = y.areal_density.values();
          all[2 * v + 1] = x_bar.threshold_shift.values();
        }
      });
    });
    if (threads == 1) first = all;
    EXPECT_EQ(all, first);
  }
}

TEST(MaximumLikelihood, refuses_properties_that_contradict_the_scan) {
  const auto begin = [](const Settings& settings, std::size_t bins = 5) {
    return refusal<ConfigError>(
        [&] { testing::gadget_with<MaximumLikelihood<float>>(settings).begin({}, testing::small_header(bins)); });
  };
  EXPECT_THAT(begin({{"materials", "water"}}), HasSubstr("two or three materials"));
  EXPECT_THAT(begin({{"materials", "water iodine calcium"}}, 2), HasSubstr("3 to 8 bins for 3 materials, got 2"));
  EXPECT_THAT(begin({{"failed_value", "1 2 3"}}), HasSubstr("failed_value"));
  EXPECT_THAT(begin({{"non_negative", "true"}, {"bias_correction", "cox-snell"}}), HasSubstr("choose one"));
  EXPECT_THAT(begin({{"sum_columns", "3"}}), HasSubstr("two detector modules"));
  EXPECT_THAT(begin({{"materials", "water iodin"}}), HasSubstr("iodin"));
  EXPECT_THAT(begin({{"quadrature", "8"}}), HasSubstr("a quadrature of 8 energies describes counts within"));
}

TEST(MaximumLikelihood, refuses_thresholds_of_each_pixel_that_it_cannot_describe) {
  const SmallScan scan = testing::small_scan({.own_shifts = true}, 1);
  const auto forward = [&](auto&& change, const Settings& settings = {}) {
    const auto gadget = testing::gadget_with<MaximumLikelihood<double>>(settings);
    const auto state = gadget.begin({}, scan.header);
    Counts<double> x = scan.x;
    change(x);
    return refusal<DataError>([&] { gadget.forward({}, state, x); });
  };
  EXPECT_EQ(forward([](auto&) {}), "accepted");
  EXPECT_THAT(forward([](auto& x) { x.threshold_shift(1, 1, 7) = 2.1; }), HasSubstr("raise largest_shift"));
  EXPECT_THAT(forward([](auto& x) { x.threshold_shift(1, 1, 7) = std::nan(""); }), HasSubstr("within +-2 keV"));
  EXPECT_THAT(forward([](auto&) {}, {{"sum_columns", "2"}}), HasSubstr("set sum_rows and sum_columns to 1"));
  EXPECT_THAT(forward([](auto&) {}, {{"largest_shift", "8"}}), HasSubstr("lower largest_shift"));
  EXPECT_THAT(forward([](auto& x) { x.threshold_shift = Array<double, 3>({4, 2, 12}); }), HasSubstr("each of 5 thresholds"));
}

TEST(MaximumLikelihood, refuses_views_that_do_not_fit) {
  const SmallScan scan = testing::small_scan({.scatter = 0.1, .shift_rows = 2}, 1);
  const auto forward = [&](auto&& change, const Settings& settings = {}) {
    const auto gadget = testing::gadget_with<MaximumLikelihood<double>>(settings);
    const auto state = gadget.begin({}, scan.header);
    Counts<double> x = scan.x;
    change(x);
    return refusal<DataError>([&] { gadget.forward({}, state, x); });
  };
  EXPECT_THAT(forward([](auto& x) { x.open_beam = nullptr; }), HasSubstr("put AirCalibration before"));
  EXPECT_THAT(forward([](auto& x) { x.counts = Array<double, 3>({4, 2, 12}); }), HasSubstr("view 3: expected counts"));
  EXPECT_THAT(forward([](auto& x) { x.background = Array<double, 3>({5, 2, 11}); }), HasSubstr("background"));
  EXPECT_THAT(forward([](auto& x) { x.threshold_shift = Array<double, 3>({5, 2, 4}); }), HasSubstr("threshold shift"));
  EXPECT_THAT(forward([](auto& x) { x.view.exposure = 0; }), HasSubstr("exposure"));
  EXPECT_THAT(forward([](auto&) {}, {{"sum_rows", "2"}}), HasSubstr("set sum_rows to 1"));
}

}  // namespace
}  // namespace counterflow
