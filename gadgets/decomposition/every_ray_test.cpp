// What holds for every ray, on many of them: it is at its optimum or reported, within the tolerance stated, and does not depend
// on its neighbours.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cstdio>
#include <numeric>

#include "core/kernel.h"
#include "gadgets/decomposition/test_scene.h"

namespace counterflow {
namespace {

using testing::Rays;
using testing::Scene;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kShare = 64;
#else
constexpr std::size_t kShare = 1;
#endif

template <class Real>
void solve(const RayTables<Real>& tables, Real tolerance, Rays<Real>& rays) {
  RaySettings<Real> s;
  s.tolerance = tolerance;
  s.iterations = 50;
  auto solution = rays.solution();
  choose<SolveRays<Real>>(kernel_baseline::solve_rays, kernel_avx2::solve_rays, kernel_avx512::solve_rays)(tables.system(), s,
                                                                                                           rays.data(), solution);
}
template <class Real>
RayTables<Real> tables_of(const Scene& scene) {
  const BinWeights w = scene.weights();
  return RayTables<Real>(plan_rays(scene.attenuation, w), w, w, false);
}

Eigen::MatrixXd matrix(const std::vector<double>& values, std::size_t n) {
  return Eigen::Map<const Eigen::MatrixXd>(values.data(), static_cast<Eigen::Index>(n), static_cast<Eigen::Index>(n));
}

// The search stops where it expects the next step to be short enough; here the step is made.
TEST(EveryRay, is_within_the_tolerance_of_its_optimum) {
  std::mt19937_64 random(6);
  for (double tolerance : {1e-3, 1e-4})
    for (double total : {2e4, 2e5, 2e6})
      for (const auto& [materials, most] : {std::pair{std::vector<std::string>{"water", "iodine"}, std::vector<double>{30, 0.1}},
                                            {{"water", "calcium", "gadolinium"}, {20, 1, 0.1}}}) {
        const Scene scene(materials, 6);
        const BinWeights w = scene.weights();
        Rays<double> rays(scene, 2048 / kShare / kRayBlock * kRayBlock, total, std::vector<double>(most.size(), 0.), most, true,
                          0.05, random);
        solve(tables_of<double>(scene), tolerance, rays);
        double worst = 0;
        for (std::size_t i = 0; i < rays.count; ++i) {
          if (rays.fate[i] != kSolved) continue;
          const auto ray = rays.plain(scene, w, i, rays.density_of(i));
          const Eigen::VectorXd gradient =
              Eigen::Map<const Eigen::VectorXd>(ray.gradient.data(), static_cast<Eigen::Index>(ray.gradient.size()));
          const Eigen::VectorXd step = matrix(ray.hessian, materials.size()).ldlt().solve(gradient);
          worst = std::max(worst, std::sqrt(step.dot(matrix(ray.fisher, materials.size()) * step)));
        }
        std::printf("%zu materials, %.0e counts, tolerance %.0e sigma: %.1e left\n", materials.size(), total, tolerance, worst);
        EXPECT_LT(worst, tolerance);
        EXPECT_GT(worst, 0);
      }
}

TEST(EveryRay, has_the_same_bits_in_any_company) {
  std::mt19937_64 random(7);
  const Scene scene({"water", "calcium", "iodine"}, 6);
  const auto tables = tables_of<float>(scene);
  Rays<float> rays(scene, 1024, 2e4, {0, 0, 0}, {30, 1, 0.1}, true, 0, random), shuffled = rays;
  std::vector<std::size_t> order(rays.count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::shuffle(order, random);
  for (std::size_t i = 0; i < rays.count; ++i) {
    shuffled.fate[i] = rays.fate[order[i]];
    for (std::size_t b = 0; b < scene.bins(); ++b) {
      shuffled.counts[b * rays.count + i] = rays.counts[b * rays.count + order[i]];
      shuffled.open[b * rays.count + i] = rays.open[b * rays.count + order[i]];
    }
  }
  solve(tables, 1e-4F, rays);
  solve(tables, 1e-4F, shuffled);
  for (std::size_t i = 0; i < rays.count; ++i) {
    EXPECT_EQ(shuffled.fate[i], rays.fate[order[i]]);
    for (std::size_t m = 0; m < 3; ++m) EXPECT_EQ(shuffled.density[m * rays.count + i], rays.density[m * rays.count + order[i]]);
  }
}

}  // namespace
}  // namespace counterflow
