#include "core/training/objective.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>
#include <utility>

#include "core/training/optimisers.h"
#include "core/training/perfect_scan.h"

namespace counterflow {
namespace {

constexpr double kDifference = 0.02;  // rms of the variables' moves in a product with Gauss-Newton's matrix

// Bytes that a run keeps of its messages between forward and backward.
template <class Real>
std::size_t kept_bytes(const Chain<Real>& chain, const ScanHeader& header) {
  const auto headers = chain.headers(header);
  const ScanGeometry& g = header.geometry;
  std::size_t a_view = checked_size(checked_size(header.bins(), g.rows), checked_size(g.columns, sizeof(Real))), images = 0;
  for (std::size_t k = 0; k < chain.stages.size(); ++k) {
    const Footprint f = chain.stages[k]->footprint(headers[k]);
    if (!chain.reaches_loss(k)) continue;
    const bool of_images = chain.stages[k]->in() == message_index<Real, Image<Real>>();
    if (chain.stages[k]->form() == Form::map && !of_images) a_view += f.message;
    if (chain.stages[k]->form() == Form::fold) images += checked_size(f.emitted, f.message);
    if (chain.stages[k]->form() == Form::map && of_images) images += checked_size(header.grid.nz, f.message);
  }
  return checked_size(g.views, a_view) + images;
}

// The same scan with other noise: each count of its object views drawn from Poisson's distribution about it.
template <class Real>
Source<Real> redrawn(Source<Real> scan, std::uint64_t seed) {
  return [scan = std::move(scan), seed]() -> Message<Real> {
    const Message<Real> message = scan();
    const auto* counts = std::get_if<Sent<Counts<Real>>>(&message);
    if (!counts || (*counts)->view.air) return message;
    auto other = std::make_shared<Counts<Real>>(**counts);
    std::mt19937_64 random(seed * 0x9E3779B97F4A7C15u + (*counts)->view.index);
    for (Real& v : other->counts)
      if (v > 0) v = static_cast<Real>(std::poisson_distribution<std::int64_t>(static_cast<double>(v))(random));
    return Sent<Counts<Real>>(std::move(other));
  };
}

}  // namespace

template <class Real>
struct Objective<Real>::Unit {
  std::shared_ptr<TrainingScan<Real>> owner;
  RowBlock block;
  ScanHeader header;
  std::unique_ptr<ScanRun<Real>> run;  // of units that this member has begun
  Source<Real> open() const { return block_source<Real>(owner->open(), block); }
};

// What all members are to compute.
template <class Real>
struct Objective<Real>::Order {
  enum class What { end, loss, loss_of_redrawn, curvature };
  What what = What::end;
  std::vector<double> u, more = {};  // more: units of a loss, v of a curvature
  std::uint64_t seed = 0;            // of counts drawn anew

