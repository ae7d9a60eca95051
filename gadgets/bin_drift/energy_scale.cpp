#include "gadgets/bin_drift/energy_scale.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/physics/counts_model.h"
#include "core/text.h"

namespace counterflow {
namespace {

constexpr double kModelShift = 8;  // [keV] CountsModel::largest_shift()
constexpr double kNodeStep = 0.5;  // [keV] as in CountsModel, so that its own pieces are met

constexpr double kEmptiest = 1e-4;  // share of a bin in the reference's counts

double end_of(const SpectralSystem& s) { return s.thresholds.size() > s.bins ? s.thresholds.back() : s.tube_voltage; }

// Counts above each threshold and their derivative in the thresholds' shift, behind the model's first material.
struct Above {
  std::vector<double> value, slope;
};
Above counted_above(const CountsModel& model, double water, double shift) {
  const BinWeights w = model.shifted(std::vector<double>(model.bins(), shift));
  Above out{std::vector<double>(model.bins()), std::vector<double>(model.bins())};
  for (std::size_t k = model.bins(); k-- > 0;) {
    if (k + 1 < model.bins()) out.value[k] = out.value[k + 1];
    for (std::size_t e = 0; e < model.energies().size(); ++e) {
      const double transmitted = std::exp(-model.attenuation()(0u, e) * water);
      out.value[k] += w.weight(k, e) * transmitted;
      out.slope[k] -= w.edge(k, e) * transmitted;
    }
  }
  return out;
}

}  // namespace

double largest_shift(const SpectralSystem& system) {
  double largest = kModelShift;
  for (std::size_t k = 0; k < system.bins && k < system.thresholds.size(); ++k) {
    const double next = k + 1 < system.thresholds.size() ? system.thresholds[k + 1] : end_of(system);
    largest = std::min(largest, 0.49 * (next - system.thresholds[k]));
  }
  return largest;
}

EnergyScale::EnergyScale(double water, const SpectralSystem& system) {
  const CountsModel model(system, {"water"}, 1.0, BowtieUse::applied);
  const Above nominal = counted_above(model, water, 0);
  const double unit = -1 / nominal.value[0];
  for (double v : nominal.value) nominal_.push_back(unit * v);
  nominal_.push_back(0);
  for (std::size_t b = 0; b < model.bins(); ++b)
    if (!(nominal_[b + 1] - nominal_[b] > kEmptiest))
      throw ConfigError("BinDrift: behind " + number_text(water) + " g/cm^2 of water bin " + std::to_string(b) +
                        " counts next to nothing, so that nothing can be moved into it or out of it; lower reference_water");
  const auto side = static_cast<std::size_t>(std::ceil(largest_shift(system) / kNodeStep));
  table_ = Array<double, 3>({model.bins(), 2 * side + 1, 2});
  for (std::size_t n = 0; n <= 2 * side; ++n) {
    const double shift = kNodeStep * (static_cast<double>(n) - static_cast<double>(side));
    const Above above = counted_above(model, water, shift);
    for (std::size_t k = 0; k < model.bins(); ++k) {
      table_(k, n, 0) = unit * (above.value[k] - nominal.value[k]);
      table_(k, n, 1) = unit * above.slope[k];
    }
  }
}

// Cubic Hermite pieces.
auto EnergyScale::move(std::size_t threshold, double shift) const -> Move {
  const double place = shift / kNodeStep + static_cast<double>(table_.extent(1) / 2), h = kNodeStep;
  const std::size_t n = std::min(static_cast<std::size_t>(std::max(place, 0.0)), table_.extent(1) - 2);
  const double t = place - static_cast<double>(n);
  const std::span<const double> from = table_.block(threshold, n), to = table_.block(threshold, n + 1);
  const double rise = (to[0] - from[0]) / h, bend = 3 * rise - 2 * from[1] - to[1], twist = from[1] + to[1] - 2 * rise;
  return {from[0] + h * t * (from[1] + t * (bend + t * twist)), from[1] + t * (2 * bend + 3 * t * twist)};
}

}  // namespace counterflow
