#include "core/physics/counts_above.h"

#include <numbers>
#include <numeric>
#include <string>

#include "core/error.h"

namespace counterflow {
namespace {

double sum_of(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

// [energy] what the upper end of the last bin leaves out.
std::vector<double> beyond_end(const CountsModel& model) {
  std::vector<double> out(model.energies().size());
  if (model.thresholds().size() > model.bins()) model.counted_above(model.bins(), 0, out, {});
  return out;
}

}  // namespace

template <class Real>
CountsAbove<Real>::CountsAbove(const CountsModel& model, Isa isa)
    : kernel_(choose<CountAbove<Real>>(kernel_baseline::count_above, kernel_avx2::count_above, kernel_avx512::count_above, isa)),
      attenuators_(model.materials() + model.bowtie_attenuation().extent(0)),
      thresholds_(model.bins()) {
  const std::size_t n = model.energies().size();
  energies_ = (n + kEnergiesTogether - 1) / kEnergiesTogether * kEnergiesTogether;
  if (energies_ > CountsAboveTables<Real>::kMostEnergies)
    throw ConfigError("expected at most " + std::to_string(CountsAboveTables<Real>::kMostEnergies) + " energies, got " +
                      std::to_string(n) + "; use a larger energy step");
  const double per_ln2 = -1 / std::numbers::ln2;
  for (std::size_t m = 0; m < model.materials(); ++m) add_row(exponent_, model.attenuation().block(m), per_ln2);
  for (std::size_t m = model.materials(); m < attenuators_; ++m)
    add_row(exponent_, model.bowtie_attenuation().block(m - model.materials()), per_ln2);
  if (model.has_thresholds()) tabulate(model);
  else tabulate_fixed(model);
}

template <class Real>
void CountsAbove<Real>::add_row(std::vector<Real>& rows, std::span<const double> row, double factor) const {
  for (std::size_t e = 0; e < energies_; ++e) rows.push_back(static_cast<Real>(e < row.size() ? factor * row[e] : 0));
}

// On the model's own nodes, so that the pieces between them are the model's.
template <class Real>
void CountsAbove<Real>::tabulate(const CountsModel& model) {
  const double per_total = 1 / sum_of(model.nominal().total);
  const auto side = static_cast<std::size_t>(model.largest_shift() / CountsModel::kNodeStep);
  const std::vector<double> end = beyond_end(model);
  std::vector<double> value(end.size()), edge(end.size());
  spacing_ = CountsModel::kNodeStep;
  nodes_ = 2 * side + 1;
  for (std::size_t k = 0; k < thresholds_; ++k)
    for (std::size_t node = 0; node < nodes_; ++node) {
      model.counted_above(k, spacing_ * (static_cast<double>(node) - static_cast<double>(side)), value, edge);
      for (std::size_t e = 0; e < end.size(); ++e) value[e] -= end[e];
      add_row(above_, value, per_total);
      add_row(above_, edge, -per_total);
    }
}

// Spectra from a file: thresholds do not move.
template <class Real>
void CountsAbove<Real>::tabulate_fixed(const CountsModel& model) {
  const double per_total = 1 / sum_of(model.nominal().total);
  const auto& weight = model.nominal().weight;
  nodes_ = 2;
  for (std::size_t k = 0; k < thresholds_; ++k) {
    std::vector<double> value(weight.extent(1));
    for (std::size_t b = k; b < thresholds_; ++b)
      for (std::size_t e = 0; e < value.size(); ++e) value[e] += weight(b, e);
    for (std::size_t node = 0; node < nodes_; ++node) {
      add_row(above_, value, per_total);
      add_row(above_, {}, 0);
    }
  }
}

template <class Real>
void CountsAbove<Real>::operator()(std::span<const Real> areal_density, std::span<const Real> shift, std::span<Real> value,
                                   std::span<Real> slope) const {
  const std::size_t rays = value.size() / thresholds_;
  if (areal_density.size() != rays * attenuators_ || (!shift.empty() && shift.size() != value.size()) ||
      (!slope.empty() && slope.size() != value.size()))
    throw DataError("counts above thresholds: arrays are not of the same rays");
  const CountsAboveTables<Real> tables{
      energies_, attenuators_, thresholds_, nodes_, exponent_.data(), above_.data(), static_cast<Real>(spacing_)};
  const CountsAboveRays<Real> data{rays, areal_density.data(), shift.empty() ? nullptr : shift.data(), value.data(),
                                   slope.empty() ? nullptr : slope.data()};
  kernel_(tables, data);
}

template class CountsAbove<float>;
template class CountsAbove<double>;

}  // namespace counterflow
