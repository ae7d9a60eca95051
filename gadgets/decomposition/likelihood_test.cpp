// The optimum against an independent optimiser, and the statistics of the estimate.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <nlopt.hpp>

#include "core/kernel.h"
#include "gadgets/decomposition/test_scene.h"

namespace counterflow {
namespace {

using testing::Rays;
using testing::Scene;

void solve(const RaySystem<double>& system, const RaySettings<double>& settings, Rays<double>& rays) {
  auto solution = rays.solution();
  choose<SolveRays<double>>(kernel_baseline::solve_rays, kernel_avx2::solve_rays, kernel_avx512::solve_rays)(
      system, settings, rays.data(), solution);
}
RaySettings<double> settings(bool bias_correction = false) {
  RaySettings<double> s;
  s.tolerance = 1e-9;
  s.iterations = 50;
  s.bias_correction = bias_correction;
  return s;
}

struct Objective {
  const Scene& scene;
  const BinWeights& weights;
  const Rays<double>& rays;
  std::size_t ray;
  std::vector<double> unit;  // variables are scaled by it
  double least = 1e300;      // ever seen
  std::vector<double> at;    // there
  static double evaluate(const std::vector<double>& x, std::vector<double>& gradient, void* self) {
    auto& o = *static_cast<Objective*>(self);
    std::vector<double> a = x;
    for (std::size_t m = 0; m < a.size(); ++m) a[m] *= o.unit[m];
    const auto ray = o.rays.plain(o.scene, o.weights, o.ray, a);
    for (std::size_t m = 0; m < gradient.size(); ++m) gradient[m] = ray.gradient[m] * o.unit[m];
    if (ray.likelihood < o.least) o.least = ray.likelihood, o.at = x;
    return ray.likelihood;
  }
};

// Least half deviance that NLopt finds by two methods, from the truth.
double least_by_nlopt(Objective objective) {
  objective.at = objective.rays.truth_of(objective.ray);
  for (std::size_t m = 0; m < objective.at.size(); ++m) objective.at[m] /= objective.unit[m];
  for (nlopt::algorithm method : {nlopt::LD_SLSQP, nlopt::LD_LBFGS}) {
    nlopt::opt optimiser(method, static_cast<unsigned>(objective.at.size()));
    optimiser.set_min_objective(Objective::evaluate, &objective);
    optimiser.set_ftol_abs(1e-14);
    optimiser.set_maxeval(300);
    std::vector<double> x = objective.at;
    double value = 0;
    try {
      optimiser.optimize(x, value);
    } catch (const std::runtime_error&) {  // limits of rounding: it can do no better
    }
  }
  return objective.least;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kRays = 12 * kRayBlock;  // of each body
#else
constexpr std::size_t kRays = 2000;
#endif

struct Body {
  std::vector<std::string> materials;
  std::size_t bins;
  std::vector<double> low, high;
};

TEST(Likelihood, is_not_above_that_of_an_independent_optimiser_on_10000_noisy_rays) {
  std::mt19937_64 random(77);
  double worst = -1e300, worst_deviance = -1e300, better = 0;
  std::size_t compared = 0;
  for (const Body& body :
       {Body{{"water", "iodine"}, 5, {0, 0}, {35, 0.1}}, Body{{"water", "gadolinium"}, 8, {0, 0}, {35, 0.1}},
        Body{{"adipose", "bone"}, 3, {1, 0}, {25, 5}}, Body{{"water", "calcium", "gadolinium"}, 6, {0, 0, 0}, {20, 1.5, 0.1}},
        Body{{"water", "iodine", "gadolinium"}, 8, {0, 0, 0}, {20, 0.1, 0.1}}}) {
    const Scene scene(body.materials, body.bins);
    const BinWeights w = scene.weights();
    const RayPlan plan = plan_rays(scene.attenuation, w);
    const RayTables<double> tables(plan, w, w, false);
    Rays<double> rays(scene, kRays, 2e5, body.low, body.high, true, 0.05, random);
    solve(tables.system(), settings(), rays);
    for (std::size_t i = 0; i < rays.count; ++i) {
      if (rays.fate[i] != kSolved) continue;
      const auto ours = rays.plain(scene, w, i, rays.density_of(i));
      const double least = least_by_nlopt({scene, w, rays, i, plan.unit, 1e300, {}});
      double likelihood = 0;  // sum_b lambda_b - y_b ln lambda_b
      for (std::size_t b = 0; b < body.bins; ++b)
        likelihood += ours.lambda[b] - rays.counts[b * rays.count + i] * std::log(ours.lambda[b]);
      worst = std::max(worst, (ours.likelihood - least) / std::abs(likelihood));
      worst_deviance = std::max(worst_deviance, ours.likelihood - least);
      better += ours.likelihood < least - 1e-9;
      ++compared;
    }
  }
  std::printf("%zu rays: above NLopt's likelihood by at most %.1e relative (%.1e absolute); %.0f rays more than 1e-9 below it\n",
              compared, worst, worst_deviance, better);
  EXPECT_EQ(compared, 5 * kRays);
  EXPECT_LT(worst, 1e-9);
}

// Mean error and variance over `count` noisy copies of one ray, in the bound's units.
struct Statistics {
  std::vector<double> bias, variance, sigma;  // [material]: [sigma], [bound], [g/cm^2]
  double least_counts = 0, counts = 0, failed = 0;
};
Statistics statistics(double total, bool corrected, std::size_t count = 1 << 16) {
  std::mt19937_64 random(42);
  const Scene scene({"water", "iodine"}, 5);
  const BinWeights w = scene.weights();
  const RayTables<double> tables(plan_rays(scene.attenuation, w), w, w, false);
  const std::vector<double> truth = {20, 0.02};
  Rays<double> rays(scene, count, total, truth, truth, true, 0, random);
  Rays<double> exact(scene, kRayBlock, total, truth, truth, false, 0, random);
  solve(tables.system(), settings(corrected), rays);
  solve(tables.system(), settings(), exact);
  Statistics s;
  s.least_counts = 1e300;
  for (std::size_t b = 0; b < 5; ++b) s.least_counts = std::min(s.least_counts, exact.counts[b * kRayBlock]);
  for (std::size_t b = 0; b < 5; ++b) s.counts += exact.counts[b * kRayBlock];
  for (std::size_t m = 0; m < 2; ++m) {
    double sum = 0, square = 0, n = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (rays.fate[i] != kSolved) continue;
      const double e = rays.density[m * count + i] - truth[m];
      sum += e, square += e * e, n += 1;
    }
    s.sigma.push_back(std::sqrt(exact.covariance[2 * m * kRayBlock]));
    s.bias.push_back(sum / n / s.sigma[m]);
    s.variance.push_back((square / n - sum / n * sum / n) / (s.sigma[m] * s.sigma[m]));
    s.failed = static_cast<double>(count) - n;
  }
  return s;
}

TEST(Likelihood, variance_is_the_bound) {
  const Statistics many = statistics(6.9e5, false), few = statistics(8.2e4, false);
  std::printf("variance / bound: %.3f %.3f at %.0f counts in the weakest bin, %.3f %.3f at %.0f\n", many.variance[0],
              many.variance[1], many.least_counts, few.variance[0], few.variance[1], few.least_counts);
  EXPECT_NEAR(many.least_counts, 100, 20);
  EXPECT_NEAR(few.least_counts, 12, 3);
  for (std::size_t m = 0; m < 2; ++m) {
    EXPECT_GT(many.variance[m], 0.98);
    EXPECT_LT(many.variance[m], 1.03);
    EXPECT_LT(few.variance[m], 1.10);
    EXPECT_EQ(many.failed, 0);
  }
}

TEST(Likelihood, bias_of_low_counts_is_corrected) {
  std::printf("counts (all bins, weakest) | bias/sigma water iodine | corrected | variance/bound | failed or held\n");
  for (double total : {7e6, 6.9e5, 2e5, 6.9e4, 2e4, 6e3, 1.5e3}) {
    const Statistics plain = statistics(total, false), corrected = statistics(total, true);
    std::printf("%8.0f %7.1f | %+.4f %+.4f (%+.3f mg/cm2) | %+.4f %+.4f | %.3f %.3f | %.3f %.3f | %.0f\n", plain.counts,
                plain.least_counts, plain.bias[0], plain.bias[1], 1e3 * plain.bias[1] * plain.sigma[1], corrected.bias[0],
                corrected.bias[1], plain.variance[0], plain.variance[1], corrected.variance[0], corrected.variance[1],
                plain.failed);
    if (plain.least_counts < 2 || plain.least_counts > 200) continue;
    EXPECT_LT(std::abs(corrected.bias[1]), 0.3 * std::abs(plain.bias[1]) + 0.01);
  }
}

}  // namespace
}  // namespace counterflow
