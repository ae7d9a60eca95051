// The checker is checked: it passes a right adjoint and sees each kind of wrong one.
#include "core/testing/gradient_check.h"

#include <gtest/gtest.h>

#include <cmath>

namespace counterflow::testing {
namespace {

enum class Fault { none, scaled, zero, swapped_bins, forgotten_parameter, wrong_shape };

// y[b,i] = p[b] x[b,i]^2 / 1000, and the background as it came; the adjoint has a fault.
template <Fault kFault>
struct Square {
  using In = Counts<double>;
  using Out = Counts<double>;
  struct Params {
    std::vector<double> factor;  // [bin]
    template <class Self, class Visitor>
    static void each(Self& self, Visitor&& visit) {
      visit("factor", self.factor);
    }
  };
  using State = None;
  State begin(const Params&, const ScanHeader&) const { return {}; }
  Out forward(const Params& p, const State&, const In& x) const {
    Out y = x;
    for (std::size_t b = 0; b < p.factor.size(); ++b)
      for (double& v : y.counts.block(b)) v *= p.factor[b] * v / 1000;
    return y;
  }
  In adjoint(const Params& p, const State&, const In& x, const Out&, const Out& y_bar, Params& p_bar) const {
    In x_bar = y_bar;
    const std::size_t bins = p.factor.size();
    for (std::size_t b = 0; b < bins; ++b) {
      const std::size_t from = kFault == Fault::swapped_bins ? bins - 1 - b : b;
      const auto v = x.counts.block(b), bar = y_bar.counts.block(from);
      const auto out = x_bar.counts.block(b);
      for (std::size_t i = 0; i < v.size(); ++i) {
        out[i] = 2 * p.factor[b] * v[i] * bar[i] / 1000;
        if (kFault == Fault::scaled) out[i] *= 1 + 1e-4;
        if (kFault == Fault::zero) out[i] = 0;
        if (kFault != Fault::forgotten_parameter) p_bar.factor[b] += v[i] * v[i] / 1000 * y_bar.counts.block(b)[i];
      }
    }
    if (kFault == Fault::wrong_shape) x_bar.counts = Array<double, 3>({1, 1, 1});
    return x_bar;
  }
};

// Worst and best error over seeds.
template <Fault kFault>
std::pair<double, double> errors() {
  std::pair<double, double> range{0, 1e300};
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937_64 random(seed + 100);
    std::uniform_real_distribution<double> uniform(100, 1000);
    Counts<double> x;
    x.counts = Array<double, 3>({3, 5, 7});
    x.background = Array<double, 3>({3, 5, 7});
    for (double& v : x.counts) v = uniform(random);
    for (double& v : x.background) v = uniform(random);
    const Square<kFault> gadget;
    const double error = map_adjoint_error(gadget, {}, typename Square<kFault>::Params{{0.5, 1.5, -2}}, x, seed).value;
    range = {std::max(range.first, error), std::min(range.second, error)};
  }
  return range;
}

TEST(GradientCheck, a_right_adjoint_passes_by_far) { EXPECT_LT(errors<Fault::none>().first, 1e-10); }
TEST(GradientCheck, a_hundredth_of_a_per_cent_is_seen_with_every_seed) { EXPECT_GT(errors<Fault::scaled>().second, 1e-7); }
TEST(GradientCheck, a_zero_gradient_is_no_gradient) { EXPECT_GT(errors<Fault::zero>().second, 0.5); }
TEST(GradientCheck, bins_that_leak_into_each_other_are_seen) { EXPECT_GT(errors<Fault::swapped_bins>().second, 1e-3); }
TEST(GradientCheck, a_forgotten_parameter_is_seen) { EXPECT_GT(errors<Fault::forgotten_parameter>().second, 0.5); }
TEST(GradientCheck, a_cotangent_of_another_shape_is_seen) { EXPECT_GT(errors<Fault::wrong_shape>().second, 1); }

}  // namespace
}  // namespace counterflow::testing
