#include "gadgets/loss/reference_likelihood.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/message/bowtie_rays.h"
#include "core/physics/detector_response.h"
#include "core/testing/gadget_with.h"
#include "core/testing/gradient_check.h"
#include "core/testing/reconstruction_check.h"
#include "core/testing/refusal.h"

namespace counterflow {
namespace {

using testing::gadget_with;
using ::testing::HasSubstr;
using testing::refusal;
using testing::Settings;

constexpr std::size_t kBins = 3, kRows = 2, kColumns = 14, kViews = 3, kModules = 4, kPixels = kRows * kColumns;

// A fan over a cylinder of water with a rod of iodine in it, on a coarse grid.
ScanHeader small_header() {
  ScanHeader h;
  h.geometry = {.beam = Beam::fan_arc,
                .columns = kColumns,
                .rows = kRows,
                .views = kViews,
                .views_per_rotation = kViews,
                .source_to_isocenter = 570,
                .source_to_detector = 1040,
                .column_pitch = 20,
                .row_pitch = 2,
                .column_offset = 0.25,
                .angle_step = 2 * M_PI / static_cast<double>(kViews)};
  h.modules = kModules;
  h.system.bins = kBins;
  h.system.thresholds = {35, 50, 70};
  h.system.tube_voltage = 100;
  h.system.filters = "Al 3.0";
  h.system.detector = "ideal";
  prepare_response(h.system, "");
  Truth truth;
  truth.materials = {"water", "iodine"};
  truth.grid = {.nx = 40, .ny = 40, .nz = kRows, .voxel_x = 5, .voxel_y = 5};
  truth.density = Array<float, 4>({2, kRows, 40, 40});
  for (std::size_t z = 0; z < kRows; ++z)
    for (std::size_t i = 0; i < 1600; ++i) {
      const double x = truth.grid.x(static_cast<double>(i % 40)), y = truth.grid.y(static_cast<double>(i / 40));
      truth.density.block(0u, z)[i] = std::hypot(x, y) < 50 ? 1.F : 0.F;
      truth.density.block(1u, z)[i] = std::hypot(x - 20, y + 15) < 25 ? 0.01F * static_cast<float>(z + 1) : 0.F;
    }
  h.truth = std::make_shared<const Truth>(std::move(truth));
  return h;
}

ScanHeader with_bowtie(ScanHeader h) {
  h.system.bowtie = "body.txt";
  h.system.files["body.txt"] = "angle_rad, aluminium\n-0.3 40\n-0.05 5\n0.05 3\n0.3 44\n";
  return h;
}

enum class Shifts { none, of_modules, of_rows, of_pixels };

// Within one cubic piece of the model's interpolation: its nodes are 0.5 keV apart.
Array<double, 3> random_shifts(Shifts shifts, std::mt19937_64& random) {
  std::uniform_real_distribution<double> u;
  if (shifts == Shifts::none) return {};
  Array<double, 3> out({kBins, shifts == Shifts::of_modules ? 1 : kRows, shifts == Shifts::of_pixels ? kColumns : kModules});
  for (double& s : out) s = std::floor(6 * u(random)) * 0.5 - 1.5 + 0.15 + 0.2 * u(random);
  return out;
}

// What the model expects of all pixels of a view, bin by bin, from sums over energies.
class Model {
 public:
  explicit Model(const ScanHeader& h)
      : header_(h),
        model_(h.system, h.truth->materials, 1, BowtieUse::applied),
        projector_(h.geometry, h.truth->grid, {.columns = 3}) {
    density_ = Array<double, 4>(h.truth->density.shape());
    std::ranges::copy(h.truth->density, density_.begin());
  }
  void expect(Counts<double>& x, bool air_moves) const {
    const Array<double, 3> a = projector_.project(projector_.volume(density_), x.view);
    for (std::size_t i = 0; i < kPixels; ++i) {
      std::vector<double> shift(kBins), background(kBins), scale(kBins);
      for (std::size_t k = 0; k < kBins && !x.threshold_shift.empty(); ++k) shift[k] = shift_of(x.threshold_shift, k, i);
      BinWeights weights = model_.shifted(shift), air = air_moves ? weights : model_.nominal();
      if (model_.bowtie()) {
        const auto behind = bowtie_density(*model_.bowtie(), header_.geometry, static_cast<double>(i % kColumns),
                                           static_cast<double>(i / kColumns));
        weights = model_.behind_bowtie(weights, behind), air = model_.behind_bowtie(air, behind);
      }
      for (std::size_t b = 0; b < kBins; ++b) {
        scale[b] = x.view.exposure * (*x.open_beam)[b * kPixels + i] / air.total[b];
        if (!x.background.empty()) background[b] = x.background[b * kPixels + i];
      }
      const RayModel ray = model_.ray(weights, scale, background, std::vector<double>{a[i], a[kPixels + i]});
      for (std::size_t b = 0; b < kBins; ++b) x.counts[b * kPixels + i] = ray.lambda[b];
    }
  }

