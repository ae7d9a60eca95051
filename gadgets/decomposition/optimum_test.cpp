// Every ray ends at its optimum, in the precision that chains run in, down to a few counts.
#include <gtest/gtest.h>

#include <cstdio>

#include "core/kernel.h"
#include "core/parallel.h"
#include "gadgets/decomposition/test_scene.h"

namespace counterflow {
namespace {

using testing::Rays;
using testing::Scene;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kRays = 1000 * kRayBlock;
#else
constexpr std::size_t kRays = 500'000;
#endif
constexpr double kFewest = 20, kMost = 2000;  // expected counts of a ray, all bins together

// sum_b lambda_b - y_b ln lambda_b of ray i at `a`, in double.
double minus_log_likelihood(const Scene& scene, const BinWeights& w, const Rays<float>& rays, std::size_t i,
                            const std::vector<double>& a) {
  std::vector<double> transmitted(scene.bins());
  for (std::size_t e = 0; e < scene.energies.size(); ++e) {
    double x = 0;
    for (std::size_t m = 0; m < a.size(); ++m) x += scene.attenuation(m, e) * a[m];
    const double t = std::exp(-x);
    for (std::size_t b = 0; b < transmitted.size(); ++b) transmitted[b] += w.weight(b, e) * t;
  }
  double sum = 0;
  for (std::size_t b = 0; b < transmitted.size(); ++b) {
    const double lambda = static_cast<double>(rays.open[b * rays.count + i]) * transmitted[b] / w.total[b];
    sum += lambda - static_cast<double>(rays.counts[b * rays.count + i]) * std::log(lambda);
  }
  return sum;
}

// Rays through a few thousand random objects whose open beam lets 20 to 2000 counts be expected, equally often in each octave.
Rays<float> low_count_rays(const Scene& scene, const std::vector<double>& high, std::mt19937_64& random) {
  constexpr std::size_t kObjects = 8000;
  const std::size_t bins = scene.bins(), materials = high.size();
  const Rays<float> objects(scene, kObjects, 1, std::vector<double>(materials), high, false, 0, random);
  Rays<float> rays(scene, 0, 1, high, high, false, 0, random);
  rays.count = kRays;
  for (auto* v : {&rays.counts, &rays.open}) v->resize(bins * kRays);
  rays.truth.resize(materials * kRays);
  rays.density.resize(materials * kRays);
  rays.covariance.resize(materials * (materials + 1) / 2 * kRays);
  rays.fate.assign(kRays, kSolved);
  std::uniform_real_distribution<double> octave(std::log(kFewest), std::log(kMost));
  for (std::size_t i = 0; i < kRays; ++i) {
    const std::size_t o = i % kObjects;
    for (std::size_t m = 0; m < materials; ++m) rays.truth[m * kRays + i] = objects.truth[m * kObjects + o];
    double sum = 0;
    for (std::size_t b = 0; b < bins; ++b) sum += static_cast<double>(objects.counts[b * kObjects + o]);
    const double scale = std::exp(octave(random)) / sum;
    for (std::size_t b = 0; b < bins; ++b) {
      rays.open[b * kRays + i] = static_cast<float>(scale * static_cast<double>(objects.open[b * kObjects + o]));
      std::poisson_distribution<long> draw(scale * static_cast<double>(objects.counts[b * kObjects + o]));
      rays.counts[b * kRays + i] = static_cast<float>(draw(random));
    }
  }
  return rays;
}

struct Outcome {
  std::size_t solved = 0, held = 0, failed = 0, above = 0;
  double worst = -1e300;  // relative excess over the truth's
};

Outcome outcome_of(const Scene& scene, const std::vector<double>& high, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const BinWeights w = scene.weights();
  const RayTables<float> tables(plan_rays(scene.attenuation, w), w, w, false);
  Rays<float> rays = low_count_rays(scene, high, random);
  RaySettings<float> settings;
  settings.tolerance = 1e-4F;
  settings.iterations = 50;
  auto solution = rays.solution();
  choose<SolveRays<float>>(kernel_baseline::solve_rays, kernel_avx2::solve_rays, kernel_avx512::solve_rays)(
      tables.system(), settings, rays.data(), solution);
  std::vector<double> excess(kRays);
  parallel_chunks(kRays, 1000, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const double truth = minus_log_likelihood(scene, w, rays, i, rays.truth_of(i));
      excess[i] = (minus_log_likelihood(scene, w, rays, i, rays.density_of(i)) - truth) / std::abs(truth);
    }
  });
  Outcome out;
  for (std::size_t i = 0; i < kRays; ++i) {
    if (rays.fate[i] == kFailed) {
      ++out.failed;
      continue;
    }
    ++(rays.fate[i] == kHeld ? out.held : out.solved);
    out.above += !(excess[i] <= 1e-5);
    out.worst = std::max(out.worst, excess[i]);
  }
  return out;
}

void expect_every_ray_at_its_optimum(const Scene& scene, const std::vector<double>& high, double largest_failed) {
  const Outcome o = outcome_of(scene, high, 2026);
  std::printf(
      "%zu materials, %zu bins, %zu rays of %.0f to %.0f counts: %zu above the truth's likelihood (worst %+.1e relative); "
      "%zu held by the ridge, %zu without a finite optimum\n",
      scene.materials(), scene.bins(), kRays, kFewest, kMost, o.above, o.worst, o.held, o.failed);
  EXPECT_EQ(o.above, 0U);
  EXPECT_LT(o.worst, 1e-5);
  EXPECT_EQ(o.solved + o.held + o.failed, kRays);
  EXPECT_LT(static_cast<double>(o.failed), largest_failed * static_cast<double>(kRays));
}

TEST(Optimum, of_two_materials_is_never_above_the_truth_at_20_to_2000_counts) {
  expect_every_ray_at_its_optimum(Scene({"water", "iodine"}, 8), {40, 0.1}, 1e-3);
}
TEST(Optimum, of_three_materials_is_never_above_the_truth_at_20_to_2000_counts) {
  expect_every_ray_at_its_optimum(Scene({"water", "calcium", "gadolinium"}, 8), {30, 2, 0.1}, 1e-3);
}

}  // namespace
}  // namespace counterflow
