#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cstdio>

#include "core/kernel.h"
#include "gadgets/decomposition/test_scene.h"

namespace counterflow {
namespace {

using testing::PlainRay;
using testing::Rays;
using testing::Scene;

template <class Real>
auto solver(Isa isa) {
  return choose<SolveRays<Real>>(kernel_baseline::solve_rays, kernel_avx2::solve_rays, kernel_avx512::solve_rays, isa);
}
template <class Real>
auto adjoiner(Isa isa) {
  return choose<AdjointRays<Real>>(kernel_baseline::adjoint_rays, kernel_avx2::adjoint_rays, kernel_avx512::adjoint_rays, isa);
}

template <class Real>
RayTables<Real> tables_of(const Scene& scene) {
  const BinWeights w = scene.weights();
  return RayTables<Real>(plan_rays(scene.attenuation, w), w, w, false);
}

template <class Real>
RaySettings<Real> settings() {
  RaySettings<Real> s;
  s.tolerance = sizeof(Real) == 4 ? static_cast<Real>(1e-4) : static_cast<Real>(1e-9);
  s.iterations = 50;
  return s;
}

Eigen::MatrixXd matrix(const std::vector<double>& values) {
  const auto n = static_cast<Eigen::Index>(std::lround(std::sqrt(static_cast<double>(values.size()))));
  return Eigen::Map<const Eigen::MatrixXd>(values.data(), n, n);
}
Eigen::VectorXd vector(const std::vector<double>& values) {
  return Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Eigen::Index>(values.size()));
}
// Length of Newton's step in sigmas of the bound.
double distance(const PlainRay& ray) {
  const Eigen::VectorXd step = matrix(ray.hessian).ldlt().solve(vector(ray.gradient));
  return std::sqrt(step.dot(matrix(ray.fisher) * step));
}

struct Case {
  std::vector<std::string> materials;
  std::vector<double> low, high;
};
const std::vector<Case> kCases = {{{"water", "iodine"}, {1, 0.01}, {30, 0.1}},
                                  {{"water", "gadolinium"}, {1, 0.01}, {30, 0.1}},
                                  {{"adipose", "bone"}, {1, 0.5}, {20, 6}},
                                  {{"water", "calcium", "gadolinium"}, {1, 0.1, 0.02}, {20, 1, 0.1}},
                                  {{"water", "iodine", "gadolinium"}, {1, 0.02, 0.02}, {20, 0.1, 0.1}}};

// With fewer there are several solutions: a K edge can bring the same counts twice.
std::size_t fewest_bins(const Case& c) { return c.materials.size() == 3 ? 4 : c.materials[1] == "gadolinium" ? 3 : 2; }

template <class Real>
void expect_optimum(Isa isa, const Case& c, std::size_t bins, double scatter, unsigned seed) {
  std::mt19937_64 random(seed);
  const Scene scene(c.materials, bins);
  const auto tables = tables_of<Real>(scene);
  Rays<Real> rays(scene, kRayBlock * (1 + seed % 5), 3e6, c.low, c.high, true, scatter, random);
  auto solution = rays.solution();
  solver<Real>(isa)(tables.system(), settings<Real>(), rays.data(), solution);
  const BinWeights w = scene.weights();
  for (std::size_t i = 0; i < rays.count; ++i) {
    ASSERT_EQ(rays.fate[i], kSolved);
    EXPECT_LT(distance(rays.plain(scene, w, i, rays.density_of(i))), sizeof(Real) == 4 ? 5e-3 : 1e-9);
  }
}

TEST(RayKernel, each_instruction_set_finds_the_optimum_of_the_plain_model) {
  unsigned seed = 0;
  for (Isa isa : available_isas())
    for (const Case& c : kCases)
      for (std::size_t bins = fewest_bins(c); bins <= kMaxBins; ++bins) {
        const double scatter = bins % 2 ? 0.2 : 0;
        expect_optimum<double>(isa, c, bins, scatter, ++seed);
        expect_optimum<float>(isa, c, bins, scatter, seed);
      }
}

template <class Real>
double noise_free_error(const Case& c, std::size_t bins) {
  std::mt19937_64 random(5);
  const Scene scene(c.materials, bins);
  const auto tables = tables_of<Real>(scene);
  Rays<Real> rays(scene, 512, 1e6, c.low, c.high, false, 0.1, random);
  auto solution = rays.solution();
  solver<Real>(best_isa())(tables.system(), settings<Real>(), rays.data(), solution);
  double worst = 0;
  for (std::size_t i = 0; i < rays.density.size(); ++i)
    worst = std::max(worst, std::abs(static_cast<double>(rays.density[i]) / rays.truth[i] - 1));
  return worst;
}

TEST(RayKernel, noise_free_rays_are_recovered) {
  for (const Case& c : kCases)
    for (std::size_t bins : {fewest_bins(c), std::size_t{5}, kMaxBins}) {
      EXPECT_LT(noise_free_error<double>(c, bins), 1e-6) << c.materials.back() << ' ' << bins;
      EXPECT_LT(noise_free_error<float>(c, bins), 1e-4) << c.materials.back() << ' ' << bins;
    }
}

// y_bar_b = J_b . v / lambda_b, s_bar_b = -(y_b / lambda_b) y_bar_b, H v = A_bar.
template <class Real>
void expect_adjoint(Isa isa, const Case& c, std::size_t bins, unsigned seed) {
  std::mt19937_64 random(seed);
  const Scene scene(c.materials, bins);
  const auto tables = tables_of<Real>(scene);
  const auto system = tables.system();
  Rays<Real> rays(scene, 2 * kRayBlock, 1e6, c.low, c.high, true, 0.2, random);
  auto solution = rays.solution();
  solver<Real>(isa)(system, settings<Real>(), rays.data(), solution);
  std::vector<Real> bar(rays.density.size()), counts_bar(rays.counts.size()), background_bar(rays.counts.size());
  for (std::size_t i = 0; i < bar.size(); ++i)
    bar[i] = static_cast<Real>(std::normal_distribution<>()(random)) / system.unit[i / rays.count];
  adjoiner<Real>(isa)(system, settings<Real>(), rays.data(), solution,
                      {bar.data(), counts_bar.data(), background_bar.data(), nullptr});
  const BinWeights w = scene.weights();
  for (std::size_t i = 0; i < rays.count; ++i) {
    const PlainRay ray = rays.plain(scene, w, i, rays.density_of(i));
    const Eigen::VectorXd v = matrix(ray.hessian).ldlt().solve(vector(Rays<Real>::column(bar, rays.count, i)));
    double largest = 0;
    std::vector<double> want;
    for (std::size_t b = 0; b < bins; ++b) {
      double along = 0;
      for (std::size_t m = 0; m < c.materials.size(); ++m) along += ray.slope(b, m) * v(static_cast<Eigen::Index>(m));
      want.push_back(along / ray.lambda[b]);
      largest = std::max(largest, std::abs(want.back()));
    }
    const double limit = largest * (sizeof(Real) == 4 ? 1e-2 : 1e-9);
    for (std::size_t b = 0; b < bins; ++b) {
      const auto at = b * rays.count + i;
      EXPECT_NEAR(static_cast<double>(counts_bar[at]), want[b], limit);
      EXPECT_NEAR(static_cast<double>(background_bar[at]), -want[b] * static_cast<double>(rays.counts[at]) / ray.lambda[b],
                  2 * limit);
    }
  }
}

TEST(RayKernel, each_instruction_set_has_the_adjoint_of_the_plain_model) {
  unsigned seed = 100;
  for (Isa isa : available_isas())
    for (const Case& c : kCases)
      for (std::size_t bins : {fewest_bins(c), kMaxBins}) {
        expect_adjoint<double>(isa, c, bins, ++seed);
        expect_adjoint<float>(isa, c, bins, seed);
      }
}

// The same ridge, of weight 1/900 per squared attenuation length, in the objective and in the adjoint.
TEST(RayKernel, rays_held_by_the_ridge_have_the_adjoint_of_the_ridge) {
  const Scene scene({"water", "calcium", "iodine"}, 8);
  const auto tables = tables_of<double>(scene);
  const auto system = tables.system();
  const BinWeights w = scene.weights();
  std::mt19937_64 random(3);
  Rays<double> rays(scene, 4096, 1e5, {30, 0, 0}, {40, 1, 0.1}, true, 0, random);
  for (std::size_t i = 0; i < rays.count; ++i) {  // as a gadget does
    const auto y = Rays<double>::column(rays.counts, rays.count, i);
    if (*std::ranges::max_element(y) == 0) rays.fate[i] = kFailed;
  }
  auto solution = rays.solution();
  solver<double>(best_isa())(system, settings<double>(), rays.data(), solution);
  std::vector<double> bar(rays.density.size(), 1), counts_bar(rays.counts.size());
  adjoiner<double>(best_isa())(system, settings<double>(), rays.data(), solution,
                               {bar.data(), counts_bar.data(), nullptr, nullptr});
  std::size_t held = 0, failed = 0;
  for (std::size_t i = 0; i < rays.count; ++i) {
    failed += rays.fate[i] == kFailed;
    if (rays.fate[i] != kHeld) continue;
    ++held;
    PlainRay ray = rays.plain(scene, w, i, rays.density_of(i));
    for (std::size_t m = 0; m < 3; ++m) {
      const double ridge = 1 / (900 * system.unit[m] * system.unit[m]);
      ray.gradient[m] += ridge * rays.density_of(i)[m];
      ray.hessian[4 * m] += ridge;
    }
    EXPECT_LT(distance(ray), 1e-8);
    const Eigen::VectorXd v = matrix(ray.hessian).ldlt().solve(Eigen::VectorXd::Ones(3));
    for (std::size_t b = 0; b < 8; ++b) {
      const double want = (ray.slope(b, 0) * v(0) + ray.slope(b, 1) * v(1) + ray.slope(b, 2) * v(2)) / ray.lambda[b];
      EXPECT_NEAR(counts_bar[b * rays.count + i] / want, 1, 1e-6);
    }
  }
  std::printf("of %zu rays with tens of counts: %zu held by the ridge, %zu without a finite optimum\n", rays.count, held, failed);
  EXPECT_GT(held, 0u);
}

// A scene whose rays pass known attenuators besides.
struct KnownCase {
  Scene scene;
  Array<double, 2> known;  // [known, energy]
  bool air_moves;
  std::vector<double> shift;