 private:
  double shift_of(const Array<double, 3>& s, std::size_t k, std::size_t pixel) const {
    const std::size_t column = pixel % kColumns, row = s.extent(1) > 1 ? pixel / kColumns : 0;
    return s(k, row, s.extent(2) == kColumns ? column : header_.module_of(column));
  }
  ScanHeader header_;
  CountsModel model_;
  Projector<double> projector_;
  Array<double, 4> density_;
};

constexpr unsigned kSeeds = 20;

// Small against the fewest counts of a pixel, not against their mean.
constexpr testing::DifferenceStep kStep{.relative = 1e-4};

// Views with random open beams and backgrounds, and shifts of each view's own; counts without noise.
std::vector<Counts<double>> expected_scan(const ScanHeader& h, Shifts shifts, bool air_moves, std::mt19937_64& random) {
  std::uniform_real_distribution<double> u;
  auto open = std::make_shared<Array<double, 3>>(Array<double, 3>::Shape{kBins, kRows, kColumns});
  for (double& o : *open) o = 2e4 * (0.5 + u(random));
  const Model model(h);
  std::vector<Counts<double>> views;
  for (std::size_t v = 0; v < kViews; ++v) {
    Counts<double> x;
    x.view = testing::view_at(h.geometry, v);
    x.view.exposure = 0.8 + 0.4 * u(random);
    x.counts = x.background = Array<double, 3>(open->shape());
    for (double& s : x.background) s = 5 + 20 * u(random);
    x.threshold_shift = random_shifts(shifts, random);
    x.open_beam = open;
    model.expect(x, air_moves);
    views.push_back(std::move(x));
  }
  return views;
}

void add_noise(std::vector<Counts<double>>& views, std::mt19937_64& random) {
  for (auto& x : views)
    for (double& y : x.counts) y = static_cast<double>(std::poisson_distribution<int>(y)(random));
}

template <class G>
double loss_of(const G& gadget, const ScanHeader& h, const std::vector<typename G::In>& xs) {
  auto state = gadget.begin({}, h);
  for (const auto& x : xs) gadget.consume(state, x);
  return gadget.loss(state);
}

const Settings kAll{{"steepest", "0"}};

// ---- values

TEST(ReferenceLikelihood, is_zero_where_counts_are_as_expected_and_the_deviance_elsewhere) {
  for (const ScanHeader& h : {small_header(), with_bowtie(small_header())})
    for (Shifts shifts : {Shifts::none, Shifts::of_modules, Shifts::of_rows, Shifts::of_pixels})
      for (const char* air : {"nominal", "shifted"}) {
        std::mt19937_64 random(1);
        auto xs = expected_scan(h, shifts, air == std::string("shifted"), random);
        const Settings settings{{"steepest", "0"}, {"air_thresholds", air}};
        auto summed = settings;
        summed["sum_rows"] = "true";
        const auto gadget = gadget_with<ReferenceLikelihood<double>>(settings);
        EXPECT_NEAR(loss_of(gadget, h, xs), 0, 1e-9);
        EXPECT_NEAR(loss_of(gadget_with<ReferenceLikelihood<double>>(summed), h, xs), 0, 1e-9);
        double deviance = 0;
        for (auto& x : xs)
          for (double& y : x.counts) {
            const double lambda = y;
            y *= 1.07;
            deviance += 2 * (lambda - y + y * std::log(y / lambda)) / static_cast<double>(kViews * kPixels * kBins);
          }
        EXPECT_NEAR(loss_of(gadget, h, xs), deviance, 1e-9 * deviance);
      }
}

TEST(ReferenceLikelihood, is_about_one_for_counts_with_noise) {
  const auto h = small_header();
  double sum = 0;
  constexpr unsigned kScans = 20;
  for (unsigned seed = 0; seed < kScans; ++seed) {
    std::mt19937_64 random(seed);
    auto xs = expected_scan(h, Shifts::of_modules, false, random);
    add_noise(xs, random);
    sum += loss_of(gadget_with<ReferenceLikelihood<double>>(kAll), h, xs) / kScans;
  }
  EXPECT_NEAR(sum, 1, 5 * std::sqrt(2. / (kScans * kViews * kPixels * kBins)));
}

TEST(ReferenceLikelihood, sees_each_threshold_of_each_module) {
  const auto h = small_header();
  std::mt19937_64 random(2);
  auto xs = expected_scan(h, Shifts::of_modules, false, random);
  const auto gadget = gadget_with<ReferenceLikelihood<double>>(kAll);
  ASSERT_NEAR(loss_of(gadget, h, xs), 0, 1e-9);
  for (std::size_t k = 0; k < kBins * kModules; ++k) {
    auto moved = xs;
    for (auto& x : moved) x.threshold_shift[k] += 0.1;
    EXPECT_GT(loss_of(gadget, h, moved), 1e-4) << k;
  }
}

// Where rows pass the same matter, the deviance of the sum is the sum of deviances, and only the number of rays is another.
TEST(ReferenceLikelihood, summed_rows_say_the_same_of_shifts) {
  const auto h = small_header();
  for (Shifts shifts : {Shifts::of_modules, Shifts::of_rows}) {
    std::mt19937_64 random(2);
    auto xs = expected_scan(h, shifts, false, random);
    for (auto& x : xs) {
      for (std::size_t i = 0; i < x.counts.size(); ++i) x.counts[i] -= x.background[i];  // rows differ in it
      x.background = {};
      for (double& shift : x.threshold_shift) shift += 0.1;
    }
    const auto slope = [&](const char* sum_rows) {
      const auto gadget = gadget_with<ReferenceLikelihood<double>>({{"steepest", "0"}, {"sum_rows", sum_rows}});
      auto state = gadget.begin({}, h);
      for (const auto& x : xs) gadget.consume(state, x);
      EXPECT_EQ(gadget.report(state).at(0).count, kViews * kPixels);
      return gadget.adjoint(state, xs[0]).threshold_shift;
    };
    const auto plain = slope("false"), summed = slope("true");
    const double fewer = summed[0] / plain[0];
    for (std::size_t k = 0; k < plain.size(); ++k) EXPECT_NEAR(summed[k], fewer * plain[k], 1e-9 * std::abs(summed[k])) << k;
    if (shifts == Shifts::of_rows) {
      EXPECT_EQ(fewer, 1);
    } else {  // some rays pass the rod, which differs from row to row
      EXPECT_GT(fewer, 1.2);
      EXPECT_LT(fewer, 1.95);
    }
  }
}

TEST(ReferenceLikelihood, float_is_as_good_as_the_noise_needs) {
  const auto h = small_header();
  std::mt19937_64 random(3);
  auto xs = expected_scan(h, Shifts::of_pixels, false, random);
  add_noise(xs, random);
  const auto convert = [](const Array<double, 3>& a) {
    Array<float, 3> out(a.shape());
    std::ranges::transform(a, out.begin(), [](double v) { return static_cast<float>(v); });
    return out;
  };
  std::vector<Counts<float>> narrow;
  for (const auto& x : xs)
    narrow.push_back({x.view, convert(x.counts), convert(x.background), convert(x.threshold_shift),
                      std::make_shared<const Array<float, 3>>(convert(*x.open_beam))});
  const double wide = loss_of(gadget_with<ReferenceLikelihood<double>>(kAll), h, xs);
  EXPECT_NEAR(loss_of(gadget_with<ReferenceLikelihood<float>>(kAll), h, narrow), wide, 1e-4 * wide);
}

TEST(ReferenceLikelihood, leaves_out_rays_at_edges_and_in_deep_shadow) {
  const auto h = small_header();
  std::mt19937_64 random(4);
  const auto expected = expected_scan(h, Shifts::none, false, random);
  auto xs = expected;
  for (auto& x : xs)
    for (double& y : x.counts) y *= 1.1;
  const auto compared = [&](const Settings& settings) {
    const auto gadget = gadget_with<ReferenceLikelihood<double>>(settings);
    auto state = gadget.begin({}, h);
    for (const auto& x : xs) gadget.consume(state, x);
    std::vector<bool> out;
    for (const auto& x : xs) {
      const auto bar = gadget.adjoint(state, x);
      for (std::size_t i = 0; i < kPixels; ++i) out.push_back(bar.background[i] != 0);
    }
    EXPECT_EQ(gadget.report(state).at(0).count, static_cast<std::uint64_t>(std::ranges::count(out, true)));
    EXPECT_EQ(gadget.report(state).at(0).of, kViews * kPixels);
    return out;
  };
  const auto shadow = compared({{"steepest", "0"}, {"least_counts", "5000"}});
  for (std::size_t v = 0; v < kViews; ++v)
    for (std::size_t i = 0; i < kPixels; ++i) {
      double primary = 0;
      for (std::size_t b = 0; b < kBins; ++b)
        primary += expected[v].counts[b * kPixels + i] - expected[v].background[b * kPixels + i];
      EXPECT_EQ(shadow[v * kPixels + i], primary >= 5000) << v << " " << i;
    }
  const auto edges = compared({{"steepest", "0.8"}});
  EXPECT_TRUE(edges[0]);  // through air alone
  EXPECT_TRUE(edges[kColumns / 2]);
  EXPECT_LT(std::ranges::count(edges, true), static_cast<std::ptrdiff_t>(kViews * kPixels));
}

// ---- adjoint

template <std::size_t kBlock>
struct Mutant : ReferenceLikelihood<double> {
  In adjoint(const State& state, const In& x) const {
    auto bar = ReferenceLikelihood<double>::adjoint(state, x);
    std::size_t k = 0;
    In::each(bar, [&](auto, auto& block) {
      if (k++ == kBlock)
        for (double& v : block) v *= 1.0001;
    });
    return bar;
  }
};

void expect_right_adjoint(const ScanHeader& h, Shifts shifts, const char* air, const char* sum_rows = "false") {
  const Settings settings{{"steepest", "0.8"}, {"air_thresholds", air}, {"sum_rows", sum_rows}};
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    std::mt19937_64 random(seed);
    auto xs = expected_scan(h, shifts, false, random);
    add_noise(xs, random);
    for (auto& x : xs) x.threshold_shift = random_shifts(shifts, random);
    const auto error = [&](const auto& gadget) {
      return testing::sink_adjoint_error(
                 gadget, h, xs, seed, [](auto&) {}, kStep)
          .value;
    };
    EXPECT_LT(error(gadget_with<ReferenceLikelihood<double>>(settings)), 1e-8);
    if (seed > 2) continue;
    EXPECT_GT(error(gadget_with<Mutant<0>>(settings)), 1e-6);
    EXPECT_GT(error(gadget_with<Mutant<1>>(settings)), 1e-6);
    if (shifts == Shifts::none) continue;
    EXPECT_GT(error(gadget_with<Mutant<2>>(settings)), 1e-6);
  }
}

TEST(ReferenceLikelihood, adjoint_without_shifts) { expect_right_adjoint(small_header(), Shifts::none, "nominal"); }
TEST(ReferenceLikelihood, adjoint_of_modules) { expect_right_adjoint(small_header(), Shifts::of_modules, "nominal"); }
TEST(ReferenceLikelihood, adjoint_of_rows) { expect_right_adjoint(small_header(), Shifts::of_rows, "nominal"); }
TEST(ReferenceLikelihood, adjoint_of_pixels) { expect_right_adjoint(small_header(), Shifts::of_pixels, "nominal"); }
TEST(ReferenceLikelihood, adjoint_of_summed_rows) {
  expect_right_adjoint(small_header(), Shifts::of_modules, "nominal", "true");
  expect_right_adjoint(small_header(), Shifts::of_modules, "shifted", "true");
}
TEST(ReferenceLikelihood, adjoint_with_a_fresh_air_scan) { expect_right_adjoint(small_header(), Shifts::of_modules, "shifted"); }
TEST(ReferenceLikelihood, adjoint_behind_a_bowtie) {
  expect_right_adjoint(with_bowtie(small_header()), Shifts::of_modules, "shifted");
}

TEST(ReferenceLikelihood, without_background_there_is_no_cotangent_of_it) {
  const auto h = small_header();
  std::mt19937_64 random(5);
  auto xs = expected_scan(h, Shifts::none, false, random);
  for (auto& x : xs) x.background = {};
  const ReferenceLikelihood<double> gadget;
  auto state = gadget.begin({}, h);
  gadget.consume(state, xs[0]);
  const auto bar = gadget.adjoint(state, xs[0]);
  EXPECT_TRUE(bar.background.empty());
  EXPECT_TRUE(bar.threshold_shift.empty());
}

TEST(ReferenceLikelihood, counts_of_zero_have_a_finite_derivative) {
  const auto h = small_header();
  std::mt19937_64 random(6);
  auto xs = expected_scan(h, Shifts::of_modules, false, random);
  std::ranges::fill(xs[0].counts, 0.0);
  const testing::DifferenceStep step{.relative = 1e-4, .floor = 50};  // counts stay below a tenth
  EXPECT_LT(testing::sink_adjoint_error(
                ReferenceLikelihood<double>(), h, {xs[0]}, 1, [](auto&) {}, step)
                .value,
            1e-8);
}

// ---- runs

TEST(ReferenceLikelihood, bits_do_not_depend_on_what_is_kept) {
  const auto h = small_header();
  std::mt19937_64 random(7);
  auto xs = expected_scan(h, Shifts::of_modules, false, random);
  add_noise(xs, random);
  const ReferenceLikelihood<double> keeps;
  const auto makes_again = gadget_with<ReferenceLikelihood<double>>({{"cache", "0"}});
  auto state = keeps.begin({}, h), again = makes_again.begin({}, h);
  for (const auto& x : xs) keeps.refer(state, x);
  for (int run = 0; run < 2; ++run) {
    keeps.restart({}, state);
    makes_again.restart({}, again);
    for (const auto& x : xs) keeps.consume(state, x), makes_again.consume(again, x);
    EXPECT_EQ(keeps.loss(state), makes_again.loss(again));
    for (const auto& x : xs) EXPECT_EQ(keeps.adjoint(state, x).threshold_shift, makes_again.adjoint(again, x).threshold_shift);
  }
}

TEST(ReferenceLikelihood, without_the_truth_there_is_no_loss_and_no_gradient) {
  auto h = small_header();
  std::mt19937_64 random(8);
  const auto xs = expected_scan(h, Shifts::none, false, random);
  h.truth = nullptr;
  const ReferenceLikelihood<double> gadget;
  EXPECT_EQ(gadget.reference(), "truth");
  EXPECT_TRUE(std::isnan(loss_of(gadget, h, xs)));
  EXPECT_THAT(refusal([&] { gadget.adjoint(gadget.begin({}, h), xs[0]); }), HasSubstr("train on a scan with the densities"));
}

// ---- refusals

TEST(ReferenceLikelihood, refuses_scans_and_views_that_do_not_fit) {
  const auto h = small_header();
  std::mt19937_64 random(9);
  const auto x = expected_scan(h, Shifts::of_modules, false, random)[0];
  const auto of = [&](const ScanHeader& header, auto&& change, const Settings& settings = kAll) {
    auto changed = x;
    change(changed);
    return refusal([&] { loss_of(gadget_with<ReferenceLikelihood<double>>(settings), header, {changed}); });
  };
  const auto same = [](auto&) {};
  EXPECT_EQ(of(h, same), "accepted");
  auto other = h;
  other.quantity = Quantity::line_integrals;
  EXPECT_THAT(of(other, same), HasSubstr("the scan holds line integrals"));
  other = h;
  other.geometry.rows = 3;
  EXPECT_THAT(of(other, same), HasSubstr("a slice for each of 3 detector rows, got 2 slices"));
  EXPECT_THAT(of(h, [](auto& v) { v.open_beam = nullptr; }), HasSubstr("put AirCalibration before it"));
  EXPECT_THAT(of(h, [](auto& v) { v.background = Array<double, 3>({1, 2, 3}); }), HasSubstr("are not all of 3 bins, 2 rows"));
  EXPECT_THAT(of(h, [](auto& v) { v.threshold_shift = Array<double, 3>({3, 1, 5}); }), HasSubstr("got [3,1,5]"));
  EXPECT_THAT(of(h, [](auto& v) { v.threshold_shift[4] = 9; }), HasSubstr("within +-8 keV, got 9 keV of threshold 1"));
  EXPECT_THAT(of(h, same, {{"least_counts", "1e9"}}), HasSubstr("no ray of the scan is fit to compare"));
}

}  // namespace
}  // namespace counterflow
