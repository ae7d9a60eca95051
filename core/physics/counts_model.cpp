#include "core/physics/counts_model.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/physics/detector_response.h"
#include "core/physics/material.h"
#include "core/physics/spectrum_file.h"
#include "core/physics/tube.h"
#include "core/text.h"

namespace counterflow {
namespace {

constexpr double kNodeStep = CountsModel::kNodeStep;
constexpr double kFineStep = 0.25;    // [keV] largest step of the quadrature inside a cell
constexpr double kNegligible = 1e-7;  // share of a threshold's counts that cells below the first may hold

void check_thresholds(const SpectralSystem& s) {
  const auto& t = s.thresholds;
  if (t.size() != s.bins && t.size() != s.bins + 1)
    throw ConfigError("expected " + std::to_string(s.bins) + " thresholds (lower edges of the bins) or one more, got " +
                      std::to_string(t.size()));
  for (std::size_t k = 0; k < t.size(); ++k)
    if (!(t[k] >= 0) || (k > 0 && !(t[k] > t[k - 1])))
      throw ConfigError("expected thresholds that ascend from 0 keV, got " + number_text(t[k]) + " keV as number " +
                        std::to_string(k));
  const double top = largest_energy(s);
  if (t[s.bins - 1] >= top)
    throw ConfigError("expected thresholds below the highest photon energy of " + number_text(top) + " keV, got " +
                      number_text(t[s.bins - 1]) + " keV");
}

void check(const SpectralSystem& s, const std::vector<std::string>& materials, double step, BowtieUse bowtie) {
  if (s.bins == 0) throw ConfigError("expected a spectral system of at least 1 energy bin, got 0");
  if (materials.empty()) throw ConfigError("expected at least 1 material, got none");
  if (!(step >= 0.05 && step <= 20)) throw ConfigError("expected an energy step of 0.05 to 20 keV, got " + number_text(step));
  if (!s.bowtie.empty() && bowtie == BowtieUse::refused)
    throw ConfigError("the scan has a bowtie, '" + s.bowtie +
                      "', which is not known here; use a gadget that knows of bowties, such as MaximumLikelihood");
  if (s.bin_spectra.empty()) check_thresholds(s);
}

// Centres of all cells [k step, (k+1) step] up to `top`; the lowest cells cannot matter and xraylib does not know them.
std::vector<double> cells_up_to(double top, double step) {
  std::vector<double> out;
  const double lowest = std::max(step, 1.0);
  for (std::size_t k = 0; static_cast<double>(k) * step < top - 1e-9; ++k)
    if (static_cast<double>(k) * step >= lowest - 1e-9) out.push_back((static_cast<double>(k) + 0.5) * step);
  if (out.empty())
    throw ConfigError("expected photons above " + number_text(lowest) + " keV, got at most " + number_text(top) + " keV");
  return out;
}

struct Source {
  std::size_t parts;             // fine nodes in a cell
  double width;                  // [keV] of a fine node
  std::vector<double> energies;  // fine nodes
  std::vector<double> photons;   // in each
};

Source fine_source(const SpectralSystem& system, const std::vector<double>& cells, double step) {
  Source s;
  s.parts = static_cast<std::size_t>(std::ceil(step / kFineStep - 1e-9));
  s.width = step / static_cast<double>(s.parts);
  for (const double centre : cells)
    for (std::size_t p = 0; p < s.parts; ++p) s.energies.push_back(centre - step / 2 + (static_cast<double>(p) + 0.5) * s.width);
  s.photons = source_spectrum(system, s.energies);
  for (double& v : s.photons) v *= s.width;
  return s;
}

// [node, value|slope, cell]: S(E;T) of a cell and its derivative in T, at T + n kNodeStep for n = -nodes_each_side..+.
Array<double, 3> threshold_table(const DetectorResponse& response, const Source& source, std::size_t cells, double threshold,
                                 std::size_t nodes_each_side) {
  const std::size_t nodes = 2 * nodes_each_side + 1;
  Array<double, 3> table({nodes, 2, cells});
  for (std::size_t n = 0; n < nodes; ++n) {
    const double t = threshold + kNodeStep * (static_cast<double>(n) - static_cast<double>(nodes_each_side));
    for (std::size_t k = 0; k < source.energies.size(); ++k) {
      if (source.photons[k] == 0) continue;
      const double energy = source.energies[k];
      table(n, 0, k / source.parts) += source.photons[k] * response.above(t, energy);
      table(n, 1, k / source.parts) -= source.photons[k] * response.density(t, energy);
    }
  }
  return table;
}

// The first cell such that those before hold a negligible share of what any table's lowest threshold counts.
std::size_t first_that_matters(const std::vector<Array<double, 3>>& tables, std::size_t cells) {
  std::size_t first = cells - 1;
  for (const auto& table : tables) {
    const auto value = table.block(std::size_t{0}, std::size_t{0});
    double total = 0, below = 0;
    for (double v : value) total += std::abs(v);
    std::size_t k = 0;
    while (k + 1 < cells && (below += std::abs(value[k])) <= kNegligible * total) ++k;
    first = std::min(first, k);
  }
  return first;
}

void drop_cells(Array<double, 3>& table, std::size_t first) {
  Array<double, 3> kept({table.extent(0), 2, table.extent(2) - first});
  for (std::size_t n = 0; n < table.extent(0); ++n)
    for (std::size_t part = 0; part < 2; ++part) {
      const auto from = table.block(n, part);
      std::copy(from.begin() + static_cast<std::ptrdiff_t>(first), from.end(), kept.block(n, part).begin());
    }
  table = std::move(kept);
}

void sum_up(BinWeights& w) {
  const auto sums = [](const Array<double, 2>& rows, std::vector<double>& out) {
    out.assign(rows.extent(0), 0);
    for (std::size_t b = 0; b < out.size(); ++b)
      for (double v : rows.block(b)) out[b] += v;
  };
  sums(w.weight, w.total);
  sums(w.edge, w.edge_total);
}

// Effective spectra from a file: cells over its whole range.
BinWeights weights_from_file(const SpectralSystem& system, double step, std::vector<double>& energies) {
  const SpectrumTable table =
      parse_spectrum(named_file(system, system.bin_spectra, "effective spectra"), system.bin_spectra, system.bins);
  const std::size_t rows = table.energies.size();
  const double reach = rows > 1 ? (table.energies[rows - 1] - table.energies[rows - 2]) / 2 : 0.5;
  energies = cells_up_to(table.energies.back() + reach, step);
  BinWeights out;
  out.weight = Array<double, 2>({system.bins, energies.size()});
  for (std::size_t b = 0; b < system.bins; ++b) {
    const auto cells = rebinned(table, b, energies, step);
    std::copy(cells.begin(), cells.end(), out.weight.block(b).begin());
  }
  return out;
}

void drop_empty_cells(BinWeights& w, std::vector<double>& energies) {
  const auto empty = [&](std::size_t k) {
    for (std::size_t b = 0; b < w.weight.extent(0); ++b)
      if (w.weight(b, k) != 0) return false;
    return true;
  };
  std::size_t first = 0;
  while (first + 1 < energies.size() && empty(first)) ++first;
  Array<double, 2> kept({w.weight.extent(0), energies.size() - first});
  for (std::size_t b = 0; b < kept.extent(0); ++b)
    for (std::size_t k = 0; k < kept.extent(1); ++k) kept(b, k) = w.weight(b, k + first);
  energies.erase(energies.begin(), energies.begin() + static_cast<std::ptrdiff_t>(first));
  w.weight = std::move(kept);
}

// [material, energy] cm^2/g
Array<double, 2> attenuation_of(const std::vector<std::string>& materials, const std::vector<double>& energies, double step) {
  Array<double, 2> attenuation({materials.size(), energies.size()});
  for (std::size_t m = 0; m < materials.size(); ++m) {
    const auto mu = cell_attenuation(find_material(materials[m]), energies, step);
    std::copy(mu.begin(), mu.end(), attenuation.block(m).begin());
  }
  return attenuation;
}

}  // namespace

CountsModel::CountsModel(const SpectralSystem& system, const std::vector<std::string>& materials, double energy_step,
                         BowtieUse bowtie) {
  check(system, materials, energy_step, bowtie);
  if (!system.bin_spectra.empty()) {
    nominal_ = weights_from_file(system, energy_step, energies_);
    drop_empty_cells(nominal_, energies_);
    sum_up(nominal_);
  } else {
    tabulate(system, energy_step);
    nominal_ = shifted(std::vector<double>(system.bins));
  }
  for (std::size_t b = 0; b < bins(); ++b)
    if (!(nominal_.total[b] > 0)) throw ConfigError("energy bin " + std::to_string(b) + " counts no photons of this spectrum");
  attenuation_ = attenuation_of(materials, energies_, energy_step);
  if (system.bowtie.empty()) return;
  bowtie_ = bowtie_of(system);
  bowtie_attenuation_ = attenuation_of(bowtie_->materials(), energies_, energy_step);
}

void CountsModel::tabulate(const SpectralSystem& system, double energy_step) {
  SpectralSystem with_response = system;
  if (!with_response.response) prepare_response(with_response, {});
  const DetectorResponse& response = *with_response.response;
  const double top = largest_energy(system);
  if (response.incident().back() < top - 1e-9)
    throw ConfigError("expected a detector response up to " + number_text(top) + " keV, got one up to " +
                      number_text(response.incident().back()) + " keV");
  energies_ = cells_up_to(top, energy_step);
  Source source = fine_source(system, energies_, energy_step);
  for (double& e : source.energies) e = std::min(e, top);  // the last cell may end above; no photons there
  const auto side = static_cast<std::size_t>(kLargestShift / kNodeStep);
  for (std::size_t k = 0; k < system.thresholds.size(); ++k)  // an upper end does not move
    table_.push_back(threshold_table(response, source, energies_.size(), system.thresholds[k], k < system.bins ? side : 0));
  thresholds_ = system.thresholds;
  movable_ = system.bins;
  const std::size_t first = first_that_matters(table_, energies_.size());
  for (auto& table : table_) drop_cells(table, first);
  energies_.erase(energies_.begin(), energies_.begin() + static_cast<std::ptrdiff_t>(first));
}

// Cubic Hermite: S(t) = h00 S0 + h10 h S0' + h01 S1 + h11 h S1'; `edge` gets -S'.
void CountsModel::counted_above(std::size_t threshold, double shift, std::span<double> value, std::span<double> edge) const {
  const Array<double, 3>& table = table_[threshold];
  const double place = shift / kNodeStep + static_cast<double>(table.extent(0) / 2);
  const std::size_t node =
      std::min(static_cast<std::size_t>(std::max(place, 0.0)), std::max<std::size_t>(table.extent(0), 2) - 2);
  const double t = place - static_cast<double>(node), h = kNodeStep;
  const std::size_t next = std::min(node + 1, table.extent(0) - 1);
  const double v0 = 1 + t * t * (2 * t - 3), v1 = t * t * (3 - 2 * t), s0 = h * t * (1 + t * (t - 2)), s1 = h * t * t * (t - 1);
  const double dv = 6 * t * (t - 1) / h, d0 = 1 + t * (3 * t - 4), d1 = t * (3 * t - 2);
  for (std::size_t k = 0; k < value.size(); ++k) {
    value[k] = v0 * table(node, 0, k) + v1 * table(next, 0, k) + s0 * table(node, 1, k) + s1 * table(next, 1, k);
    if (!edge.empty())
      edge[k] = -(dv * (table(node, 0, k) - table(next, 0, k)) + d0 * table(node, 1, k) + d1 * table(next, 1, k));
  }
}

void CountsModel::check_shift(std::span<const double> shift) const {
  if (table_.empty()) throw DataError("thresholds cannot move where the spectra of the bins come from a file");
  if (shift.size() != movable_)
    throw DataError("expected a shift for each of " + std::to_string(movable_) + " thresholds, got " +
                    std::to_string(shift.size()));
  for (std::size_t k = 0; k < movable_; ++k) {
    if (!(std::abs(shift[k]) <= kLargestShift))
      throw DataError("expected threshold shifts within +-" + number_text(kLargestShift) + " keV, got " + number_text(shift[k]) +
                      " keV of threshold " + std::to_string(k));
    const double next = k + 1 < movable_ ? shift[k + 1] : 0;
    if (k + 1 < thresholds_.size() && !(thresholds_[k] + shift[k] < thresholds_[k + 1] + next))
      throw DataError("expected thresholds that ascend, but the shifts move number " + std::to_string(k) + " beyond the next");
  }
}

BinWeights CountsModel::shifted(std::span<const double> shift) const {
  check_shift(shift);
  const std::size_t lower = movable_, energies = energies_.size();
  BinWeights out{Array<double, 2>({lower, energies}), Array<double, 2>({lower, energies}), {}, {}};
  std::vector<double> above(energies);
  for (std::size_t b = 0; b < lower; ++b) {
    counted_above(b, shift[b], above, out.edge.block(b));
    for (std::size_t k = 0; k < energies; ++k) {
      out.weight(b, k) += above[k];
      if (b > 0) out.weight(b - 1, k) -= above[k];
    }
  }
  if (table_.size() > lower) {
    counted_above(lower, 0, above, {});
    for (std::size_t k = 0; k < energies; ++k) out.weight(lower - 1, k) -= above[k];
  }
  sum_up(out);
  return out;
}

BinWeights CountsModel::behind_bowtie(const BinWeights& weights, std::span<const double> areal_density) const {
  if (areal_density.size() != bowtie_attenuation_.extent(0))
    throw DataError("expected an areal density of each of the bowtie's " + std::to_string(bowtie_attenuation_.extent(0)) +
                    " materials, got " + std::to_string(areal_density.size()));
  BinWeights out{weights.weight, weights.edge, {}, {}};
  for (std::size_t k = 0; k < energies_.size(); ++k) {
    double exponent = 0;
    for (std::size_t m = 0; m < areal_density.size(); ++m) exponent -= bowtie_attenuation_(m, k) * areal_density[m];
    const double transmitted = std::exp(exponent);
    for (std::size_t b = 0; b < out.weight.extent(0); ++b) out.weight(b, k) *= transmitted;
    for (std::size_t t = 0; t < out.edge.extent(0); ++t) out.edge(t, k) *= transmitted;
  }
  sum_up(out);
  return out;
}

}  // namespace counterflow