  RayTables<double> tables() const {
    const BinWeights nominal = scene.weights(), w = scene.weights(shift);
    return {plan_rays(scene.attenuation, nominal, known), w, air_moves ? w : nominal, air_moves};
  }
  // The same for one ray, its known attenuators folded into the spectra.
  RayTables<double> folded(const std::vector<double>& density) const {
    const BinWeights nominal = filtered(scene.weights(), density), w = filtered(scene.weights(shift), density);
    return {plan_rays(scene.attenuation, nominal), w, air_moves ? w : nominal, air_moves};
  }

 private:
  BinWeights filtered(BinWeights w, const std::vector<double>& density) const {
    const auto filter = [&](Array<double, 2>& spectra, std::vector<double>& total) {
      for (std::size_t b = 0; b < total.size(); ++b) {
        total[b] = 0;
        for (std::size_t e = 0; e < scene.energies.size(); ++e) {
          double x = 0;
          for (std::size_t k = 0; k < density.size(); ++k) x += known(k, e) * density[k];
          total[b] += spectra(b, e) *= std::exp(-x);
        }
      }
    };
    filter(w.weight, w.total);
    filter(w.edge, w.edge_total);
    return w;
  }
};

struct Answer {
  std::vector<double> density, covariance, counts_bar, background_bar, threshold_bar;
};
Answer answer(Isa isa, const RayTables<double>& tables, const Rays<double>& given, bool bias_correction) {
  Rays<double> rays = given;
  auto s = settings<double>();
  s.tolerance = 1e-12;
  auto solution = rays.solution();
  solver<double>(isa)(tables.system(), s, rays.data(), solution);
  s.bias_correction = bias_correction;
  const std::vector<double> bar(rays.density.size(), 1);
  Answer a{rays.density, rays.covariance, rays.counts, rays.counts, std::vector<double>(tables.system().thresholds)};
  adjoiner<double>(isa)(tables.system(), s, rays.data(), solution,
                        {bar.data(), a.counts_bar.data(), a.background_bar.data(), a.threshold_bar.data()});
  return a;
}
double worst_ratio(const std::vector<double>& got, const std::vector<double>& want) {
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) worst = std::max(worst, std::abs(got[i] / want[i] - 1));
  return worst;
}

