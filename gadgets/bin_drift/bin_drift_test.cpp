#include "gadgets/bin_drift/bin_drift.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "core/physics/counts_model.h"
#include "core/physics/detector_response.h"
#include "core/testing/gadget_with.h"
#include "core/testing/gradient_check.h"
#include "core/testing/refusal.h"

namespace counterflow {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::refusal;
using testing::Settings;
using Drift = BinDrift<double>;

constexpr std::size_t kBins = 3, kRows = 5, kColumns = 7, kModules = 2, kViews = 9;

ScanHeader small_header() {
  ScanHeader header;
  header.system.bins = kBins;
  header.system.thresholds = {25, 45, 65};
  header.system.tube_voltage = 100;
  header.system.filters = "Al 3.0";
  header.system.detector = "ideal";
  header.geometry.rows = kRows;
  header.geometry.columns = kColumns;
  header.geometry.views = header.geometry.views_per_rotation = kViews;
  header.modules = kModules;
  static const auto response = [&] {
    SpectralSystem system = header.system;
    prepare_response(system, "");
    return system.response;
  }();
  header.system.response = response;
  return header;
}

template <std::size_t N>
Array<double, N> random_array(typename Array<double, N>::Shape shape, double low, double high, std::mt19937_64& random) {
  std::uniform_real_distribution<double> uniform(low, high);
  Array<double, N> out(shape);
  for (double& v : out) v = uniform(random);
  return out;
}

Counts<double> random_view(std::mt19937_64& random, std::size_t index) {
  Counts<double> x;
  x.view.index = index;
  x.counts = random_array<3>({kBins, kRows, kColumns}, 50, 1000, random);
  x.open_beam = std::make_shared<Array<double, 3>>(random_array<3>({kBins, kRows, kColumns}, 2000, 4000, random));
  return x;
}

Drift::Params random_parameters(const Drift& gadget, const ScanHeader& header, std::mt19937_64& random) {
  std::uniform_real_distribution<double> uniform(-1, 1);
  Drift::Params p = gadget.initial(header);
  Drift::Params::each(p, [&](auto, auto& block) {
    for (double& v : block) v = uniform(random);
  });
  return p;
}

TEST(BinDrift, common_and_modules_are_piecewise_linear_in_the_view_s_number) {
  std::mt19937_64 random(1);
  const ScanHeader header = small_header();
  const auto gadget = testing::gadget_with<Drift>({{"common_nodes", "3"}, {"module_nodes", "2"}});
  const auto p = random_parameters(gadget, header, random);
  const auto state = gadget.begin(p, header);
  for (std::size_t v : {0u, 1u, 4u, 7u, 8u}) {
    const double t = static_cast<double>(v) / 8;
    const auto y = gadget.forward(p, state, random_view(random, v));
    ASSERT_THAT(y.threshold_shift.shape(), ElementsAre(kBins, 1, kModules));
    for (std::size_t k = 0; k < kBins; ++k)
      for (std::size_t j = 0; j < kModules; ++j) {
        const double common = t < 0.5 ? p.common(0u, k) * (1 - 2 * t) + p.common(1u, k) * 2 * t
                                      : p.common(1u, k) * (2 - 2 * t) + p.common(2u, k) * (2 * t - 1);
        const double module = p.module_shift(0u, k, j) * (1 - t) + p.module_shift(1u, k, j) * t;
        EXPECT_NEAR(y.threshold_shift(k, 0u, j), common + module, 1e-14);
      }
  }
}

TEST(BinDrift, one_node_is_static_and_so_is_a_scan_of_one_view) {
  std::mt19937_64 random(2);
  ScanHeader header = small_header();
  const auto gadget = testing::gadget_with<Drift>({{"common_nodes", "1"}, {"modules", "false"}});
  const auto p = random_parameters(gadget, header, random);
  const auto first = gadget.forward(p, gadget.begin(p, header), random_view(random, 0));
  EXPECT_EQ(gadget.forward(p, gadget.begin(p, header), random_view(random, 8)).threshold_shift, first.threshold_shift);
  EXPECT_EQ(first.threshold_shift(2u, 0u, 1u), p.common(0u, 2u));
  header.geometry.views = 1;
  const auto two = testing::gadget_with<Drift>({{"modules", "false"}});
  const auto q = random_parameters(two, header, random);
  EXPECT_EQ(two.forward(q, two.begin(q, header), random_view(random, 0)).threshold_shift(1u, 0u, 0u), q.common(0u, 1u));
}

TEST(BinDrift, adds_to_the_shifts_that_a_view_carries_whatever_their_shape) {
  std::mt19937_64 random(3);
  const ScanHeader header = small_header();
  for (const std::string pixels : {"false", "true"})
    for (const Array<double, 3>::Shape carried :
         {Array<double, 3>::Shape{kBins, 1, kModules}, {kBins, kRows, kModules}, {kBins, kRows, kColumns}}) {
      const auto gadget = testing::gadget_with<Drift>({{"pixels", pixels}, {"common_nodes", "1"}});
      const auto p = random_parameters(gadget, header, random);
      auto x = random_view(random, 3);
      x.threshold_shift = random_array<3>(carried, -1, 1, random);
      const auto y = gadget.forward(p, gadget.begin(p, header), x);
      const bool by_pixel = pixels == "true" || carried[2] == kColumns;
      EXPECT_THAT(y.threshold_shift.shape(),
                  ElementsAre(kBins, by_pixel ? kRows : carried[1], by_pixel ? kColumns : std::size_t{kModules}));
      for (std::size_t k = 0; k < kBins; ++k)
        for (std::size_t r = 0; r < kRows; ++r)
          for (std::size_t c = 0; c < kColumns; ++c) {
            const std::size_t j = header.module_of(c);
            const double expected = p.common(0u, k) + p.module_shift(0u, k, j) + (pixels == "true" ? p.pixel_shift(k, r, c) : 0) +
                                    x.threshold_shift(k, carried[1] == 1 ? 0 : r, carried[2] == kColumns ? c : j);
            const std::size_t row = y.threshold_shift.extent(1) == 1 ? 0 : r;
            EXPECT_NEAR(y.threshold_shift(k, row, by_pixel ? c : j), expected, 1e-14);
          }
    }
}

TEST(BinDrift, begins_with_shifts_of_zero_which_it_writes) {
  std::mt19937_64 random(4);
  const ScanHeader header = small_header();
  const auto x = random_view(random, 2);
  const auto model = testing::gadget_with<Drift>(), resample = testing::gadget_with<Drift>({{"mode", "resample"}});
  const auto p = model.initial(header);
  const auto y = model.forward(p, model.begin(p, header), x);
  EXPECT_THAT(y.threshold_shift.shape(), ElementsAre(kBins, 1, kModules));
  EXPECT_THAT(y.threshold_shift, Each(0.0));
  EXPECT_EQ(y.counts, x.counts);
  EXPECT_EQ(y.open_beam, x.open_beam);
  const auto z = resample.forward(p, resample.begin(p, header), x);
  EXPECT_EQ(z.counts, x.counts);
  EXPECT_TRUE(z.threshold_shift.empty());
}

TEST(BinDrift, air_views_pass_unchanged) {
  std::mt19937_64 random(5);
  const ScanHeader header = small_header();
  for (const std::string mode : {"model", "resample"}) {
    const auto gadget = testing::gadget_with<Drift>({{"mode", mode}});
    const auto p = random_parameters(gadget, header, random);
    auto x = random_view(random, 100);
    x.view.air = true;
    const auto y = gadget.forward(p, gadget.begin(p, header), x);
    EXPECT_EQ(y.counts, x.counts);
    EXPECT_TRUE(y.threshold_shift.empty());
  }
}

TEST(BinDrift, a_run_again_needs_nothing_new_of_its_state) {
  std::mt19937_64 random(6);
  const ScanHeader header = small_header();
  const auto gadget = testing::gadget_with<Drift>({{"mode", "resample"}});
  const auto first = random_parameters(gadget, header, random), second = random_parameters(gadget, header, random);
  auto state = gadget.begin(first, header);
  const auto x = random_view(random, 5);
  gadget.forward(first, state, x);
  gadget.restart(second, state);
  EXPECT_EQ(gadget.forward(second, state, x).counts, gadget.forward(second, gadget.begin(second, header), x).counts);
}

TEST(BinDrift, parameters_have_units_bounds_and_axes_and_what_is_switched_off_is_empty) {
  const ScanHeader header = small_header();
  const auto gadget = testing::gadget_with<Drift>({{"common", "false"}, {"module_nodes", "4"}});
  const auto p = gadget.initial(header);
  EXPECT_TRUE(p.common.empty());
  EXPECT_TRUE(p.pixel_shift.empty());
  const ParameterDoc doc = gadget.parameter("module_shift", header);
  EXPECT_EQ(doc.unit, "keV");
  EXPECT_THAT(doc.axes, ElementsAre("node", "threshold", "module"));
  EXPECT_THAT(doc.shape, ElementsAre(4, kBins, kModules));
  EXPECT_EQ(p.module_shift.size(), 4 * kBins * kModules);
  EXPECT_DOUBLE_EQ(doc.max, 8);
  EXPECT_DOUBLE_EQ(doc.min, -8);
  ScanHeader narrow = header;
  narrow.system.thresholds = {25, 45, 51};
  EXPECT_DOUBLE_EQ(gadget.parameter("common", narrow).max, 0.49 * 6);
  EXPECT_THAT(testing::gadget_with<Drift>({{"pixels", "true"}}).parameter("pixel_shift", header).shape,
              ElementsAre(kBins, kRows, kColumns));
}

// Counts and a hundredth of it as background behind 12 g/cm^2 of water, with thresholds that moved.
Counts<double> behind_water(const CountsModel& model, const std::vector<double>& shift) {
  const std::vector<double> water{12}, scale(kBins, 1e5);
  const auto lambda = model.ray(model.shifted(shift), scale, {}, water).lambda;
  Counts<double> x;
  x.counts = Array<double, 3>({kBins, kRows, kColumns});
  for (std::size_t b = 0; b < kBins; ++b) std::ranges::fill(x.counts.block(b), lambda[b]);
  x.background = x.counts;
  for (double& v : x.background) v *= 0.01;
  return x;
}

TEST(BinDrift, resampled_counts_are_as_if_thresholds_had_not_moved) {
  const ScanHeader header = small_header();
  const CountsModel model(header.system, {"water"});
  const auto gadget = testing::gadget_with<Drift>({{"mode", "resample"}, {"reference_water", "12"}, {"common", "false"}});
  auto p = gadget.initial(header);
  p.module_shift.values() = {0.7, 0, -1.2, 0, 0.9, 0};  // of the first module
  const auto x = behind_water(model, {0.7, -1.2, 0.9}), nominal = behind_water(model, {0, 0, 0});
  const auto y = gadget.forward(p, gadget.begin(p, header), x);
  for (std::size_t b = 0; b < kBins; ++b) {
    EXPECT_NEAR(y.counts(b, 4u, 0u) / nominal.counts(b, 4u, 0u), 1, 1e-12);
    EXPECT_NEAR(y.background(b, 3u, 3u) / nominal.background(b, 3u, 3u), 1, 1e-12);
    EXPECT_EQ(y.counts(b, 4u, 4u), x.counts(b, 4u, 4u));
    EXPECT_GT(std::abs(x.counts[b] / nominal.counts[b] - 1), 0.01);
  }
}

TEST(BinDrift, counts_are_given_relative_to_an_air_scan_that_had_moved_too) {
  std::mt19937_64 random(10);
  const ScanHeader header = small_header();
  Settings settings{{"mode", "resample"}};
  const auto old_air = testing::gadget_with<Drift>(settings);
  settings["air_thresholds"] = "shifted";
  const auto fresh_air = testing::gadget_with<Drift>(settings);
  const auto p = random_parameters(old_air, header, random);
  auto x = random_view(random, 3);
  x.background = random_array<3>(x.counts.shape(), 5, 90, random);
  const auto y = fresh_air.forward(p, fresh_air.begin(p, header), x);
  const auto state = old_air.begin(p, header);
  const auto counts = old_air.forward(p, state, x);
  Counts<double> air = x;
  air.counts = *x.open_beam;
  const auto open = old_air.forward(p, state, air);
  for (std::size_t i = 0; i < y.counts.size(); ++i) {
    EXPECT_NEAR(y.counts[i] / (counts.counts[i] * (*x.open_beam)[i] / open.counts[i]), 1, 1e-13);
    EXPECT_NEAR(y.background[i] / (counts.background[i] * (*x.open_beam)[i] / open.counts[i]), 1, 1e-13);
  }
  EXPECT_EQ(y.open_beam, x.open_beam);
}

struct Case {
  std::string name;
  Settings settings;
  Array<double, 3>::Shape carried;  // {} = none
  bool background;
};

const Array<double, 3>::Shape kByModule{kBins, 1, kModules}, kByRow{kBins, kRows, kModules}, kByPixel{kBins, kRows, kColumns};

std::vector<Case> cases() {
  return {{"model", {}, {}, false},
          {"model, all", {{"common_nodes", "3"}, {"module_nodes", "2"}, {"pixels", "true"}}, kByRow, true},
          {"model, modules alone", {{"common", "false"}, {"module_nodes", "2"}}, kByModule, true},
          {"resample", {{"mode", "resample"}}, kByModule, true},
          {"resample, all", {{"mode", "resample"}, {"module_nodes", "3"}, {"pixels", "true"}}, kByPixel, false},
          {"resample, total kept", {{"mode", "resample"}, {"keep_total", "true"}, {"common", "false"}}, kByRow, true},
          {"resample, air shifted", {{"mode", "resample"}, {"air_thresholds", "shifted"}}, kByModule, true},
          {"resample, air shifted, pixels",
           {{"mode", "resample"}, {"air_thresholds", "shifted"}, {"pixels", "true"}, {"modules", "false"}},
           kByRow,
           false}};
}

struct Problem {
  ScanHeader header = small_header();
  Drift gadget;
  Drift::Params p;
  Counts<double> x;
};

// Shifts stay away from 0 and from the nodes of the energy scale, where curvature jumps: the finest array makes up for the rest.
Problem problem_of(const Case& c, unsigned seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform(0, 1);
  Problem problem{.gadget = testing::gadget_with<Drift>(c.settings), .p = {}, .x = random_view(random, seed % kViews)};
  Counts<double>& x = problem.x;
  problem.p = random_parameters(problem.gadget, problem.header, random);
  if (c.background) x.background = random_array<3>(kByPixel, 5, 90, random);
  if (c.carried[0] == 0) return problem;
  x.threshold_shift = random_array<3>(c.carried, -0.3, 0.3, random);
  Settings settings = c.settings;
  settings["mode"] = "model";
  const auto model = testing::gadget_with<Drift>(settings);
  const auto sum = model.forward(problem.p, model.begin(problem.p, problem.header), x).threshold_shift;
  Array<double, 3>& finest = problem.p.pixel_shift.empty() ? x.threshold_shift : problem.p.pixel_shift;
  for (std::size_t i = 0; i < finest.size(); ++i) {
    const double wanted =
        (0.5 * std::floor(2 * uniform(random)) + 0.15 + 0.2 * uniform(random)) * (uniform(random) < 0.5 ? -1 : 1);
    finest[i] += wanted - sum[i];
  }
  return problem;
}

// Of all blocks together, or with one block's gradient 0.01 % wrong.
testing::GradientError error_of(const Case& c, unsigned seed, const std::string& wrong_block = "") {
  Problem problem = problem_of(c, seed);
  const auto& [header, gadget, p, x] = problem;
  std::mt19937_64 random(seed + 1000);
  const auto state = gadget.begin(p, header);
  const auto y = gadget.forward(p, state, x);
  const auto w = testing::random_like(y, random);
  auto p_bar = zero_like(p);
  auto x_bar = gadget.adjoint(p, state, x, y, w, p_bar);
  const auto spoil = [&](auto name, auto& block) {
    for (double& v : block) v *= name == wrong_block ? 1 + 1e-4 : 1;
  };
  Counts<double>::each(x_bar, spoil);
  Drift::Params::each(p_bar, spoil);
  return testing::gradient_error(problem.x, x_bar, problem.p, p_bar, random,
                                 [&] { return testing::inner_product(w, gadget.forward(p, state, x)); });
}

TEST(BinDrift, adjoint_holds_against_differences) {
  for (const Case& c : cases()) {
    double worst = 0;
    for (unsigned seed = 0; seed < 20; ++seed) {
      const auto error = error_of(c, seed);
      EXPECT_LT(error.value, 1e-8) << c.name << ", seed " << seed << ": " << error.block;
      worst = std::max(worst, error.value);
    }
    std::printf("  %-30s %.1e\n", c.name.c_str(), worst);
  }
}

TEST(BinDrift, a_wrong_adjoint_fails_in_every_block) {
  for (const Case& c : cases()) {
    const Problem problem = problem_of(c, 0);
    std::vector<std::string> blocks;
    const auto note = [&](auto name, const auto& block) {
      if (!block.empty()) blocks.push_back(name);
    };
    Counts<double>::each(problem.x, note);
    Drift::Params::each(problem.p, note);
    for (const std::string& block : blocks) {
      double worst = 0;
      for (unsigned seed = 0; seed < 20; ++seed) worst = std::max(worst, error_of(c, seed, block).value);
      EXPECT_GT(worst, 1e-6) << c.name << ": " << block;
    }
  }
}

// The counts' third derivative jumps where a threshold has not moved, so that differences are good to the first order only.
TEST(BinDrift, the_gradient_at_zero_shifts_where_training_starts_is_right) {
  std::mt19937_64 random(8);
  for (const std::string air : {"nominal", "shifted"}) {
    const ScanHeader header = small_header();
    const auto gadget = testing::gadget_with<Drift>({{"mode", "resample"}, {"pixels", "true"}, {"air_thresholds", air}});
    auto p = gadget.initial(header);
    const auto state = gadget.begin(p, header);
    auto x = random_view(random, 3);
    const auto y = gadget.forward(p, state, x);
    const auto w = testing::random_like(y, random);
    auto p_bar = zero_like(p);
    const auto x_bar = gadget.adjoint(p, state, x, y, w, p_bar);
    const auto error = testing::gradient_error(
        x, x_bar, p, p_bar, random, [&] { return testing::inner_product(w, gadget.forward(p, state, x)); }, {1e-3, 1e-3});
    EXPECT_LT(error.value, 1e-6) << error.block;
  }
}

TEST(BinDrift, gradients_in_float_are_those_in_double) {
  for (const std::string mode : {"model", "resample"}) {
    Problem d = problem_of({"", {{"mode", mode}, {"pixels", "true"}}, kByRow, true}, 3);
    const auto convert = [](const auto& from) {
      Array<float, 3> to(from.shape());
      std::ranges::transform(from, to.begin(), [](double v) { return static_cast<float>(v); });
      return to;
    };
    const auto gadget = testing::gadget_with<BinDrift<float>>({{"mode", mode}, {"pixels", "true"}});
    Counts<float> x{d.x.view, convert(d.x.counts), convert(d.x.background), convert(d.x.threshold_shift), nullptr};
    auto p = gadget.initial(d.header), p_bar = p;
    auto p_bar_double = zero_like(d.p);
    std::ranges::transform(d.p.common, p.common.begin(), [](double v) { return static_cast<float>(v); });
    p.module_shift = convert(d.p.module_shift);
    p.pixel_shift = convert(d.p.pixel_shift);
    const auto state = gadget.begin(p, d.header);
    const auto y = gadget.forward(p, state, x);
    const auto state_double = d.gadget.begin(d.p, d.header);
    const auto y_double = d.gadget.forward(d.p, state_double, d.x);
    gadget.adjoint(p, state, x, y, y, p_bar);
    d.gadget.adjoint(d.p, state_double, d.x, y_double, y_double, p_bar_double);
    for (std::size_t i = 0; i < y.counts.size(); ++i) EXPECT_NEAR(y.counts[i] / y_double.counts[i], 1, 2e-6);
    for (std::size_t i = 0; i < p_bar.pixel_shift.size(); ++i)
      EXPECT_NEAR(p_bar.pixel_shift[i], p_bar_double.pixel_shift[i], 1e-5 * std::abs(p_bar_double.pixel_shift[i]) + 1e-3);
    for (std::size_t i = 0; i < p_bar.common.size(); ++i)
      EXPECT_NEAR(p_bar.common[i], p_bar_double.common[i], 1e-5 * std::abs(p_bar_double.common[i]) + 1e-3);
  }
}

TEST(BinDrift, scans_that_it_cannot_take_are_refused_with_the_way_out) {
  const auto begin = [](auto&& change, const Settings& settings = {}) {
    ScanHeader header = small_header();
    change(header);
    return refusal<ConfigError>([&] { testing::gadget_with<Drift>(settings).begin({}, header); });
  };
  EXPECT_EQ(begin([](auto&) {}), "accepted");
  EXPECT_THAT(begin([](auto&) {}, {{"common", "false"}, {"modules", "false"}}),
              HasSubstr("at least one of the properties common"));
  EXPECT_THAT(begin([](auto& h) { h.quantity = Quantity::line_integrals; }), HasSubstr("expected counts"));
  EXPECT_THAT(begin([](auto& h) { h.system.thresholds = {}; }), HasSubstr("do not know their thresholds"));
  EXPECT_THAT(begin(
                  [](auto& h) {
                    h.system.thresholds = {5, 12, 60};
                  },
                  {{"mode", "resample"}}),
              HasSubstr("bin 0 counts next to"));
}

TEST(BinDrift, views_that_do_not_fit_are_refused) {
  std::mt19937_64 random(9);
  const ScanHeader header = small_header();
  const auto x = random_view(random, 3);
  const auto forward = [&](auto&& change, const Settings& settings = {}, double common = 0) {
    const auto gadget = testing::gadget_with<Drift>(settings);
    auto p = gadget.initial(header);
    std::ranges::fill(p.common, common);
    const auto state = gadget.begin(p, header);
    Counts<double> view = x;
    change(view);
    return refusal<DataError>([&] { gadget.forward(p, state, view); });
  };
  const auto as_it_is = [](auto&) {};
  EXPECT_EQ(forward(as_it_is), "accepted");
  EXPECT_THAT(forward([](auto& v) {
                v.counts = Array<double, 3>({4, 5, 7});
              }),
              HasSubstr("view 3: expected counts [bin,row,column]"));
  EXPECT_THAT(forward([](auto& v) { v.background = Array<double, 3>({3, 5, 6}); }), HasSubstr("background"));
  EXPECT_THAT(forward([](auto& v) { v.threshold_shift = Array<double, 3>({3, 2, 2}); }), HasSubstr("got [3,2,2]"));
  EXPECT_THAT(forward([](auto& v) { v.threshold_shift = Array<double, 3>({3, 1, 7}); }), HasSubstr("got [3,1,7]"));
  EXPECT_THAT(forward([](auto& v) { v.view.index = 9; }), HasSubstr("expected views below 9"));
  const Settings resample{{"mode", "resample"}}, fresh{{"mode", "resample"}, {"air_thresholds", "shifted"}};
  EXPECT_THAT(forward(as_it_is, resample, 8.5), HasSubstr("within +-8 keV"));
  EXPECT_THAT(forward(as_it_is, resample, std::nan("")), HasSubstr("got nan keV of threshold 0"));
  EXPECT_THAT(forward(as_it_is, {}, std::nan("")), HasSubstr("finite"));
  EXPECT_THAT(forward([](auto& v) { v.open_beam = nullptr; }, fresh), HasSubstr("put AirCalibration before BinDrift"));
}

}  // namespace
}  // namespace counterflow
