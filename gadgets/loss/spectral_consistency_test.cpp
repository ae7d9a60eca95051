#include "gadgets/loss/spectral_consistency.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/testing/gradient_check.h"
#include "core/testing/refusal.h"

namespace counterflow {
namespace {

using ::testing::HasSubstr;
using testing::refusal;

std::vector<PathLengths<double>> views(std::size_t bins, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::vector<PathLengths<double>> out(4);
  for (std::size_t v = 0; v < out.size(); ++v) {
    out[v].view.index = v;
    out[v].areal_density = Array<double, 3>({2, 5, 7});
    out[v].residual = Array<double, 3>({bins, 5, 7});
    for (double& d : out[v].residual) d = normal(random);
  }
  return out;
}

TEST(SpectralConsistency, is_the_mean_square_per_degree_of_freedom) {
  const SpectralConsistency<double> loss;
  auto state = loss.begin({}, {});
  double sum = 0, n = 0;
  for (const auto& x : views(5, 1)) {
    loss.consume(state, x);
    for (double d : x.residual) sum += d * d, n += 3. / 5;
  }
  EXPECT_NEAR(loss.loss(state), sum / n, 1e-12);
  loss.restart({}, state);
  EXPECT_EQ(loss.loss(state), 0);
}

struct Doubled : SpectralConsistency<double> {
  In adjoint(const State& state, const In& x) const {
    In bar = SpectralConsistency<double>::adjoint(state, x);
    for (double& v : bar.residual) v *= 1.0001;
    return bar;
  }
};

TEST(SpectralConsistency, has_the_gradient_of_its_differences) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    EXPECT_LT(testing::sink_adjoint_error(SpectralConsistency<double>(), {}, views(5, seed), seed, [](auto&) {}).value, 1e-8);
    EXPECT_GT(testing::sink_adjoint_error(Doubled(), {}, views(5, seed), seed, [](auto&) {}).value, 1e-6);
  }
}

TEST(SpectralConsistency, what_has_no_residual_to_see_is_refused) {
  const SpectralConsistency<double> loss;
  auto state = loss.begin({}, {});
  auto x = views(5, 1)[3];
  x.residual = {};
  EXPECT_THAT(refusal<DataError>([&] { loss.consume(state, x); }), HasSubstr("view 3 has no residual; set residual to true"));
  EXPECT_THAT(refusal<DataError>([&] { loss.consume(state, views(2, 1)[0]); }), HasSubstr("expected more bins than materials"));
}

}  // namespace
}  // namespace counterflow
