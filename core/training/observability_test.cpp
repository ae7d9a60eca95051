#include "core/training/observability.h"

#include <gtest/gtest.h>

#include "core/training/test_training.h"

namespace counterflow {
namespace {

using namespace training_testing;

// Counts drawn about those of the toy scan.
Source<double> drawn(std::uint64_t seed) {
  return [views = toy_views<double>(1), random = std::mt19937_64(seed)]() mutable -> Message<double> {
    const Message<double> message = views();
    const auto* counts = std::get_if<Sent<Counts<double>>>(&message);
    if (!counts || (*counts)->view.air) return message;
    auto other = std::make_shared<Counts<double>>(**counts);
    for (double& v : other->counts) v = std::poisson_distribution<int>(v)(random);
    return Sent<Counts<double>>(std::move(other));
  };
}

struct Made {
  Chain<double> chain;
  ParameterSpace space;
  Workers workers{2};
  Team team;
  Objective<double> objective;
  explicit Made(
      const std::string& parameters, std::function<Source<double>()> open = [] { return toy_views<double>(1); })
      : chain(chain_of<double>(parameters)),
        space(chain, toy_header(), initial_parameters(chain, toy_header())),
        objective(chain, {{"scan", toy_header(), std::move(open), {}}}, space, workers, {}, team, nullptr) {}

  std::vector<double> minimum() {
    const std::map<std::string, Setting> settings = {{"iterations", {"200", ""}}, {"decrease", {"0", ""}}};
    return make_optimiser({"lbfgs", settings})->minimise(objective, std::vector<double>(space.size(), 0.0), [](const Step&) {
      return true;
    });
  }
};

TEST(Observability, predicts_how_minima_of_other_draws_scatter) {
  constexpr std::size_t kDraws = 48;
  const std::string trained = "<parameter gadget=\"gain\" weight=\"1e-9\"/>";
  Made made(trained);
  const std::vector<double> at = made.minimum();
  const std::vector<Mode> modes = observability(made.objective, made.space, at, kDraws, 7);
  ASSERT_EQ(modes.size(), kBins);
  std::vector<double> squares(modes.size());
  for (std::size_t k = 0; k < kDraws; ++k) {
    const std::vector<double> other = Made(trained, [k] { return drawn(100 + k); }).minimum();
    for (std::size_t m = 0; m < modes.size(); ++m) {
      double along = 0;
      for (std::size_t i = 0; i < at.size(); ++i) along += modes[m].direction[i] * (other[i] - at[i]);
      squares[m] += along * along / kDraws;
    }
  }
  EXPECT_NEAR(std::sqrt(squares[0]) / modes[0].sd, 1, 0.4);  // each is known to 1 / sqrt(2 draws) = 10 %
  // The loss sees one combination of the three gains. Of the others only the prior speaks, whose sigma is their scale.
  for (std::size_t m : {1, 2}) {
    EXPECT_LT(std::sqrt(squares[m]), 1e-6);
    EXPECT_NEAR(modes[m].sd, 1, 1e-3);
  }
}

TEST(Observability, of_what_a_strong_prior_holds_is_its_sigma) {
  Made made("<parameter gadget=\"gain\" weight=\"1e6\" sigma=\"0.3\"/>");
  for (const Mode& m : observability(made.objective, made.space, std::vector<double>(made.space.size(), 0.0), 4, 7))
    EXPECT_NEAR(m.sd, 0.3 / 0.1, 1e-3);  // in gain's scale
}

}  // namespace
}  // namespace counterflow
