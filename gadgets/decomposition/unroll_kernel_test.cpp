// The unrolled adjoint of many rays, ray by ray: those of few counts take Fisher's matrix, cut and halve steps, meet bounds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "core/kernel.h"
#include "gadgets/decomposition/test_scene.h"

namespace counterflow {
namespace {

using testing::Rays;
using testing::Scene;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kRays = 256;
#else
constexpr std::size_t kRays = 1024;
#endif

struct Case {
  std::vector<std::string> materials;
  std::vector<double> high;
};
const std::vector<Case> kCases = {{{"water", "iodine"}, {30, 0.1}}, {{"water", "calcium", "iodine"}, {20, 1, 0.1}}};

// Rays, their search and its adjoints.
template <class Real>
struct Trial {
  Scene scene;
  RayTables<Real> tables;
  std::mt19937_64 random{3};
  Rays<Real> rays;
  RaySettings<Real> settings;
  std::vector<Real> bar;
  Isa isa = best_isa();

  Trial(const Case& c, double total, Real tolerance, std::size_t iterations)
      : scene(c.materials, 6),
        tables(plan_rays(scene.attenuation, scene.weights()), scene.weights(), scene.weights(), false),
        rays(scene, kRays, total, std::vector<double>(c.high.size()), c.high, true, 0.1, random),
        bar(rays.density.size()) {
    for (Real& y : rays.counts) y += static_cast<Real>(0.5);  // so that every ray has counts
    settings.tolerance = tolerance;
    settings.iterations = iterations;
    for (std::size_t i = 0; i < bar.size(); ++i)
      bar[i] = static_cast<Real>(std::normal_distribution<>()(random)) / tables.system().unit[i / rays.count];
  }
  void solve(Rays<Real>& of) const {
    auto solution = of.solution();
    choose<SolveRays<Real>>(kernel_baseline::solve_rays, kernel_avx2::solve_rays, kernel_avx512::solve_rays, isa)(
        tables.system(), settings, of.data(), solution);
  }
  struct Bars {
    std::vector<Real> counts, background;
  };
  // `replayed`: what the way back found on its way forth.
  Bars unroll(Rays<Real>& replayed) const {
    Bars b{rays.counts, rays.counts};
    std::vector<Real> tape((kStartIterations + 2 * settings.iterations) * kTapeChannels * kRayBlock);
    auto solution = replayed.solution();
    choose<UnrollRays<Real>>(kernel_baseline::unroll_rays, kernel_avx2::unroll_rays, kernel_avx512::unroll_rays, isa)(
        tables.system(), settings, replayed.data(), solution, {bar.data(), b.counts.data(), b.background.data(), nullptr},
        tape.data());
    return b;
  }
  Bars implicit(Rays<Real>& of) const {
    Bars b{rays.counts, rays.counts};
    choose<AdjointRays<Real>>(kernel_baseline::adjoint_rays, kernel_avx2::adjoint_rays, kernel_avx512::adjoint_rays, isa)(
        tables.system(), settings, of.data(), of.solution(), {bar.data(), b.counts.data(), b.background.data(), nullptr});
    return b;
  }
};

template <class Real>
void expect_same_bits(Trial<Real> t) {
  Rays<Real> replayed = t.rays;
  t.unroll(replayed);
  t.solve(t.rays);
  ASSERT_EQ(t.rays.fate, replayed.fate);
  for (std::size_t i = 0; i < t.bar.size(); ++i)
    if (t.rays.fate[i % kRays] != kFailed) {
      ASSERT_EQ(t.rays.density[i], replayed.density[i]);
    }
}

TEST(UnrollKernel, takes_the_steps_of_the_search_to_the_same_bits) {
  for (Isa isa : available_isas())
    for (const Case& c : kCases)
      for (int kind = 0; kind < 4; ++kind) {
        const auto check = [&]<class Real>(Real tolerance) {
          Trial<Real> t(c, 100, tolerance, kind < 2 ? 50 : 2);
          t.isa = isa;
          t.settings.non_negative = kind % 2 == 1;
          t.settings.keep_unfinished = kind > 1;
          expect_same_bits(t);
        };
        check(1e-9);
        check(1e-4F);
      }
}

// Sorted over rays: |a - b| in units of the largest of b.
template <class Real>
std::vector<double> differences(const Trial<Real>& t, const std::vector<Real>& a, const std::vector<Real>& b) {
  std::vector<double> found;
  for (std::size_t i = 0; i < kRays; ++i) {
    double most = 1e-300, off = 0;
    for (std::size_t k = i; k < a.size(); k += kRays) {
      most = std::max(most, std::abs(static_cast<double>(b[k])));
      off = std::max(off, std::abs(static_cast<double>(a[k] - b[k])));
    }
    if (t.rays.fate[i] != kFailed) found.push_back(off / most);
  }
  std::ranges::sort(found);
  return found;
}

TEST(UnrollKernel, equals_the_implicit_adjoint_where_the_search_has_arrived) {
  for (const Case& c : kCases)
    for (double total : {1e3, 1e5, 1e7})
      for (bool non_negative : {false, true}) {
        Trial<double> t(c, total, 1e-13, 50);
        t.settings.non_negative = non_negative;
        Rays<double> replayed = t.rays;
        const auto unrolled = t.unroll(replayed);
        t.solve(t.rays);
        const auto implicit = t.implicit(t.rays);
        for (const auto& [e, what] : {std::pair{differences(t, unrolled.counts, implicit.counts), "counts"},
                                      {differences(t, unrolled.background, implicit.background), "background"}}) {
          std::printf("%zu materials, %.0e counts, bounds %d, %s: median %.1e, 99 %% %.1e, worst %.1e; held %td\n",
                      c.materials.size(), total, non_negative, what, e[e.size() / 2], e[e.size() * 99 / 100], e.back(),
                      std::ranges::count(t.rays.fate, kHeld));
          EXPECT_LT(e.back(), 1e-8);
          EXPECT_GT(e[e.size() / 2], 0);
        }
      }
}

// Sorted relative errors against differences of rays whose differences do not change with their step: where none of the moved
// searches decided otherwise.
std::vector<double> errors(Trial<double>& t) {
  Rays<double> replayed = t.rays;
  const auto bars = t.unroll(replayed);
  std::vector<double> moves(2 * t.rays.counts.size());
  for (double& d : moves) d = std::normal_distribution<>()(t.random);
  const std::size_t n = t.rays.counts.size();
  const auto at = [&](double h) {
    Rays<double> moved = t.rays;
    for (std::size_t k = 0; k < n; ++k) {
      moved.counts[k] *= 1 + h * moves[k];
      moved.background[k] *= 1 + h * moves[n + k];
    }
    t.solve(moved);
    std::vector<double> phi(kRays);
    for (std::size_t k = 0; k < t.bar.size(); ++k) phi[k % kRays] += t.bar[k] * moved.density[k];
    return phi;
  };
  const double h = 1e-5;
  const auto up = at(h), down = at(-h), half_up = at(h / 2), half_down = at(-h / 2);
  std::vector<double> found;
  for (std::size_t i = 0; i < kRays; ++i) {
    if (replayed.fate[i] == kFailed) continue;
    const double coarse = (up[i] - down[i]) / (2 * h), fine = (half_up[i] - half_down[i]) / h;
    double sum = 0, terms = 0;
    for (std::size_t k = i; k < n; k += kRays)
      for (double term :
           {bars.counts[k] * t.rays.counts[k] * moves[k], bars.background[k] * t.rays.background[k] * moves[n + k]}) {
        sum += term;
        terms += std::abs(term);
      }
    if (std::abs(coarse - fine) < 1e-6 * terms) found.push_back(std::abs(sum - (4 * fine - coarse) / 3) / terms);
  }
  std::ranges::sort(found);
  return found;
}

TEST(UnrollKernel, is_the_derivative_of_searches_of_few_counts_that_stop_early) {
  for (const Case& c : kCases)
    for (double total : c.high.size() == 2 ? std::vector{300., 1e4} : std::vector{1e5, 1e6})
      for (std::size_t steps : {1, 2, 3})
        for (bool non_negative : {false, true}) {
          Trial<double> t(c, total, 1e-10, steps);
          t.settings.start_iterations = 3 - steps;
          t.settings.non_negative = non_negative;
          t.settings.keep_unfinished = true;
          const auto e = errors(t);
          std::printf("%zu materials, %.0e counts, %zu steps, bounds %d: %zu rays, median %.1e, 99 %% %.1e, worst %.1e\n",
                      c.materials.size(), total, steps, non_negative, e.size(), e[e.size() / 2], e[e.size() * 99 / 100],
                      e.back());
          EXPECT_GT(e.size(), kRays * 9 / 10);
          EXPECT_LT(e.back(), 1e-8);
        }
}

}  // namespace
}  // namespace counterflow
