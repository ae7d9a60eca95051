// ProxyDecomposition beside MaximumLikelihood on the same noisy rays.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>

#include "core/testing/counts_scan.h"
#include "core/testing/gadget_with.h"
#include "gadgets/decomposition/maximum_likelihood.h"
#include "gadgets/proxy_decomposition/proxy_decomposition.h"

namespace counterflow {
namespace {

using testing::Scenario;
using testing::SmallScan;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kRows = 10;
#else
constexpr std::size_t kRows = 108;
#endif
constexpr std::size_t kColumns = 96;

// Mean error and variance in units of the bound's deviation and variance, [material].
struct Statistics {
  std::vector<double> bias, variance;
  std::uint64_t failed = 0;
};

template <class G>
Statistics statistics(const SmallScan& scan, const std::vector<std::string>& materials, const Array<double, 3>& sigma) {
  const auto gadget = testing::gadget_with<G>({{"materials", joined(materials, " ")}});
  const auto p = gadget.initial(scan.header);
  const auto state = gadget.begin(p, scan.header);
  const auto y = gadget.forward(p, state, testing::converted<float>(scan.x));
  Statistics s;
  for (std::size_t m = 0; m < materials.size(); ++m) {
    double sum = 0, squares = 0;
    const auto rays = static_cast<double>(y.areal_density.block(m).size());
    for (std::size_t i = 0; i < y.areal_density.block(m).size(); ++i) {
      const double e = (static_cast<double>(y.areal_density.block(m)[i]) - scan.truth.block(m)[i]) / sigma.block(m)[i];
      sum += e / rays;
      squares += e * e / rays;
    }
    s.bias.push_back(sum);
    s.variance.push_back(squares - sum * sum);
  }
  s.failed = gadget.report(state)[0].count;
  return s;
}

// Deviation by the bound at the truth, and the mean counts of a ray and of its weakest bin.
struct Bound {
  Array<double, 3> sigma;
  double counts = 0, weakest = 0;
};
Bound bound_of(const SmallScan& scan, const std::vector<std::string>& materials) {
  const CountsModel model(scan.header.system, materials);
  Bound out{Array<double, 3>(scan.truth.shape())};
  std::vector<double> scale(model.bins()), a(materials.size());
  const std::size_t rays = kRows * kColumns;
  std::vector<double> mean(model.bins());
  for (std::size_t i = 0; i < rays; ++i) {
    for (std::size_t b = 0; b < scale.size(); ++b)
      scale[b] = scan.x.view.exposure * scan.x.open_beam->block(b)[i] / model.nominal().total[b];
    for (std::size_t m = 0; m < a.size(); ++m) a[m] = scan.truth.block(m)[i];
    std::vector<double> background;
    for (std::size_t b = 0; b < scale.size() && !scan.x.background.empty(); ++b)
      background.push_back(scan.x.background.block(b)[i]);
    const RayModel ray = model.ray(model.nominal(), scale, background, a);
    const auto bound = cramer_rao_bound(ray);
    for (std::size_t m = 0; m < a.size(); ++m) out.sigma.block(m)[i] = std::sqrt(bound(m, m));
    for (std::size_t b = 0; b < mean.size(); ++b) mean[b] += ray.lambda[b] / static_cast<double>(rays);
  }
  out.weakest = mean[0];
  for (double counts : mean) {
    out.counts += counts;
    out.weakest = std::min(out.weakest, counts);
  }
  return out;
}

void compare(Scenario s, const std::vector<double>& totals) {
  for (const double total : totals) {
    s.total = total;
    s.same_ray = true;
    const SmallScan scan = testing::small_scan(s, 11, kRows, kColumns);
    const Bound bound = bound_of(scan, s.materials);
    const Statistics proxy = statistics<ProxyDecomposition<float>>(scan, s.materials, bound.sigma),
                     likelihood = statistics<MaximumLikelihood<float>>(scan, s.materials, bound.sigma);
    std::printf("%-26s %9.0f %8.1f |", joined(s.materials, " ").c_str(), bound.counts, bound.weakest);
    for (const Statistics& of : {proxy, likelihood}) {
      for (double b : of.bias) std::printf(" %+.3f", b);
      std::printf(" |");
      for (double v : of.variance) std::printf(" %.3f", v);
      std::printf(" | %llu |", static_cast<unsigned long long>(of.failed));
    }
    std::printf("\n");
    for (std::size_t m = 0; m < s.materials.size() && bound.weakest > 5; ++m) {
      EXPECT_LT(proxy.variance[m], 1.02 * likelihood.variance[m] + 0.02);
      EXPECT_LT(std::abs(proxy.bias[m]), std::abs(likelihood.bias[m]) + 0.05);
      EXPECT_EQ(proxy.failed, 0u);
    }
  }
}

TEST(ProxyDecomposition, is_as_efficient_as_the_likelihood_where_bins_count_a_few_photons) {
  std::printf("materials, counts, weakest bin | proxy: bias [sigma] | variance / bound | failed | likelihood: the same\n");
  const std::vector<double> totals = {1e6, 2e4, 5e3};
  compare({.low = {20, 0.02}, .high = {20, 0.02}}, {1e7, 1e6, 1e5, 2e4, 5e3});
  compare({.low = {5, 0}, .high = {5, 0}}, totals);
  compare({.low = {35, 0.05}, .high = {35, 0.05}}, totals);
  compare({.low = {20, 0.02}, .high = {20, 0.02}, .scatter = 0.3}, totals);
  compare({.materials = {"adipose", "bone"}, .low = {15, 2}, .high = {15, 2}, .bins = 3}, totals);
  compare({.materials = {"water", "calcium", "gadolinium"}, .low = {15, 0.5, 0.02}, .high = {15, 0.5, 0.02}, .bins = 8}, totals);
}

}  // namespace
}  // namespace counterflow
