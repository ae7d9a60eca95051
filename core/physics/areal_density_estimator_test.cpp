#include "core/physics/areal_density_estimator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <random>

#include "core/error.h"
#include "core/physics/detector_response.h"
#include "core/physics/sensor_model.h"
#include "core/testing/refusal.h"

namespace counterflow {
namespace {

using ::testing::HasSubstr;

SpectralSystem system_of(std::size_t bins, const std::string& detector = "ideal") {
  SpectralSystem s;
  s.bins = bins;
  for (std::size_t b = 0; b < bins; ++b) s.thresholds.push_back(25 + 65 * static_cast<double>(b) / static_cast<double>(bins));
  s.tube_voltage = 120;
  s.filters = "Al 3.0";
  s.detector = detector;
  s.pixel_columns = s.pixel_rows = 0.5;
  static const auto cdte =
      std::make_shared<const DetectorResponse>(simulate_response(sensor_of("CdTe 1.6", 0.5, 0.5), 120, 1000, 1));
  if (detector == "ideal") prepare_response(s, "");
  else s.response = cdte;
  return s;
}

struct Body {
  std::vector<std::string> materials;
  std::size_t bins;
};
const std::vector<Body>& bodies() {
  static const std::vector<Body> all = {{{"water", "iodine"}, 5},
                                        {{"water", "gadolinium"}, 8},
                                        {{"adipose", "bone"}, 3},
                                        {{"water", "calcium"}, 2},
                                        {{"water", "calcium", "gadolinium"}, 6},
                                        {{"water", "iodine", "gadolinium"}, 8}};
  return all;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kRays = 20;
#else
constexpr std::size_t kRays = 200;
#endif

struct Ray {
  std::vector<double> density, open, counts, shift;
  std::vector<double> sigma;  // of the bound
};

// A ray without noise, uniform over the range; open beams of the bins differ between rays.
Ray random_ray(const CountsModel& model, const std::vector<double>& range, double total, double shift, std::mt19937_64& random) {
  std::uniform_real_distribution<double> u;
  Ray r;
  std::vector<double> scale;
  double sum = 0;
  for (double t : model.nominal().total) sum += t;
  for (double a : range) r.density.push_back(a * u(random));
  for (std::size_t b = 0; b < model.bins(); ++b) {
    scale.push_back(total / sum * (0.8 + 0.4 * u(random)));
    r.open.push_back(scale[b] * model.nominal().total[b]);
    r.shift.push_back(shift * (2 * u(random) - 1));
  }
  const RayModel ray = model.ray(shift > 0 ? model.shifted(r.shift) : model.nominal(), scale, {}, r.density);
  r.counts = ray.lambda;
  const Array<double, 2> bound = cramer_rao_bound(ray);
  for (std::size_t m = 0; m < range.size(); ++m) r.sigma.push_back(std::sqrt(bound(m, m)));
  return r;
}

// Largest bias of the estimate without noise [sigma of the bound] over rays of at least `least` counts.
double largest_bias(const ArealDensityEstimator& estimator, const CountsModel& model, double total, double least, double shift) {
  std::mt19937_64 random(7);
  double worst = 0;
  for (std::size_t i = 0; i < kRays;) {
    const Ray r = random_ray(model, estimator.spectra().range(), total, shift, random);
    double counts = 0;
    for (double c : r.counts) counts += c;
    if (counts < least) continue;
    ++i;
    const EffectiveNodes& nominal = estimator.spectra().nominal();
    const auto a =
        estimator.estimate(shift > 0 ? estimator.spectra().shifted(nominal, r.shift) : nominal, {r.counts, r.open, {}});
    for (std::size_t m = 0; m < a.size(); ++m) worst = std::max(worst, std::abs(a[m] - r.density[m]) / r.sigma[m]);
  }
  return worst;
}

TEST(ArealDensityEstimator, bias_without_noise_is_a_small_part_of_the_noise) {
  std::printf("largest bias [sigma of the bound] at 1e5 open-beam counts; nodes; thresholds 1 keV off; fit's own limit at 1e6\n");
  for (const Body& body : bodies())
    for (const std::string detector : {"ideal", "CdTe 1.6"}) {
      const CountsModel model(system_of(body.bins, detector), body.materials);
      const ArealDensityEstimator estimator(model);
      const double still = largest_bias(estimator, model, 1e5, 1000, 0), moved = largest_bias(estimator, model, 1e5, 1000, 1);
      std::printf(
          "  %-28s %-8s %zu bins %2zu nodes: %.3f %.3f %.3f\n",
          (body.materials[0] + " " + body.materials[1] + (body.materials.size() > 2 ? " " + body.materials[2] : "")).c_str(),
          detector.c_str(), body.bins, estimator.spectra().nodes(), still, moved, estimator.spectra().error());
      EXPECT_LT(still, 0.1);
      EXPECT_LT(moved, detector == "ideal" ? 1.5 : 0.2);  // sharp thresholds that pass a K edge follow no polynomial
      EXPECT_LT(estimator.spectra().error(), 0.5);
    }
}

// The transmission and its slope against differences of the counts model itself.
TEST(EffectiveSpectra, transmission_and_slope_are_those_of_the_model) {
  const CountsModel model(system_of(5), {"water", "iodine"});
  const ArealDensityEstimator estimator(model);
  const auto& total = model.nominal().total;
  std::vector<double> scale;
  for (double t : total) scale.push_back(1 / t);
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> u;
  for (int i = 0; i < 50; ++i) {
    const std::vector<double> a = {30 * u(random), 0.2 * u(random)};
    const RayModel ray = model.ray(model.nominal(), scale, {}, a);
    const LogTransmission t = estimator.at(estimator.spectra().nominal(), a);
    for (std::size_t b = 0; b < 5; ++b) {
      EXPECT_NEAR(t.value[b], std::log(ray.lambda[b]), 2e-4 / std::sqrt(ray.lambda[b]));
      for (std::size_t m = 0; m < 2; ++m)
        EXPECT_NEAR(t.slope(b, m) / (ray.slope(b, m) / ray.lambda[b]), 1, 5e-3 / std::sqrt(ray.lambda[b]));
    }
  }
}

TEST(EffectiveSpectra, derivatives_in_nodes_and_shifts_agree_with_differences) {
  const CountsModel model(system_of(4), {"water", "gadolinium"});
  const ArealDensityEstimator estimator(model);
  const EffectiveSpectra& spectra = estimator.spectra();
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal;
  const std::vector<double> a = {12, 0.05};
  std::vector<double> shift = {0.3, -0.6, 0.9, -0.2}, direction(4);
  for (double& d : direction) d = normal(random);
  LogTransmission bar{std::vector<double>(4), Array<double, 2>({4, 2})};
  for (double& v : bar.value) v = normal(random);
  for (double& v : bar.slope) v = normal(random);
  const auto phi = [&](double t) {
    std::vector<double> s = shift;
    for (std::size_t k = 0; k < 4; ++k) s[k] += t * direction[k];
    const LogTransmission at = estimator.at(spectra.shifted(spectra.nominal(), s), a);
    double sum = 0;
    for (std::size_t b = 0; b < 4; ++b) sum += bar.value[b] * at.value[b];
    for (std::size_t k = 0; k < 8; ++k) sum += bar.slope[k] * at.slope[k];
    return sum;
  };
  const double h = 1e-2, numeric = (4 * (phi(h / 2) - phi(-h / 2)) / h - (phi(h) - phi(-h)) / (2 * h)) / 3;
  EffectiveNodes nodes_bar{std::vector<double>(spectra.nodes()), Array<double, 2>({spectra.nodes(), 2})};
  estimator.adjoin(spectra.shifted(spectra.nominal(), shift), a, bar, nodes_bar);
  std::vector<double> shift_bar(4);
  spectra.adjoin_shift(shift, nodes_bar, shift_bar);
  double analytic = 0, terms = 0;
  for (std::size_t k = 0; k < 4; ++k) {
    analytic += shift_bar[k] * direction[k];
    terms += std::abs(shift_bar[k] * direction[k]);
  }
  EXPECT_LT(std::abs(numeric - analytic) / terms, 1e-8);
  EXPECT_GT(std::abs(numeric - 1.0001 * analytic) / terms, 1e-6);
}

TEST(ArealDensityEstimator, says_what_it_cannot_do) {
  using testing::refusal;
  const CountsModel model(system_of(4), {"water", "iodine"});
  EXPECT_THAT(refusal([&] { EffectiveSpectra(model, {.largest = {40}}); }), HasSubstr("each of 2 materials, got 1"));
  EXPECT_THAT(refusal([&] { EffectiveSpectra(model, {.largest = {40, 0}}); }), HasSubstr("above 0 g/cm^2, got 0"));
  const EffectiveSpectra spectra(model);
  EXPECT_THAT(refusal([&] { spectra.shifted(spectra.nominal(), std::vector<double>{0, 5, 0, 0}); }), HasSubstr("got 5 keV"));
  const CountsModel few(system_of(2), {"water", "iodine", "calcium"});
  EXPECT_THAT(refusal([&] { ArealDensityEstimator{few}; }), HasSubstr("3 materials and 2 bins"));
}

}  // namespace
}  // namespace counterflow
