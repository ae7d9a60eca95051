#include "core/training/objective.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <barrier>
#include <thread>

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

// A team whose members are threads of this process.
class Meeting {
 public:
  explicit Meeting(std::size_t n) : n_(n), errors_(n), barrier_(static_cast<std::ptrdiff_t>(n)) {}

  // What each member does with its own objective of so many scans; the errors that came out, [member].
  using Play = std::function<void(Objective<double>&)>;
  std::vector<std::string> play(std::vector<TrainingScan<double>> scans, const Play& leading);

 private:
  class Member;
  std::size_t n_;
  std::vector<std::string> errors_;
  std::vector<double> words_;
  std::vector<std::vector<double>> board_;  // [unit]
  std::barrier<> barrier_;
};

class Meeting::Member final : public Team {
 public:
  Member(Meeting& meeting, std::size_t rank) : m_(meeting), rank_(rank) {}
  std::size_t size() const override { return m_.n_; }
  std::size_t rank() const override { return rank_; }
  void together(const std::function<void()>& part) override {
    try {
      m_.errors_[rank_].clear();
      part();
    } catch (const Error& error) {
      m_.errors_[rank_] = error.what();
    }
    m_.barrier_.arrive_and_wait();
    const auto errors = m_.errors_;
    m_.barrier_.arrive_and_wait();
    for (const auto& error : errors)
      if (!error.empty()) throw TeamError(error);
  }
  void tell(std::vector<double>& words) override {
    if (rank_ == 0) m_.words_ = words;
    m_.barrier_.arrive_and_wait();
    words = m_.words_;
    m_.barrier_.arrive_and_wait();
  }
  void gather(std::vector<std::vector<double>>& of_units) override {
    if (rank_ == 0) m_.board_.resize(of_units.size());
    m_.barrier_.arrive_and_wait();
    for (std::size_t i = 0; i < of_units.size(); ++i)
      if (!of_units[i].empty()) m_.board_[i] = of_units[i];
    m_.barrier_.arrive_and_wait();
    if (rank_ == 0) of_units = m_.board_;
  }

 private:
  Meeting& m_;
  std::size_t rank_;
};

std::vector<std::string> Meeting::play(std::vector<TrainingScan<double>> scans, const Play& leading) {
  std::vector<std::string> out(n_);
  std::vector<std::jthread> threads;
  for (std::size_t k = 0; k < n_; ++k)
    threads.emplace_back([&, k] {
      const auto chain = chain_of<double>(kTrained);
      const ParameterSpace space(chain, toy_header(), initial_parameters(chain, toy_header()));
      Workers workers(1);
      Member member(*this, k);
      try {
        std::unique_ptr<Objective<double>> objective;
        member.together([&] {
          objective = std::make_unique<Objective<double>>(chain, scans, space, workers, ObjectiveSettings{}, member, nullptr);
        });
        objective->lead([&] { leading(*objective); });
      } catch (const Error& error) {
        out[k] = error.what();
      }
    });
  threads.clear();
  return out;
}

TEST(Objective, of_any_team_has_the_bits_of_one_process) {
  Made<double> one(4, 1, {});
  const auto u = somewhere(one.space.size()), v = somewhere(one.space.size());
  const LossEvaluation alone = one.objective.evaluate(u, {});
  const LossEvaluation some = one.objective.evaluate(u, std::vector<std::size_t>{1, 3});
  const auto product = one.objective.curvature(u, v);
  const auto noise = one.objective.gradient_noise(u, 2, 5);
  for (std::size_t members : {1, 2, 3, 6}) {
    Meeting meeting(members);
    const auto errors = meeting.play(toy_scans<double>(4), [&](Objective<double>& objective) {
      const LossEvaluation e = objective.evaluate(u, {});
      EXPECT_EQ(e.loss, alone.loss);
      EXPECT_EQ(e.losses, alone.losses);
      EXPECT_EQ(e.gradient, alone.gradient);
      EXPECT_EQ(objective.evaluate(u, std::vector<std::size_t>{1, 3}).gradient, some.gradient);
      EXPECT_EQ(objective.curvature(u, v), product);
      EXPECT_EQ(objective.gradient_noise(u, 2, 5), noise);
    });
    EXPECT_EQ(errors, std::vector<std::string>(members));
  }
}

TEST(Objective, of_a_team_reads_each_scan_once_and_tells_one_error) {
  auto scans = toy_scans<double>(4);
  std::array<std::atomic<int>, 4> read{}, opened{};
  for (std::size_t k = 0; k < 4; ++k) {
    scans[k].read = [&, k](ScanHeader&) { ++read[k]; };
    scans[k].open = [&, k, open = scans[k].open] {
      if (k == 3 && ++opened[k] == 2) throw ArchiveError("scan 3 is gone");
      return open();
    };
  }
  const std::vector<double> u(4, 0.0);
  Meeting meeting(2);
  const auto errors = meeting.play(scans, [&](Objective<double>& objective) {
    objective.evaluate(u, {});
    EXPECT_THROW(objective.evaluate(u, {}), TeamError);
    objective.evaluate(u, {});  // all are still there
    throw ArchiveError("the disk is full");
  });
  EXPECT_EQ(errors, (std::vector<std::string>{"the disk is full", ""}));
  for (const auto& times : read) EXPECT_EQ(times, 1);
  EXPECT_EQ(opened[3], 3);

  scans[2].read = [](ScanHeader&) { throw ArchiveError("scan 2 is no archive"); };
  const auto refused = Meeting(2).play(scans, [](Objective<double>&) { ADD_FAILURE() << "begun without scan 2"; });
  EXPECT_EQ(refused, std::vector<std::string>(2, "scan 2 is no archive"));
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
