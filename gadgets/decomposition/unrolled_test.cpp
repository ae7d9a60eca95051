// The unrolled adjoint: the derivative of the steps that were taken, whether or not they arrived.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "core/testing/refusal.h"
#include "gadgets/decomposition/test_adjoint_cases.h"

namespace counterflow {
namespace {

using testing::adjoint_error;
using testing::changed;
using testing::kThree;
using testing::kTwo;
using testing::Scenario;
using testing::SmallScan;
using Case = testing::AdjointCase;
using Gadget = MaximumLikelihood<double>;

Case unrolled(Case c, const testing::Settings& more = {}) {
  c.settings.insert(more.begin(), more.end());
  c.settings["adjoint"] = "unrolled";
  return c;
}
// Stopped after `start` evaluations on few energies and `steps` Newton steps on all.
Case unfinished(const Case& c, int start, int steps) {
  return unrolled(c,
                  {{"unfinished", "keep"}, {"start_iterations", std::to_string(start)}, {"iterations", std::to_string(steps)}});
}

TEST(UnrolledAdjoint, agrees_with_differences) {
  for (const Case& given : testing::adjoint_cases()) {
    const auto error = adjoint_error<Gadget>(unrolled(given), 11);
    std::printf("%-60s %.1e\n", given.name.c_str(), error.value);
    EXPECT_LT(error.value, 1e-8) << given.name << ": " << error.block;
    EXPECT_GT(error.value, 0) << given.name;
  }
}

TEST(UnrolledAdjoint, agrees_with_differences_of_what_unfinished_searches_give) {
  for (const Case& given : testing::adjoint_cases())
    for (const auto& [start, steps] : {std::pair{0, 1}, {0, 3}, {3, 1}}) {
      const auto error = adjoint_error<Gadget>(unfinished(given, start, steps), 11, 1e-4);
      std::printf("%-60s %d + %d steps %.1e\n", given.name.c_str(), start, steps, error.value);
      EXPECT_LT(error.value, 1e-8) << given.name << ": " << error.block << " after " << start << " + " << steps << " steps";
      EXPECT_GT(error.value, 0) << given.name;
    }
}

// The adjoint of another gadget than the one that went forth.
template <const testing::Settings& kOther>
struct AdjointOf : Gadget {
  In adjoint(const None& p, const State& state, const In& x, const Out& y, const Out& y_bar, None& p_bar) const {
    return testing::gadget_with<Gadget>(testing::Settings(kOther)).adjoint(p, state, x, y, y_bar, p_bar);
  }
};
const testing::Settings kImplicit{{"tolerance", "0.1"}};  // generous: takes where the search stood for an optimum
const testing::Settings kOneStepMore{
    {"adjoint", "unrolled"}, {"unfinished", "keep"}, {"start_iterations", "0"}, {"iterations", "3"}, {"tolerance", "1e-9"}};

TEST(UnrolledAdjoint, others_of_an_unfinished_search_are_wrong) {
  const Case c = unfinished({"", changed(kTwo, [&](Scenario& s) { s.scatter = 0.15, s.shift_rows = 1; }), {}}, 0, 2);
  const double right = adjoint_error<Gadget>(c, 5, 1e-4).value, implicit = adjoint_error<AdjointOf<kImplicit>>(c, 5, 1e-4).value,
               more = adjoint_error<AdjointOf<kOneStepMore>>(c, 5, 1e-4).value;
  std::printf("after two steps: unrolled %.1e, implicit %.1e, unrolled with a third step %.1e\n", right, implicit, more);
  EXPECT_LT(right, 1e-8);
  EXPECT_GT(implicit, 1e-6);
  EXPECT_GT(more, 1e-6);
}

struct ThresholdsSwapped : Gadget {
  In adjoint(const None& p, const State& state, const In& x, const Out& y, const Out& y_bar, None& p_bar) const {
    In x_bar = Gadget::adjoint(p, state, x, y, y_bar, p_bar);
    std::ranges::swap_ranges(x_bar.threshold_shift.block(1), x_bar.threshold_shift.block(2));
    return x_bar;
  }
};

TEST(UnrolledAdjoint, wrong_ones_show) {
  for (const Scenario& base : {kTwo, kThree}) {
    const Case c = unrolled({"", changed(base, [](Scenario& s) { s.scatter = 0.15, s.shift_rows = 1; }), {}});
    EXPECT_LT(adjoint_error<Gadget>(c, 5).value, 1e-8);
    EXPECT_GT(adjoint_error<testing::CountsScaled>(c, 5).value, 1e-6);
    EXPECT_GT(adjoint_error<ThresholdsSwapped>(c, 5).value, 1e-6);
  }
}

TEST(UnrolledAdjoint, unfinished_searches_are_reported_and_have_no_implicit_one) {
  const SmallScan scan = testing::small_scan({}, 4);
  const auto gadget = testing::gadget_with<Gadget>(
      {{"adjoint", "unrolled"}, {"unfinished", "keep"}, {"start_iterations", "0"}, {"iterations", "1"}});
  const auto state = gadget.begin({}, scan.header);
  const auto y = gadget.forward({}, state, scan.x);
  const auto remarks = gadget.report(state);
  const auto found = std::ranges::find(remarks, "rays left unfinished", &Remark::text);
  ASSERT_NE(found, remarks.end());
  EXPECT_EQ(found->count, 24u);
  EXPECT_THAT(testing::refusal([&] {
                testing::gadget_with<Gadget>({{"unfinished", "keep"}}).begin({}, scan.header);
              }),
              ::testing::HasSubstr("set adjoint to unrolled"));
}

TEST(UnrolledAdjoint, failed_rays_have_none) {
  SmallScan scan = testing::small_scan(changed(kTwo, [](Scenario& s) { s.scatter = 0.1, s.shift_rows = 1; }), 3);
  for (std::size_t b = 0; b < 5; ++b) scan.x.counts(b, 1, 4) = 0;
  const Gadget gadget = testing::gadget_with<Gadget>({{"adjoint", "unrolled"}});
  const auto state = gadget.begin({}, scan.header);
  const auto y = gadget.forward({}, state, scan.x);
  auto y_bar = zero_like(y);
  y_bar.areal_density(0, 1, 4) = y_bar.areal_density(1, 1, 4) = 1;
  None none;
  const auto x_bar = gadget.adjoint(none, state, scan.x, y, y_bar, none);
  Counts<double>::each(x_bar, [](auto, const auto& block) {
    for (double v : block) EXPECT_EQ(v, 0);
  });
  y_bar.areal_density(0, 1, 5) = 1;
  EXPECT_NE(gadget.adjoint(none, state, scan.x, y, y_bar, none).counts(0, 1, 5), 0);
}

}  // namespace
}  // namespace counterflow
