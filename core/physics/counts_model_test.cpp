#include "core/physics/counts_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

#include "core/error.h"
#include "core/physics/detector_response.h"
#include "core/physics/material.h"
#include "core/physics/physics_testing.h"
#include "core/testing/refusal.h"

namespace counterflow {
namespace {

SpectralSystem five_bins(const std::string& detector) {
  SpectralSystem s;
  s.bins = 5;
  s.thresholds = {30, 51, 62, 72, 83};
  s.tube_voltage = 120;
  s.filters = "Al 3.0";
  s.detector = detector;
  s.pixel_columns = s.pixel_rows = 0.5;
  return s;
}

// CdTe of few photons, the same for all tests.
const SpectralSystem& cdte() {
  static const SpectralSystem system = [] {
    SpectralSystem s = five_bins("CdTe 1.6");
    s.response = std::make_shared<const DetectorResponse>(simulate_response(sensor_of(s.detector, 0.5, 0.5), 120, 600, 1));
    return s;
  }();
  return system;
}

double richardson(const std::function<double(double)>& f, double h) {
  return (4 * (f(h / 2) - f(-h / 2)) / h - (f(h) - f(-h)) / (2 * h)) / 3;
}

struct Case {
  CountsModel model{cdte(), {"water", "iodine", "calcium"}};
  std::vector<double> shift, scale, background, density;

