// Each shipped chain that learns, as it is shipped, on a small scan of its phantom: the forward pass of training is that of `run`
// to the bit, whatever is kept of it and whatever the threads, and its gradient in the parameters agrees with differences.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <random>
#include <sstream>

#include "core/training/learning.h"
#include "core/training/objective.h"
#include "core/training/perfect_scan.h"
#include "pipelines/simulator/truth.h"
#include "tests/support.h"

namespace counterflow::testing {
namespace {

const std::vector<std::string> kChains = {"drift_training.xml", "drift_likelihood.xml"};

// The phantom of the worked example, with few views and columns.
Scenario small_scenario() {
  Scenario s = read_scenario(source_dir() / "xml/scenarios/drift_gammex.xml");
  ScanGeometry& g = s.header.geometry;
  g.views = g.views_per_rotation = 24;
  g.angle_step = 2 * M_PI / 24;
  g.column_pitch *= static_cast<double>(g.columns) / 48;
  g.columns = 48;
  s.header.modules = 4;
  s.header.grid.nx = s.header.grid.ny = 48;
  s.header.grid.voxel_x = s.header.grid.voxel_y = 7.5;
  s.acquisition.open_beam_counts = 1e6;
  s.acquisition.air_views = 4;
  s.sampling = {.energy_step = 0.5, .column_rays = 1};
  return s;
}

const Scan& small_scan() {
  static const Scan scan = simulate(small_scenario());
  return scan;
}

Message<double> in_double(const Message<float>& message) {
  const auto* counts = std::get_if<Sent<Counts<float>>>(&message);
  if (!counts) return {};
  auto x = std::make_shared<Counts<double>>();
  x->view = (*counts)->view;
  x->counts = Array<double, 3>((*counts)->counts.shape());
  std::copy((*counts)->counts.begin(), (*counts)->counts.end(), x->counts.begin());
  return Sent<Counts<double>>(std::move(x));
}

template <class Real>
Source<Real> views() {
  if constexpr (std::is_same_v<Real, float>) return small_scan().source();
  else return [floats = small_scan().source()] { return in_double(floats()); };
}

template <class Real>
Chain<Real> shipped(const std::string& file) {
  std::ifstream in(source_dir() / "xml/chains" / file);
  std::ostringstream text;
  text << in.rdbuf();
  return parse_chain<Real>(text.str(), file, plugin_folders());
}

std::vector<double> somewhere(std::size_t n) {
  std::vector<double> u;
  for (std::size_t i = 0; i < n; ++i) u.push_back(0.4 * std::sin(1.7 * static_cast<double>(i) + 1));
  return u;
}

template <class Real>
struct Trained {
  Chain<Real> chain;
  TrainingScan<Real> scan{"scan", small_scan().header, views<Real>, {}};
  ParameterSpace space;
  Workers workers;
  Team team;
  std::unique_ptr<Objective<Real>> objective;
  explicit Trained(const std::string& file, const ObjectiveSettings& settings = {}, int threads = 2)
      : chain(shipped<Real>(file)), space(chain, scan.header, initial_parameters(chain, scan.header)), workers(threads) {
    scan.header.truth = std::make_shared<const Truth>(small_scan().truth);
    objective = std::make_unique<Objective<Real>>(chain, std::vector{scan}, space, workers, settings, team, nullptr);
  }
};

TEST(TrainedChain, images_of_training_are_those_of_run_to_the_bit) {
  Trained<float> t(kChains.front());
  const ChainParameters parameters = t.space.at(somewhere(t.space.size()));
  const auto images = [&](Tape tape, bool again) {
    ScanHeader header = t.scan.header;
    if (!again) header.truth = nullptr;  // run does not ask for it
    ScanRun<float> run(t.chain, header, t.workers, again ? ChainParameters() : parameters);
    if (again) {  // as training does: the truth is shown, and another place comes first
      const PerfectScan perfect(t.chain.headers(header), header.truth);
      run.refer(small_scan().source(), [&](std::size_t stage, const Counts<float>& x) { return perfect.counts(stage, x); });
      run.restart(initial_parameters(t.chain, header));
      run.forward(small_scan().source(), tape);
      run.backward(small_scan().source(), tape);
      run.restart(parameters);
    }
    std::vector<Array<float, 4>> out;
    run.output = [&](const Stage<float>&, const Message<float>& m) {
      if (const auto* image = std::get_if<Sent<Image<float>>>(&m)) out.push_back((*image)->value);
    };
    run.forward(small_scan().source(), tape);
    return out;
  };
  const auto of_run = images(Tape::none, false);
  ASSERT_FALSE(of_run.empty());
  for (Tape tape : {Tape::keep, Tape::recompute}) EXPECT_TRUE(images(tape, true) == of_run);
}

TEST(TrainedChain, loss_and_gradient_have_the_same_bits_for_any_threads_kept_or_computed_again) {
  for (const std::string& file : kChains) {
    const auto result = [&](int threads, std::size_t memory) {
      Trained<float> t(file, {.memory = memory, .rows_per_block = 0}, threads);
      EXPECT_EQ(t.objective->tape(), memory == 0 ? Tape::recompute : Tape::keep);
      LossEvaluation e = t.objective->evaluate(somewhere(t.space.size()), {});
      e.gradient.push_back(e.loss);
      return e.gradient;
    };
    const auto one = result(1, 1 << 30);
    for (const auto& [threads, memory] : {std::pair{1, 0}, {2, 0}, {3, 1 << 30}, {4, 0}})
      EXPECT_EQ(result(threads, static_cast<std::size_t>(memory)), one) << file << " " << threads << " " << memory;
  }
}

void check_gradient(const std::string& file) {
  Trained<double> t(file);
  const std::vector<double> u = somewhere(t.space.size());
  const LossEvaluation at = t.objective->evaluate(u, {});
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal;
  for (const TrainedBlock& block : t.space.blocks()) {
    std::vector<double> direction(u.size());
    double analytic = 0, terms = 0;
    for (std::size_t i = block.first; i < block.first + block.size; ++i) {
      direction[i] = normal(random);
      analytic += direction[i] * at.gradient[i];
      terms += std::abs(direction[i] * at.gradient[i]);
    }
    const auto loss = [&](double step) {
      auto moved = u;
      for (std::size_t i = 0; i < u.size(); ++i) moved[i] += step * direction[i];
      return t.objective->evaluate(moved, {}).loss;
    };
    const auto central = [&](double h) { return (loss(h) - loss(-h)) / (2 * h); };
    const double numeric = (4 * central(1e-3) - central(2e-3)) / 3;
    EXPECT_LT(std::abs(numeric - analytic) / terms, 1e-6) << file << " " << block_text(block);
    EXPECT_GT(std::abs(numeric - 1.0001 * analytic) / terms, 1e-6) << "a gradient 0.01 % off is not seen";
  }
}

TEST(TrainedChain, gradient_in_the_parameters_agrees_with_differences) {
  for (const std::string& file : kChains) check_gradient(file);
}

}  // namespace
}  // namespace counterflow::testing