void expect_known_as_folded(Isa isa, const KnownCase& c, bool bias_correction, unsigned seed) {
  std::mt19937_64 random(seed);
  const std::vector<double> low(c.scene.materials(), 0.02), high = low;
  Rays<double> rays(c.scene, kRayBlock, 3e6, low, high, true, 0.2, random);  // one ray, in each lane with its own noise
  std::vector<double> density;
  for (std::size_t k = 0; k < c.known.extent(0); ++k) {
    density.push_back(std::uniform_real_distribution<>(0.5, 5)(random));
    rays.known.insert(rays.known.end(), rays.count, density.back());
  }
  const Answer got = answer(isa, c.tables(), rays, bias_correction);
  rays.known.clear();
  const Answer want = answer(isa, c.folded(density), rays, bias_correction);
  EXPECT_LT(worst_ratio(got.density, want.density), 1e-9);
  EXPECT_LT(worst_ratio(got.covariance, want.covariance), 1e-9);
  EXPECT_LT(worst_ratio(got.counts_bar, want.counts_bar), 1e-8);
  EXPECT_LT(worst_ratio(got.background_bar, want.background_bar), 1e-8);
  EXPECT_LT(worst_ratio(got.threshold_bar, want.threshold_bar), 1e-8);
}

TEST(RayKernel, known_attenuators_act_as_if_folded_into_the_spectra_of_each_ray) {
  unsigned seed = 300;
  for (Isa isa : available_isas())
    for (std::size_t known : {1, 2})
      for (bool air_moves : {false, true})
        for (const auto& materials : {std::vector<std::string>{"water", "iodine"}, {"water", "calcium", "gadolinium"}}) {
          const Scene scene(materials, 6);
          const Scene others(known == 1 ? std::vector<std::string>{"Al"} : std::vector<std::string>{"Al", "C"}, 6);
          std::vector<double> shift;
          for (std::size_t k = 0; k < 6; ++k) shift.push_back(0.4 - 0.2 * static_cast<double>(k));
          expect_known_as_folded(isa, {scene, others.attenuation, air_moves, shift}, air_moves, ++seed);
        }
}