  std::vector<double> words() const {
    std::vector<double> out = {static_cast<double>(what), std::bit_cast<double>(seed), static_cast<double>(u.size())};
    out.insert(out.end(), u.begin(), u.end());
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
  static Order of(const std::vector<double>& words) {
    const auto u = words.begin() + 3, more = u + static_cast<std::ptrdiff_t>(words[2]);
    return {static_cast<What>(words[0]), {u, more}, {more, words.end()}, std::bit_cast<std::uint64_t>(words[1])};
  }
};

template <class Real>
Objective<Real>::~Objective() = default;

template <class Real>
std::size_t Objective<Real>::units() const {
  return units_.size();
}

template <class Real>
Objective<Real>::Objective(const Chain<Real>& chain, std::vector<TrainingScan<Real>> scans, const ParameterSpace& space,
                           Workers& workers, const ObjectiveSettings& settings, Team& team, const ReferenceImages<Real>& images)
    : chain_(chain), space_(space), workers_(workers), team_(team) {
  for (std::size_t k = 0; k < chain.stages.size(); ++k)
    if (chain.stages[k]->has_loss()) {
      loss_stages_.push_back(k);
      loss_names_.push_back(chain.stages[k]->name);
    }
  for (auto& scan : scans) {
    const auto owner = std::make_shared<TrainingScan<Real>>(std::move(scan));
    const std::size_t rows = owner->header.geometry.rows, n = settings.rows_per_block == 0 ? rows : settings.rows_per_block;
    if (rows % n != 0)
      throw ConfigError(owner->name + ": expected rows_per_block to divide the " + std::to_string(rows) + " detector rows, got " +
                        std::to_string(n));
    for (std::size_t first = 0; first < rows; first += n) {
      auto unit = std::make_unique<Unit>();
      unit->owner = owner;
      unit->block = {first, n};
      units_.push_back(std::move(unit));
    }
  }
  if (units_.empty()) throw ConfigError("expected an archive to train on, got none");
  for (std::size_t i = 0; i < units_.size(); ++i) {
    TrainingScan<Real>& scan = *units_[i]->owner;
    if (mine(i) && scan.read) std::exchange(scan.read, nullptr)(scan.header);
    units_[i]->header = block_header(scan.header, units_[i]->block);
    tape_bytes_ = std::max(tape_bytes_, kept_bytes(chain, units_[i]->header));
  }
  check_truth();
  tape_ = tape_bytes_ <= settings.memory ? Tape::keep : Tape::recompute;
  for (std::size_t i = 0; i < units_.size(); ++i)
    if (mine(i)) begin(*units_[i], images);
}

template <class Real>
void Objective<Real>::check_truth() const {
  const bool asked = std::ranges::any_of(loss_stages_, [&](std::size_t k) { return chain_.stages[k]->reference() == "truth"; });
  for (std::size_t i = 0; i < units_.size(); ++i)
    if (asked && mine(i) && !units_[i]->header.truth)
      throw ConfigError(units_[i]->owner->name + ": the chain's losses compare with the truth, but this archive has none " +
                        "(truth_materials); give the loss a reference image, or train on a scan that knows its object");
}

template <class Real>
void Objective<Real>::begin(Unit& unit, const ReferenceImages<Real>& images) {
  const ChainParameters start = space_.at(std::vector<double>(space_.size(), 0.0));
  unit.run = std::make_unique<ScanRun<Real>>(chain_, unit.header, workers_, start);
  bool truth = false;
  for (std::size_t k : loss_stages_) {
    const std::string reference = chain_.stages[k]->reference();
    truth = truth || reference == "truth";
    if (reference.empty() || reference == "truth") continue;
    for (const auto& image : images(reference)) unit.run->refer(k, image);
  }
  if (truth) {
    const PerfectScan perfect(chain_.headers(unit.header), unit.header.truth);
    unit.run->refer(unit.open(), [&](std::size_t stage, const Counts<Real>& x) { return perfect.counts(stage, x); });
  }
}

template <class Real>
void Objective<Real>::lead(const std::function<void()>& work) {
  if (!team_.leads()) return follow();
  try {
    work();
  } catch (...) {
    told({});
    throw;
  }
  told({});
}

template <class Real>
typename Objective<Real>::Order Objective<Real>::told(Order order) {
  if (team_.size() == 1) return order;
  std::vector<double> words = order.words();
  team_.tell(words);
  return Order::of(words);
}

template <class Real>
void Objective<Real>::follow() {
  using What = typename Order::What;
  for (Order order = told({}); order.what != What::end; order = told({})) try {
      if (order.what == What::curvature) curvature(order);
      else evaluate(order);
    } catch (const TeamError&) {  // the first member hears it too, and decides
    }
}

// loss, losses..., gradient in u: one flat vector, as it travels between the members of a team.
template <class Real>
std::vector<double> Objective<Real>::evaluate_unit(Unit& unit, const ChainParameters& parameters, const Order& order) {
  const auto open = [&] {
    return order.what == Order::What::loss_of_redrawn ? redrawn<Real>(unit.open(), order.seed) : unit.open();
  };
  unit.run->restart(parameters);
  std::vector<double> out = {unit.run->forward(open(), tape_)};
  const auto losses = unit.run->losses();
  for (std::size_t k : loss_stages_) out.push_back(losses[k]);
  const auto gradient = space_.pulled_back(unit.run->backward(tape_ == Tape::keep ? Source<Real>() : open(), tape_), order.u);
  out.insert(out.end(), gradient.begin(), gradient.end());
  unit.run->restart(parameters);  // lets go of what was kept
  return out;
}

template <class Real>
LossEvaluation Objective<Real>::evaluate(std::span<const double> u, std::span<const std::size_t> units) {
  return evaluate(told({Order::What::loss, {u.begin(), u.end()}, {units.begin(), units.end()}}));
}

template <class Real>
std::vector<std::vector<double>> Objective<Real>::gradient_noise(std::span<const double> u, std::size_t draws,
                                                                 std::uint64_t seed) {
  const std::vector<double> at = evaluate(u, {}).gradient;
  std::vector<std::vector<double>> out;
  for (std::size_t k = 0; k < draws; ++k) {
    auto drawn = evaluate(told({Order::What::loss_of_redrawn, {u.begin(), u.end()}, {}, seed + k})).gradient;
    for (std::size_t i = 0; i < at.size(); ++i) drawn[i] -= at[i];
    out.push_back(std::move(drawn));
  }
  return out;
}

template <class Real>
LossEvaluation Objective<Real>::evaluate(const Order& order) {
  std::vector<std::size_t> units(order.more.begin(), order.more.end());
  if (units.empty())
    for (std::size_t i = 0; i < units_.size(); ++i) units.push_back(i);
  std::vector<std::vector<double>> of_units(units.size());
  team_.together([&] {
    const ChainParameters parameters = space_.at(order.u);
    for (std::size_t i = 0; i < units.size(); ++i)
      if (mine(units[i])) of_units[i] = evaluate_unit(*units_[units[i]], parameters, order);
  });
  team_.gather(of_units);

  LossEvaluation e;
  if (!team_.leads()) return e;
  e.losses.resize(loss_stages_.size());
  e.gradient.resize(size());
  const double share = 1 / static_cast<double>(units.size());
  for (const auto& unit : of_units) {
    e.loss += share * unit[0];
    for (std::size_t k = 0; k < e.losses.size(); ++k) e.losses[k] += share * unit[1 + k];
    for (std::size_t i = 0; i < e.gradient.size(); ++i) e.gradient[i] += share * unit[1 + e.losses.size() + i];
  }
  e.prior = space_.prior(order.u, e.gradient);
  e.loss += e.prior;
  return e;
}

// J^T (C(u + h v) - C(u - h v)) / 2h, C the cotangents of the losses in the messages that they see: their own second derivatives
// times J v, by differences; J^T is the adjoints'. All in one backward pass beside two replayed runs.
template <class Real>
std::vector<double> Objective<Real>::curvature_of_unit(Unit& unit, std::span<const double> u, std::span<const double> v) {
  const double length = norm({v.begin(), v.end()});
  std::vector<double> product(size());
  if (length == 0) return product;
  const double h = kDifference * std::sqrt(static_cast<double>(size())) / length;
  const auto moved = [&](double t) {
    std::vector<double> w(u.begin(), u.end());
    for (std::size_t i = 0; i < w.size(); ++i) w[i] += t * v[i];
    ScanRun<Real> run(*unit.run);
    run.restart(space_.at(w));
    return run;
  };
  ScanRun<Real> plus = moved(h), minus = moved(-h);
  plus.forward(unit.open(), Tape::recompute);
  minus.forward(unit.open(), Tape::recompute);
  const ChainParameters parameters = space_.at(u);
  unit.run->restart(parameters);
  unit.run->forward(unit.open(), tape_);
  product = space_.pulled_back(
      unit.run->backward(tape_ == Tape::keep ? Source<Real>() : unit.open(), tape_, {plus, minus, 1 / (2 * h)}), u);
  unit.run->restart(parameters);
  return product;
}

template <class Real>
std::vector<double> Objective<Real>::curvature(std::span<const double> u, std::span<const double> v) {
  return curvature(told({Order::What::curvature, {u.begin(), u.end()}, {v.begin(), v.end()}}));
}

template <class Real>
std::vector<double> Objective<Real>::curvature(const Order& order) {
  std::vector<std::vector<double>> of_units(units_.size());
  team_.together([&] {
    for (std::size_t i = 0; i < units_.size(); ++i)
      if (mine(i)) of_units[i] = curvature_of_unit(*units_[i], order.u, order.more);
  });
  team_.gather(of_units);
  std::vector<double> product(size());
  if (!team_.leads()) return product;
  for (const auto& unit : of_units)
    for (std::size_t i = 0; i < product.size(); ++i) product[i] += unit[i] / static_cast<double>(units_.size());
  space_.add_prior_product(order.u, order.more, product);
  return product;
}

template class Objective<float>;
template class Objective<double>;

}  // namespace counterflow
