// Few energies for all, and thresholds of each ray's own, against the counts model itself.
#include "gadgets/decomposition/energy_nodes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "core/testing/counts_scan.h"
#include "gadgets/decomposition/test_scene.h"

namespace counterflow {
namespace {

using testing::Scene;

Scene random_scene(std::mt19937_64& random, std::size_t bins) {
  static const std::vector<std::vector<std::string>> kBases = {{"water", "iodine"},
                                                               {"adipose", "bone"},
                                                               {"water", "gadolinium"},
                                                               {"water", "calcium", "iodine"},
                                                               {"water", "iodine", "gadolinium"}};
  Scene scene(kBases[random() % kBases.size()], bins);
  for (double& t : scene.thresholds) t += std::uniform_real_distribution<>(-3, 3)(random);
  return scene;
}

std::vector<double> random_ray(const RayRange& range, std::mt19937_64& random) {
  std::vector<double> a;
  for (std::size_t m = 0; m < range.most.size(); ++m)
    a.push_back(range.least[m] + (range.most[m] - range.least[m]) * std::uniform_real_distribution<>()(random));
  return a;
}

// [bin] sum_E w exp(-mu a)
std::vector<double> counted(const Array<double, 2>& mu, const Array<double, 2>& weight, const std::vector<double>& a) {
  std::vector<double> sum(weight.extent(0));
  for (std::size_t e = 0; e < mu.extent(1); ++e) {
    double x = 0;
    for (std::size_t m = 0; m < a.size(); ++m) x += mu(m, e) * a[m];
    for (std::size_t b = 0; b < sum.size(); ++b) sum[b] += weight(b, e) * std::exp(-x);
  }
  return sum;
}

TEST(EnergyNodes, describe_the_counts_of_random_systems_within_the_stated_error) {
  std::mt19937_64 random(12);
  double worst_stated = 0, worst_share = 0;
  for (int k = 0; k < 24; ++k) {
    const Scene scene = random_scene(random, 2 + random() % 7);
    const BinWeights w = scene.weights();
    const RayPlan plan = plan_rays(scene.attenuation, w, {}, 48);
    const NodeError stated = quadrature_error(plan, w);
    EXPECT_GT(stated.counts, 0);
    EXPECT_LT(stated.counts, 1e-5);
    EXPECT_LT(stated.sigmas, stated.counts);  // each bin's error is relative, and a sigma more than one count in all
    const auto mu = plan.full.values(scene.attenuation), few = plan.full.weights(w.weight);
    double worst = 0;
    for (int ray = 0; ray < 200; ++ray) {
      const auto a = random_ray(plan.range, random);
      const auto want = counted(scene.attenuation, w.weight, a), got = counted(mu, few, a);
      for (std::size_t b = 0; b < want.size(); ++b)
        worst = std::max(worst, std::abs(got[b] - want[b]) / (want[b] + 1e-6 * w.total[b]));
    }
    worst_stated = std::max(worst_stated, stated.counts);
    worst_share = std::max(worst_share, worst / stated.counts);
    EXPECT_LT(worst, 2 * stated.counts);
  }
  std::printf("48 nodes: counts within %.1e; other rays reach %.2f of the error stated\n", worst_stated, worst_share);
}

TEST(EnergyNodes, more_of_them_describe_better_and_all_of_them_exactly) {
  const Scene scene({"water", "iodine"}, 8);
  const BinWeights w = scene.weights();
  double last = 1;
  for (std::size_t n : {16, 24, 40}) {
    const double error = quadrature_error(plan_rays(scene.attenuation, w, {}, n), w).counts;
    EXPECT_LT(error, last / 4);
    last = error;
  }
  EXPECT_LT(quadrature_error(plan_rays(scene.attenuation, w, {}, scene.energies.size()), w).counts, 1e-6);
}

// What makes thresholds differentiable through a quadrature.
TEST(EnergyNodes, weights_move_with_thresholds_as_spectra_do) {
  const Scene scene({"water", "iodine"}, 5);
  const RayPlan plan = plan_rays(scene.attenuation, scene.weights(), {}, 32);
  const double h = 1e-4;
  const auto at = [&](double s) { return plan.full.weights(scene.weights({0, 0, s, 0, 0}).weight); };
  const auto up = at(h), down = at(-h), edge = plan.full.weights(scene.weights().edge);
  for (std::size_t j = 0; j < 32; ++j) {
    EXPECT_NEAR((up(2, j) - down(2, j)) / (2 * h), -edge(2, j), 1e-7);
    EXPECT_NEAR((up(1, j) - down(1, j)) / (2 * h), edge(2, j), 1e-7);
    EXPECT_EQ(up(4, j), down(4, j));
  }
}

TEST(ThresholdMoves, describe_the_counts_within_the_stated_error) {
  std::mt19937_64 random(13);
  for (int k = 0; k < 8; ++k) {
    const Scene scene = random_scene(random, 2 + random() % 7);
    const BinWeights w = scene.weights();
    const RayPlan plan = plan_rays(scene.attenuation, w);
    const ThresholdMoves moves =
        plan_moves(plan, 2, [&](double s) { return scene.weights(std::vector<double>(scene.bins(), s)); });
    EXPECT_GT(moves.error, 0);
    EXPECT_LT(moves.error, 1e-3);
    std::vector<double> shift;
    for (std::size_t b = 0; b < scene.bins(); ++b) shift.push_back(std::uniform_real_distribution<>(-2, 2)(random));
    Array<double, 2> moved = w.weight;
    for (std::size_t b = 0; b < scene.bins(); ++b)
      for (std::size_t n = 0; n < kMovePowers; ++n)
        for (std::size_t e = 0; e < scene.energies.size(); ++e) {
          const double v = moves.power(b, n, e) * std::pow(shift[b] / 2, static_cast<double>(n + 1));
          moved(b, e) += v;
          if (b > 0) moved(b - 1, e) -= v;
        }
    for (int ray = 0; ray < 100; ++ray) {
      const auto a = random_ray(plan.range, random);
      const auto want = counted(scene.attenuation, scene.weights(shift).weight, a), got = counted(scene.attenuation, moved, a);
      for (std::size_t b = 0; b < want.size(); ++b)
        EXPECT_LT(std::abs(got[b] - want[b]), 3 * moves.error * (want[b] + 1e-6 * w.total[b]));
    }
  }
}

}  // namespace
}  // namespace counterflow
