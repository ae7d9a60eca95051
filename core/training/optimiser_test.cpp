#include "core/training/optimiser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace counterflow {
namespace {

using ::testing::HasSubstr;

// sum over units of a stiff quadratic with a quartic, minimum at (1, 2, 3, ...); no number beyond a wall, where there is one.
class Valley final : public Problem {
 public:
  explicit Valley(std::size_t n, double wall = std::numeric_limits<double>::infinity()) : n_(n), wall_(wall) {}
  std::size_t evaluations = 0, products = 0;

  std::size_t size() const override { return n_; }
  std::size_t units() const override { return 4; }
  LossEvaluation evaluate(std::span<const double> u, std::span<const std::size_t>) override {
    ++evaluations;
    LossEvaluation e;
    e.gradient.resize(n_);
    for (std::size_t i = 0; i < n_; ++i) {
      const double r = u[i] - static_cast<double>(i + 1), k = stiffness(i);
      e.loss += k * r * r / 2 + r * r * r * r / 4;
      e.gradient[i] = k * r + r * r * r;
      if (std::abs(u[i]) > wall_) e.loss = std::numeric_limits<double>::quiet_NaN();
    }
    e.losses = {e.loss};
    return e;
  }
  std::vector<double> curvature(std::span<const double> u, std::span<const double> v) override {
    ++products;
    std::vector<double> out;
    for (std::size_t i = 0; i < n_; ++i) {
      const double r = u[i] - static_cast<double>(i + 1);
      out.push_back((stiffness(i) + 3 * r * r) * v[i]);
    }
    return out;
  }