  explicit Case(unsigned seed) {
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<double> u;
    // Differences stay inside one cubic piece of the interpolation in the threshold: nodes lie 0.5 keV apart.
    for (int b = 0; b < 5; ++b) shift.push_back(std::floor(10 * u(random)) * 0.5 - 2.5 + 0.15 + 0.2 * u(random));
    for (double total : model.nominal().total) scale.push_back((500 + 1e4 * u(random)) / total);
    for (int b = 0; b < 5; ++b) background.push_back(1 + 50 * u(random));
    density = {5 + 25 * u(random), 0.1 * u(random), 0.5 * u(random)};
  }
  RayModel ray() const { return model.ray(model.shifted(shift), scale, background, density); }
};

// One derivative: what is claimed, a quantity of the ray, and the variable it is moved along.
struct Claim {
  double value;
  std::function<double(const RayModel&)> quantity;
  double* variable;
  double step;
  double terms;  // size of what the derivative sums
};

double error_of(const Case& c, const Claim& claim) {
  const double start = *claim.variable;
  const double numeric = richardson(
      [&](double h) {
        *claim.variable = start + h;
        return claim.quantity(c.ray());
      },
      claim.step);
  *claim.variable = start;
  return std::abs(numeric - claim.value) / claim.terms;
}

// Every derivative that ray() and shifted() claim. `mutant` scales one of them.
std::vector<Claim> claims_of(Case& c, double mutant) {
  const RayModel ray = c.ray();
  const double steps[] = {0.02, 2e-4, 2e-3};
  std::vector<Claim> claims;
  for (std::size_t b = 0; b < 5; ++b)
    for (std::size_t m = 0; m < 3; ++m) {
      claims.push_back({ray.slope(b, m) * mutant, [b](const RayModel& r) { return r.lambda[b]; }, &c.density[m], steps[m],
                        std::abs(ray.slope(b, m))});
      for (std::size_t l = 0; l < 3; ++l)
        claims.push_back({ray.curvature(b, m, l), [b, m](const RayModel& r) { return r.slope(b, m); }, &c.density[l], steps[l],
                          std::abs(ray.curvature(b, m, l))});
      claims.push_back({ray.edge(b, 1 + m), [b](const RayModel& r) { return r.edge(b, 0); }, &c.density[m], steps[m],
                        std::abs(ray.edge(b, 1 + m))});
    }
  for (std::size_t j = 0; j < 5; ++j) {
    const auto along = [&](std::size_t b, double sign) {
      const double scale = c.scale[b];
      claims.push_back({sign * scale * ray.edge(j, 0), [b](const RayModel& r) { return r.lambda[b]; }, &c.shift[j], 0.02,
                        scale * ray.edge(j, 0)});
      for (std::size_t m = 0; m < 3; ++m)
        claims.push_back({sign * scale * ray.edge(j, 1 + m), [b, m](const RayModel& r) { return r.slope(b, m); }, &c.shift[j],
                          0.02, std::abs(scale * ray.edge(j, 1 + m))});
    };
    along(j, -1);
    if (j > 0) along(j - 1, 1);
  }
  return claims;
}

double worst_error(unsigned seed, double mutant) {
  Case c(seed);
  double worst = 0;
  for (const Claim& claim : claims_of(c, mutant)) worst = std::max(worst, error_of(c, claim));
  return worst;
}

TEST(CountsModel, every_derivative_agrees_with_differences_and_a_mutant_does_not) {
  double worst = 0;
  for (unsigned seed = 0; seed < 5; ++seed) worst = std::max(worst, worst_error(seed, 1));
  testing::report_mark("worst error of a derivative of the counts model", worst, 1e-8);
  EXPECT_LT(worst, 1e-8);
  EXPECT_GT(worst_error(0, 1 + 1e-5), 1e-6);
}

TEST(CountsModel, totals_of_the_edges_are_their_sums_and_derivatives) {
  const CountsModel model(cdte(), {"water"});
  std::vector<double> shift{0.2, -1.3, 0.7, 3.2, -0.8};
  const BinWeights weights = model.shifted(shift);
  for (std::size_t j = 0; j < 5; ++j) {
    const double numeric = richardson(
        [&](double h) {
          std::vector<double> moved = shift;
          moved[j] += h;
          return model.shifted(moved).total[j];
        },
        0.02);
    EXPECT_NEAR(numeric / weights.edge_total[j], -1, 1e-9);
  }
}

TEST(CountsModel, moved_thresholds_are_those_of_a_system_built_so) {
  const CountsModel model(cdte(), {"water"});
  for (const auto& [move, limit] : {std::pair(0.5, 1e-12), {-7.5, 1e-12}, {0.37, 1e-4}, {-3.11, 1e-4}, {8.0, 1e-12}}) {
    SpectralSystem moved = cdte();
    for (double& t : moved.thresholds) t += move;
    const CountsModel built(moved, {"water"});
    const BinWeights shifted = model.shifted(std::vector<double>(5, move));
    for (std::size_t b = 0; b < 5; ++b) EXPECT_NEAR(shifted.total[b] / built.nominal().total[b], 1, limit + 1e-6) << move;
  }
}

TEST(CountsModel, the_step_of_the_cells_does_not_change_the_counts) {
  const CountsModel fine(cdte(), {"water", "iodine"}, 0.25), coarse(cdte(), {"water", "iodine"}, 1.0);
  EXPECT_EQ(coarse.energies().back(), 119.5);
  EXPECT_LT(coarse.energies().size(), 105u);
  const std::vector<double> scale(5, 1.0), object{20, 0.03};
  const RayModel a = fine.ray(fine.nominal(), scale, {}, object), b = coarse.ray(coarse.nominal(), scale, {}, object);
  for (std::size_t k = 0; k < 5; ++k) {
    EXPECT_NEAR(coarse.nominal().total[k] / fine.nominal().total[k], 1, 1e-6);
    EXPECT_NEAR(b.lambda[k] / a.lambda[k], 1, 1e-3);
  }
}

TEST(CountsModel, one_energy_obeys_the_exponential_law) {
  SpectralSystem system;
  system.bins = 2;
  system.bin_spectra = "mono.txt";
  system.files["mono.txt"] = "60.5 3 1\n";
  const CountsModel model(system, {"water", "iodine"});
  ASSERT_EQ(model.energies(), std::vector<double>{60.5});
  const RayModel ray =
      model.ray(model.nominal(), std::vector<double>{100, 200}, std::vector<double>{7, 8}, std::vector<double>{10, 0.01});
  const double mu_water = mass_attenuation(find_material("water"), {60.5})[0],
               mu_iodine = mass_attenuation(find_material("I"), {60.5})[0];
  const double t = std::exp(-10 * mu_water - 0.01 * mu_iodine);
  EXPECT_NEAR(ray.lambda[0], 300 * t + 7, 300 * t * 1e-4);
  EXPECT_NEAR(ray.lambda[1] - 8, (ray.lambda[0] - 7) * 2 / 3, 1e-9);
  EXPECT_NEAR(ray.slope(0, 1), -300 * t * mu_iodine, 300 * t * mu_iodine * 2e-4);
  EXPECT_NEAR(ray.curvature(0, 0, 1), 300 * t * mu_iodine * mu_water, 300 * t * mu_iodine * mu_water * 3e-4);
}

TEST(CountsModel, effective_spectra_keep_their_sums_and_have_no_thresholds) {
  SpectralSystem system;
  system.bins = 2;
  system.bin_spectra = "bins.txt";
  system.files["bins.txt"] = "# keV low high\n30.3, 1, 0\n30.8 5 0\n40 2 3\n41 0 7\n";
  for (double step : {0.5, 1.0, 3.0}) {
    const CountsModel model(system, {"water"}, step);
    EXPECT_NEAR(model.nominal().total[0], 8, 1e-12) << step;
    EXPECT_NEAR(model.nominal().total[1], 10, 1e-12) << step;
    EXPECT_FALSE(model.has_thresholds());
    EXPECT_THROW(model.shifted(std::vector<double>(2)), DataError);
    EXPECT_TRUE(model.nominal().edge.empty());
    EXPECT_TRUE(model.ray(model.nominal(), std::vector<double>(2, 1.0), {}, std::vector<double>{1}).edge.empty());
  }
  system.bins = 3;
  EXPECT_THROW(CountsModel(system, {"water"}), ConfigError);
}

TEST(CountsModel, an_upper_end_closes_the_last_bin_and_stays_where_it_is) {
  SpectralSystem closed = cdte();
  closed.thresholds.push_back(100);
  SpectralSystem six = cdte();
  six.bins = 6;
  six.thresholds.push_back(100);
  const CountsModel a(closed, {"water"}), b(six, {"water"});
  EXPECT_EQ(a.bins(), 5u);
  EXPECT_NEAR(a.nominal().total[4], b.nominal().total[4], 1e-9 * b.nominal().total[4]);
  const std::vector<double> shift{0, 0, 0, 0, 1.3};
  std::vector<double> shift_of_six = shift;
  shift_of_six.push_back(0);
  EXPECT_NEAR(a.shifted(shift).total[4] / b.shifted(shift_of_six).total[4], 1, 1e-9);
}

TEST(CountsModel, shifts_that_make_no_sense_are_refused) {
  const CountsModel model(cdte(), {"water"});
  EXPECT_THROW(model.shifted(std::vector<double>{0, 0, 0, 0}), DataError);
  EXPECT_THROW(model.shifted(std::vector<double>{8.01, 0, 0, 0, 0}), DataError);
  EXPECT_THROW(model.shifted(std::vector<double>{0, NAN, 0, 0, 0}), DataError);
  EXPECT_THROW(model.shifted(std::vector<double>{0, 0, 7, -4, 0}), DataError);  // 69 and 68 keV
  EXPECT_NO_THROW(model.shifted(std::vector<double>{8, 8, 8, 8, 8}));
}

std::string refusal(SpectralSystem system, const std::vector<std::string>& materials = {"water"}, double step = 1) {
  return testing::refusal<ConfigError>([&] { CountsModel model(system, materials, step); });
}

TEST(CountsModel, what_a_system_lacks_is_refused_with_the_way_out) {
  using ::testing::HasSubstr;
  const auto with = [](auto&& change) {
    SpectralSystem system = cdte();
    change(system);
    return refusal(system);
  };
  EXPECT_THAT(with([](auto& s) { s.bins = 0; }), HasSubstr("at least 1 energy bin"));
  EXPECT_THAT(with([](auto& s) { s.thresholds.pop_back(); }), HasSubstr("expected 5 thresholds"));
  EXPECT_THAT(with([](auto& s) { s.thresholds[2] = 40; }), HasSubstr("ascend from 0 keV, got 40 keV"));
  EXPECT_THAT(with([](auto& s) { s.thresholds[4] = 120; }), HasSubstr("below the highest photon energy of 120 keV"));
  EXPECT_THAT(with([](auto& s) { s.tube_voltage = 0; }), HasSubstr("tube voltage above 0"));
  EXPECT_THAT(with([](auto& s) { s.tube_voltage = 140; }), HasSubstr("response up to 140 keV, got one up to 120 keV"));
  EXPECT_THAT(with([](auto& s) { s.filters = "Alu 3"; }), HasSubstr("got 'Alu'"));
  EXPECT_THAT(with([](auto& s) { s.bowtie = "large.txt"; }),
              HasSubstr("the scan has a bowtie, 'large.txt', which is not known here"));
  EXPECT_THAT(with([](auto& s) { s.bin_spectra = "gone.txt"; }), HasSubstr("'gone.txt' was not found"));
  EXPECT_THAT(refusal(cdte(), {}), HasSubstr("at least 1 material"));
  EXPECT_THAT(refusal(cdte(), {"watr"}), HasSubstr("did you mean 'water'"));
  EXPECT_THAT(refusal(cdte(), {"water"}, 0), HasSubstr("energy step"));
  const CountsModel model(cdte(), {"water"});
  EXPECT_THROW(model.ray(model.nominal(), std::vector<double>(4, 1.0), {}, std::vector<double>{1}), DataError);
  EXPECT_THROW(model.ray(model.nominal(), std::vector<double>(5, 1.0), {}, std::vector<double>{1, 2}), DataError);
}

TEST(CountsModel, a_missing_response_is_computed_on_the_spot) {
  const CountsModel model(five_bins("ideal"), {"water"});
  double total = 0, above = 0;
  for (double v : model.nominal().total) total += v;
  for (std::size_t k = 0; k < model.energies().size(); ++k)
    for (std::size_t b = 0; b < 5; ++b)
      if (model.energies()[k] > 40) above += model.nominal().weight(b, k);
  EXPECT_GT(above / total, 0.8);
}

}  // namespace
}  // namespace counterflow
