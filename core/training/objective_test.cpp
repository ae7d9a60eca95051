#include "core/training/objective.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/training/test_training.h"

namespace counterflow {
namespace {

using namespace training_testing;
using ::testing::HasSubstr;

const std::string kTrained = "<parameter gadget=\"gain\" weight=\"0.01\"/><parameter gadget=\"fold\"/>";

template <class Real>
struct Made {
  Chain<Real> chain;
  ParameterSpace space;
  Workers workers;
  Team team;
  Objective<Real> objective;
  Made(std::size_t scans, int threads, ObjectiveSettings settings, const std::string& parameters = kTrained)
      : chain(chain_of<Real>(parameters)),
        space(chain, toy_header(), initial_parameters(chain, toy_header())),
        workers(threads),
        objective(chain, toy_scans<Real>(scans), space, workers, settings, team, nullptr) {}
};

std::vector<double> somewhere(std::size_t n) {
  std::vector<double> u;
  for (std::size_t i = 0; i < n; ++i) u.push_back(0.3 * std::sin(1.7 * static_cast<double>(i) + 1));
  return u;
}

TEST(Objective, gradient_agrees_with_differences) {
  for (std::size_t block : {0, 2}) {
    Made<double> m(2, 2, {.memory = 1 << 30, .rows_per_block = block});
    EXPECT_EQ(m.objective.units(), block == 0 ? 2U : 4U);
    const auto u = somewhere(m.space.size());
    const LossEvaluation at = m.objective.evaluate(u, {});
    ASSERT_EQ(at.losses.size(), 2U);
    EXPECT_NEAR(at.loss, at.losses[0] + 0.5 * at.losses[1] + at.prior, 1e-12 * at.loss);
    for (std::size_t i = 0; i < u.size(); ++i) {
      const auto loss = [&](double t) {
        auto moved = u;
        moved[i] += t;
        return m.objective.evaluate(moved, {}).loss;
      };
      const auto central = [&](double h) { return (loss(h) - loss(-h)) / (2 * h); };
      const double numeric = (4 * central(5e-3) - central(1e-2)) / 3;
      EXPECT_NEAR(at.gradient[i] / numeric, 1, 1e-7) << i;
    }
  }
}

TEST(Objective, has_the_same_bits_for_any_threads_and_for_keep_and_recompute) {
  const auto result = [](int threads, std::size_t memory) {
    Made<float> m(3, threads, {.memory = memory, .rows_per_block = 2});
    EXPECT_EQ(m.objective.tape(), memory == 0 ? Tape::recompute : Tape::keep);
    const auto u = somewhere(m.space.size());
    m.objective.evaluate(u, {});
    LossEvaluation e = m.objective.evaluate(u, {});  // again: nothing is left of the first
    e.gradient.push_back(e.loss);
    return e.gradient;
  };
  const auto one = result(1, 1 << 30);
  for (int threads : {1, 2, 4})
    for (std::size_t memory : {std::size_t{0}, std::size_t{1} << 30}) EXPECT_EQ(result(threads, memory), one);
}

TEST(Objective, of_some_units_is_their_mean) {
  Made<double> m(3, 1, {});
  const auto u = somewhere(m.space.size());
  double sum = 0;
  for (std::size_t k : {0, 1, 2}) sum += m.objective.evaluate(u, std::vector<std::size_t>{k}).losses[0];
  EXPECT_NEAR(m.objective.evaluate(u, {}).losses[0], sum / 3, 1e-14);
}

// Members of a team that each do their own units, one after the other in this process.
TEST(Objective, shared_by_a_team_is_that_of_one) {
  struct Member final : Team {
    std::size_t n, k;
    std::vector<std::vector<double>>* board;  // [unit], what members have given
    Member(std::size_t n_, std::size_t k_, std::vector<std::vector<double>>* b) : n(n_), k(k_), board(b) {}
    std::size_t size() const override { return n; }
    std::size_t rank() const override { return k; }
    void share(std::vector<std::vector<double>>& of_units) override {
      board->resize(of_units.size());
      for (std::size_t i = 0; i < of_units.size(); ++i)
        if (!of_units[i].empty()) (*board)[i] = of_units[i];
      of_units = *board;
      for (auto& unit : of_units)
        if (unit.empty()) unit.assign(3 + 4, 0.0);  // not yet known in this pass
    }
  };
  Made<double> one(3, 1, {});
  const auto u = somewhere(one.space.size());
  const LossEvaluation alone = one.objective.evaluate(u, {});
  std::vector<std::vector<double>> board;
  LossEvaluation last;
  for (std::size_t k : {0, 1}) {
    const auto chain = chain_of<double>(kTrained);
    Workers workers(1);
    Member member(2, k, &board);
    Objective<double> objective(chain, toy_scans<double>(3), one.space, workers, {}, member, nullptr);
    last = objective.evaluate(u, {});
  }
  EXPECT_EQ(last.loss, alone.loss);
  EXPECT_EQ(last.gradient, alone.gradient);
}

TEST(Objective, curvature_is_that_of_the_losses_in_the_messages) {
  Made<double> m(2, 2, {.memory = 1 << 30, .rows_per_block = 0});
  const auto u = somewhere(m.space.size());
  const std::size_t n = u.size();
  // Of mean squares the matrix is J^T J / n: symmetric, positive, and quadratic in how fold's scale, which is linear, moves.
  std::vector<std::vector<double>> h;
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<double> e(n, 0.0);
    e[i] = 1;
    h.push_back(m.objective.curvature(u, e));
  }
  for (std::size_t i = 0; i < n; ++i) {
    EXPECT_GT(h[i][i], 0);
    for (std::size_t j = 0; j < n; ++j) EXPECT_NEAR(h[i][j], h[j][i], 1e-6 * std::sqrt(h[i][i] * h[j][j]));
  }
  const std::size_t scale = n - 1;  // the loss is quadratic in it alone: there Gauss-Newton's matrix is the second derivative
  const auto gradient = [&](double t) {
    auto moved = u;
    moved[scale] += t;
    return m.objective.evaluate(moved, {}).gradient[scale];
  };
  EXPECT_NEAR((gradient(0.01) - gradient(-0.01)) / 0.02 / h[scale][scale], 1, 1e-6);
}

TEST(Objective, what_losses_lack_is_refused) {
  const auto refusal = [](ObjectiveSettings settings, std::size_t scans) {
    try {
      Made<float> m(scans, 1, settings);
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_THAT(refusal({.memory = 0, .rows_per_block = 3}, 1), HasSubstr("expected rows_per_block to divide the 4 detector rows"));
  EXPECT_THAT(refusal({}, 0), HasSubstr("expected an archive to train on"));
}

}  // namespace
}  // namespace counterflow