 private:
  static double stiffness(std::size_t i) { return std::pow(10., static_cast<double>(i % 4)); }
  std::size_t n_;
  double wall_;
};

std::unique_ptr<Optimiser> made(const std::string& name, const std::map<std::string, std::string>& settings = {}) {
  OptimiserText text{name, {}};
  for (const auto& [key, value] : settings) text.settings[key] = {value, "chain.xml:9"};
  return make_optimiser(text);
}

std::vector<double> solved(
    Optimiser& method, Problem& problem, const OnStep& on_step = [](const Step&) { return true; }) {
  return method.minimise(problem, std::vector<double>(problem.size(), 0.0), on_step);
}

struct Method {
  const char* name;
  std::map<std::string, std::string> settings;
  double error;
};
const Method kMethods[] = {
    {"lbfgs", {{"tolerance", "1e-9"}, {"decrease", "0"}}, 1e-6},
    {"lbfgs", {{"tolerance", "1e-9"}, {"decrease", "0"}, {"probes", "2"}}, 1e-6},
    {"gauss-newton", {{"iterations", "40"}, {"tolerance", "1e-9"}, {"decrease", "0"}}, 1e-6},
    {"gauss-newton", {{"iterations", "40"}, {"tolerance", "1e-9"}, {"decrease", "0"}, {"probes", "2"}}, 1e-6},
    {"adam", {{"iterations", "2000"}, {"rate", "0.1"}, {"last_rate", "0.0001"}}, 1e-2}};

TEST(Optimiser, each_method_finds_the_minimum) {
  for (const Method& m : kMethods) {
    Valley valley(7);
    const auto method = made(m.name, m.settings);
    std::size_t steps = 0;
    const auto u = solved(*method, valley, [&](const Step& s) { return s.number == ++steps; });
    for (std::size_t i = 0; i < u.size(); ++i) EXPECT_NEAR(u[i], static_cast<double>(i + 1), m.error) << m.name;
    EXPECT_GT(steps, 3U) << m.name;
  }
}

TEST(Optimiser, a_resumed_search_ends_with_the_same_bits_and_asks_no_step_twice) {
  for (const Method& m : kMethods) {
    Valley whole(7), first(7), rest(7);
    const auto uninterrupted = solved(*made(m.name, m.settings), whole);
    const auto begun = made(m.name, m.settings);
    std::vector<double> state;
    std::size_t steps = 0;
    solved(*begun, first, [&](const Step&) {
      state = begun->state();
      return ++steps < 6;
    });
    const auto resumed = made(m.name, m.settings);
    resumed->resume(state);
    EXPECT_EQ(solved(*resumed, rest), uninterrupted) << m.name;
    EXPECT_LE(first.evaluations + rest.evaluations, whole.evaluations + 1) << m.name;
    EXPECT_LE(first.products + rest.products, whole.products) << m.name;
  }
}

TEST(Optimiser, probes_make_a_narrow_valley_round) {
  struct Narrow final : Problem {  // curvatures from 1e-3 to 1e3, neighbours coupled
    std::size_t evaluations = 0;
    std::size_t size() const override { return 30; }
    std::size_t units() const override { return 1; }
    LossEvaluation evaluate(std::span<const double> u, std::span<const std::size_t>) override {
      ++evaluations;
      std::vector<double> r(u.begin(), u.end());
      for (double& v : r) v -= 1;
      LossEvaluation e;
      e.gradient = curvature(u, r);
      for (std::size_t i = 0; i < 30; ++i) e.loss += r[i] * e.gradient[i] / 2;
      return e;
    }
    std::vector<double> curvature(std::span<const double>, std::span<const double> v) override {
      std::vector<double> out(30);
      for (std::size_t i = 0; i < 30; ++i) {
        const double s = std::pow(10., static_cast<double>(7 * i % 30) / 10 - 1.5);
        const double t = std::pow(10., static_cast<double>(7 * ((i + 1) % 30) % 30) / 10 - 1.5);
        out[i] += s * s * v[i] + 0.4 * s * t * v[(i + 1) % 30];
        out[(i + 1) % 30] += 0.4 * s * t * v[i];
      }
      return out;
    }
  };
  const std::map<std::string, std::string> exact{{"iterations", "1000"}, {"tolerance", "1e-8"}, {"decrease", "0"}};
  auto with_probes = exact;
  with_probes["probes"] = "8";
  Narrow as_it_is, round;
  solved(*made("lbfgs", exact), as_it_is);
  const auto u = solved(*made("lbfgs", with_probes), round);
  for (double v : u) EXPECT_NEAR(v, 1, 1e-3);
  EXPECT_LT(3 * round.evaluations, as_it_is.evaluations);
}

TEST(Optimiser, a_state_without_its_scales_is_refused) {
  for (const std::vector<double>& state : {std::vector<double>{}, {3, 1, 1}, {-1, 0}, {1e300}, {NAN, 0}}) {
    const auto method = made("lbfgs", {{"probes", "2"}});
    EXPECT_THROW(method->resume(state), ArchiveError);
  }
}

TEST(Optimiser, a_step_to_no_number_is_refused_and_told) {
  for (const Method& m : kMethods) {
    const bool adam = std::string(m.name) == "adam";
    Valley valley(3, adam ? 4 : 3.0001);  // the minimum lies just before the wall
    auto settings = m.settings;
    if (adam) settings["rate"] = "5";
    std::string remarks;
    const auto u = solved(*made(m.name, settings), valley, [&](const Step& s) {
      remarks += s.remark;
      EXPECT_TRUE(std::isfinite(s.at.loss));
      return true;
    });
    EXPECT_NEAR(u[2], 3, 0.05) << m.name;
    if (std::string(m.name) != "gauss-newton") {
      EXPECT_THAT(remarks, HasSubstr("refused and halved")) << m.name;
    }
  }
}

TEST(Optimiser, a_start_that_is_no_number_is_an_error) {
  for (const Method& m : kMethods) {
    Valley valley(3, -1);
    EXPECT_THROW(solved(*made(m.name, m.settings), valley), DataError) << m.name;
  }
}

TEST(Optimiser, an_error_of_the_problem_comes_through) {
  struct Broken final : Problem {
    std::size_t size() const override { return 2; }
    std::size_t units() const override { return 1; }
    LossEvaluation evaluate(std::span<const double>, std::span<const std::size_t>) override {
      throw GadgetError("view 7 is bad");
    }
    std::vector<double> curvature(std::span<const double>, std::span<const double>) override {
      throw GadgetError("view 7 is bad");
    }
  } broken;
  for (const Method& m : kMethods) EXPECT_THROW(solved(*made(m.name, m.settings), broken), GadgetError) << m.name;
}

TEST(Optimiser, adam_takes_every_unit_equally_often) {
  struct Counting final : Problem {
    std::vector<int> seen = std::vector<int>(5);
    std::size_t size() const override { return 1; }
    std::size_t units() const override { return seen.size(); }
    LossEvaluation evaluate(std::span<const double>, std::span<const std::size_t> units) override {
      for (std::size_t k : units) ++seen[k];
      return {.loss = 1, .prior = 0, .losses = {}, .gradient = {0.1}};
    }
    std::vector<double> curvature(std::span<const double>, std::span<const double>) override { return {}; }
  } counting;
  solved(*made("adam", {{"iterations", "15"}, {"batch", "2"}}), counting);
  EXPECT_EQ(counting.seen, std::vector<int>(5, 6));
}

TEST(Optimiser, wrong_settings_are_refused) {
  const auto refusal = [](const std::string& name, const std::map<std::string, std::string>& settings) {
    try {
      made(name, settings);
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_THAT(refusal("lbgfs", {}), HasSubstr("did you mean 'lbfgs'?"));
  EXPECT_THAT(refusal("lbfgs", {{"iteration", "3"}}), HasSubstr("did you mean 'iterations'?"));
  EXPECT_THAT(refusal("adam", {{"rate", "0"}}), HasSubstr("got '0'"));
}

}  // namespace
}  // namespace counterflow