TEST(RayKernel, nothing_but_numbers_leaves_whatever_comes) {
  const Scene scene(kCases[4].materials, 5);
  const auto tables = tables_of<float>(scene);
  std::mt19937_64 random(9);
  for (double total : {1., 20., 300., 1e4, 1e12}) {
    Rays<float> rays(scene, 64 * kRayBlock, total, {-5, -0.3, -0.3}, {60, 0.5, 0.5}, true, 0.1, random);
    for (float& y : rays.counts) y *= static_cast<float>(random() % 3);  // counts that no material explains
    auto solution = rays.solution();
    auto s = settings<float>();
    s.bias_correction = true;
    solver<float>(best_isa())(tables.system(), s, rays.data(), solution);
    for (float a : rays.density) ASSERT_TRUE(std::isfinite(a));
    for (float v : rays.covariance) ASSERT_TRUE(std::isfinite(v));
    std::vector<float> bar(rays.density.size(), 1), counts_bar(rays.counts.size()), background_bar(rays.counts.size());
    std::vector<double> threshold_bar(5);
    adjoiner<float>(best_isa())(tables.system(), s, rays.data(), solution,
                                {bar.data(), counts_bar.data(), background_bar.data(), threshold_bar.data()});
    for (float a : counts_bar) ASSERT_TRUE(std::isfinite(a));
    for (float a : background_bar) ASSERT_TRUE(std::isfinite(a));
    for (double a : threshold_bar) ASSERT_TRUE(std::isfinite(a));
  }
}

}  // namespace
}  // namespace counterflow
