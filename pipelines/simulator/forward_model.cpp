#include "pipelines/simulator/forward_model.h"

#include <algorithm>
#include <numeric>

#include "core/chebyshev.h"
#include "core/geometry/ray.h"
#include "core/kernel.h"
#include "core/message/bowtie_rays.h"
#include "core/physics/count_pairs.h"
#include "pipelines/simulator/transmission_kernel.h"

namespace counterflow {
namespace {

constexpr std::size_t kDegrees = 12;  // Chebyshev polynomials over the range of all shifts

// Place i of n equal cells of a width, from the middle.
double cell(std::int64_t i, std::int64_t n, double width) {
  return width * ((static_cast<double>(i) + 0.5) / static_cast<double>(n) - 0.5);
}

// out[row] = sum_e spectra[row][e] transmission[e]; nothing for no spectra.
void detect_into(const Array<double, 2>& spectra, const std::vector<double>& transmission, std::span<double> out) {
  choose(kernel_baseline::detect, kernel_avx2::detect, kernel_avx512::detect)(
      spectra.data(), spectra.extent(0), transmission.size(), transmission.data(), out.data());
}

// Of all bins together; behind a bowtie, at its middle.
double total_of(const CountsModel& model) {
  const BinWeights& nominal = model.nominal();
  const std::vector<double> total =
      model.bowtie() ? model.behind_bowtie(nominal, model.bowtie()->areal_density(0)).total : nominal.total;
  return std::accumulate(total.begin(), total.end(), 0.0);
}

// [material, energy] of the phantom's materials, then the bowtie's.
Array<double, 2> all_attenuation(const CountsModel& model) {
  const Array<double, 2>&phantom = model.attenuation(), &bowtie = model.bowtie_attenuation();
  Array<double, 2> all({phantom.extent(0) + bowtie.extent(0), model.energies().size()});
  std::copy(bowtie.begin(), bowtie.end(), std::copy(phantom.begin(), phantom.end(), all.begin()));
  return all;
}

}  // namespace

struct ForwardModel::Workspace {
  explicit Workspace(const ForwardModel& model)
      : areal(model.attenuation_.extent(0)),
        exponent(model.model_.energies().size()),
        transmission(exponent.size()),
        detected(model.model_.bins() * kDegrees) {
    present.reserve(areal.size());
  }
  RayWorkspace ray;
  std::vector<double> areal;  // [material] of the phantom (0 in air views), then of the bowtie
  std::vector<double> exponent, transmission, detected;
  std::vector<std::size_t> present;
};

struct ForwardModel::Spectra {
  std::vector<double> own;  // [module or 1, bin, energy], unless `shared` points to a table of the model
  const std::vector<double>* shared = nullptr;
  bool by_module = false;
  const std::vector<double>& values() const { return shared ? *shared : own; }
};

ForwardModel::ForwardModel(const Scenario& scenario)
    : scenario_(scenario),
      model_(scenario.header.system, scenario.phantom.materials, scenario.sampling.energy_step, BowtieUse::applied),
      attenuation_(all_attenuation(model_)),
      drift_(scenario, model_.has_thresholds() ? model_.largest_shift() : 0),
      shared_rows_(scenario.phantom.painting.z_invariant() &&
                   (scenario.header.geometry.is_fan() || scenario.header.geometry.beam == Beam::parallel)),
      counts_per_weight_(scenario.acquisition.open_beam_counts / total_of(model_)) {
  if (drift_.by_pixel()) tabulate_shifts();
  else if (!drift_.in_time()) fixed_spectra_ = spectra_at(0, false).own;
  const SpectralSystem& system = scenario.header.system;
  if (scenario.dead_time > 0)
    pile_up_.emplace(system, model_.energies(), scenario.sampling.energy_step,
                     system.thresholds.empty() ? 0 : system.thresholds.front() + drift_.range().first,
                     system.thresholds.empty() ? 0 : system.thresholds.back() + drift_.range().second);
  if (scenario.acquisition.correlated) pairs_ = pair_spectra(system, model_.energies(), scenario.sampling.energy_step);
  air_ = view(0, 0, 0, true);
}

double ForwardModel::source_angle(std::size_t view) const {
  const ScanGeometry& g = scenario_.header.geometry;
  return g.first_angle + g.angle_step * static_cast<double>(view);
}

ExpectedView ForwardModel::object_view(std::size_t index) const {
  const ScanGeometry& g = scenario_.header.geometry;
  const std::size_t last = g.views - 1;
  return view(source_angle(index), g.table_position(static_cast<double>(index)),
              last == 0 ? 0 : static_cast<double>(index) / static_cast<double>(last), false);
}

ExpectedView ForwardModel::view(double angle, double table_position, double time, bool air) const {
  const ScanGeometry& g = scenario_.header.geometry;
  ExpectedView out{Array<double, 3>({model_.bins(), g.rows, g.columns}), {}, {}};
  Workspace w(*this);
  const Spectra spectra = drift_.by_pixel() ? Spectra{} : spectra_at(time, air);
  const std::size_t alike = shared_rows_ || (air && air_shares_rows()) ? g.rows : 1;  // rows that one transmission serves
  Array<double, 3> pulses;                                                            // [row or 1,column,channel]
  if (pile_up_) pulses = Array<double, 3>({g.rows / alike, g.columns, pile_up_->spectra().extent(0)});
  if (!pairs_.empty()) out.pairs = Array<double, 3>({g.rows / alike, g.columns, pairs_.extent(0)});
  for (std::size_t column = 0; column < g.columns; ++column)
    for (std::size_t row = 0; row < g.rows; row += alike) {
      transmit(angle, table_position, row, column, air, w);
      if (drift_.by_pixel()) detect_by_pixel(row, row + alike, column, time, air, w, out.counts);
      else detect_alike(row, row + alike, column, spectra, w, out.counts);
      if (pile_up_) detect_into(pile_up_->spectra(), w.transmission, pulses.block(row / alike, column));
      if (!pairs_.empty()) detect_into(pairs_, w.transmission, out.pairs.block(row / alike, column));
    }
  scale(air, out, pulses);
  if (pile_up_) pile_up(pulses, time, air, out);
  return out;
}

// From weights to counts, scatter included: a pair or a pulse gets that of its bins.
void ForwardModel::scale(bool air, ExpectedView& view, Array<double, 3>& pulses) const {
  const Acquisition& a = scenario_.acquisition;
  const std::size_t bins = model_.bins();
  const auto scale_of = [&](std::size_t bin) {
    const double scatter = air || scenario_.scatter.empty() ? 0 : scenario_.scatter[bin];
    return counts_per_weight_ * (air ? a.air_exposure : a.exposure) * (1 + scatter);
  };
  for (std::size_t b = 0; b < bins; ++b)
    for (double& v : view.counts.block(b)) v = std::max(0.0, v * scale_of(b));
  for (std::size_t i = 0; i < view.pairs.size(); ++i) view.pairs[i] *= (scale_of(i % bins) + scale_of(i / bins % bins)) / 2;
  for (std::size_t i = 0; i < pulses.size(); ++i) pulses[i] *= scale_of(pile_up_->bins_of_channels()[i % pulses.extent(2)]);
}

void ForwardModel::pile_up(const Array<double, 3>& pulses, double time, bool air, ExpectedView& view) const {
  const auto [bins, rows, columns] = view.counts.shape();
  view.spread = Array<double, 2>({rows, columns});
  const ScanGeometry& g = scenario_.header.geometry;
  const double dead_time = 1e-9 * scenario_.dead_time * static_cast<double>(g.views_per_rotation) / g.rotation_time;
  std::vector<double> counts(bins), thresholds = scenario_.header.system.thresholds;
  const bool alike = pulses.extent(0) == 1 && !drift_.by_pixel();
  for (std::size_t c = 0; c < columns; ++c) {
    const std::size_t module = scenario_.header.module_of(c);
    for (std::size_t r = 0; r < rows; ++r) {
      if (!alike || r == 0) {
        for (std::size_t b = 0; b < bins; ++b) {
          counts[b] = view.counts(b, r, c);
          const double shift = drift_.any() ? drift_.module_shift(b, module, time, air) : 0;
          thresholds[b] =
              scenario_.header.system.thresholds[b] + shift + (drift_.by_pixel() ? drift_.pixel_shift(b, r, c, air) : 0);
        }
        view.spread(r, c) = pile_up_->record(pulses.block(pulses.extent(0) == 1 ? 0 : r, c), thresholds, dead_time, counts);
      } else {
        view.spread(r, c) = view.spread(0u, c);
      }
      for (std::size_t b = 0; b < bins; ++b) view.counts(b, r, c) = counts[b];
    }
  }
}

void ForwardModel::transmit(double angle, double table_position, std::size_t row, std::size_t column, bool air,
                            Workspace& w) const {
  if (air && !model_.bowtie()) return std::fill(w.transmission.begin(), w.transmission.end(), 1.0);
  const Sampling& s = scenario_.sampling;
  const ScanGeometry& g = scenario_.header.geometry;
  const std::int64_t row_rays = shared_rows_ ? 1 : s.row_rays;
  const double weight = 1 / static_cast<double>(s.column_rays * row_rays * s.spot_rays);
  const auto phantom_materials = static_cast<std::ptrdiff_t>(model_.materials());
  std::fill(w.transmission.begin(), w.transmission.end(), 0.0);
  const auto add = choose(kernel_baseline::add_transmission, kernel_avx2::add_transmission, kernel_avx512::add_transmission);
  for (std::int64_t p = 0; p < s.spot_rays; ++p)
    for (std::int64_t i = 0; i < row_rays; ++i)
      for (std::int64_t j = 0; j < s.column_rays; ++j) {
        const double to_column = static_cast<double>(column) + cell(j, s.column_rays, 1),
                     to_row = static_cast<double>(row) + cell(i, row_rays, 1);
        const Ray ray = ray_of(g, angle, to_column, to_row, cell(p, s.spot_rays, s.spot_width), table_position);
        if (!air) scenario_.phantom.painting.integrate(ray, w.ray, std::span(w.areal).first(model_.materials()));
        if (model_.bowtie())
          std::ranges::copy(bowtie_density(*model_.bowtie(), g, to_column, to_row), w.areal.begin() + phantom_materials);
        w.present.clear();
        for (std::size_t m = 0; m < w.areal.size(); ++m)
          if (w.areal[m] != 0) w.present.push_back(m);
        add(attenuation_.data(), w.exponent.size(), w.areal.data(), w.present.data(), w.present.size(), weight, w.exponent.data(),
            w.transmission.data());
      }
}

ForwardModel::Spectra ForwardModel::spectra_at(double time, bool air) const {
  if (!air && !fixed_spectra_.empty()) return {{}, &fixed_spectra_, drift_.any()};
  if (!drift_.any()) return {model_.nominal().weight.values(), nullptr, false};
  Spectra spectra{{}, nullptr, true};
  std::vector<double> shift(drift_.thresholds());
  for (std::size_t module = 0; module < scenario_.header.modules; ++module) {
    for (std::size_t k = 0; k < shift.size(); ++k) shift[k] = drift_.module_shift(k, module, time, air);
    const BinWeights weights = model_.shifted(shift);
    spectra.own.insert(spectra.own.end(), weights.weight.begin(), weights.weight.end());
  }
  return spectra;
}

void ForwardModel::detect_alike(std::size_t first_row, std::size_t last_row, std::size_t column, const Spectra& spectra,
                                Workspace& w, Array<double, 3>& out) const {
  const std::size_t bins = model_.bins(), energies = w.transmission.size();
  const std::size_t module = spectra.by_module ? scenario_.header.module_of(column) : 0;
  choose(kernel_baseline::detect, kernel_avx2::detect, kernel_avx512::detect)(
      spectra.values().data() + module * bins * energies, bins, energies, w.transmission.data(), w.detected.data());
  for (std::size_t b = 0; b < bins; ++b)
    for (std::size_t row = first_row; row < last_row; ++row) out(b, row, column) = w.detected[b];
}

// S(E; T_k + shift), the spectrum above a threshold up to the last bin's end, is the sum of the bins from k on; all thresholds
// moved alike give it at one shift, and Chebyshev's nodes over the range of shifts give its polynomial.
void ForwardModel::tabulate_shifts() {
  const std::size_t bins = model_.bins(), energies = model_.energies().size();
  const auto [low, high] = drift_.range();
  polynomials_.assign(bins * kDegrees * energies, 0.0);
  for (std::size_t node = 0; node < kDegrees; ++node) {
    const std::vector<double> shift(bins, (low + high) / 2 + (high - low) / 2 * chebyshev_node(node, kDegrees));
    const BinWeights weights = model_.shifted(shift);
    std::vector<double> above(energies, 0.0);
    for (std::size_t k = bins; k-- > 0;) {
      for (std::size_t e = 0; e < energies; ++e) above[e] += weights.weight(k, e);
      for (std::size_t j = 0; j < kDegrees; ++j) {
        const double factor = chebyshev_weight(j, node, kDegrees);
        double* coefficient = polynomials_.data() + (k * kDegrees + j) * energies;
        for (std::size_t e = 0; e < energies; ++e) coefficient[e] += factor * above[e];
      }
    }
  }
}

void ForwardModel::detect_by_pixel(std::size_t first_row, std::size_t last_row, std::size_t column, double time, bool air,
                                   Workspace& w, Array<double, 3>& out) const {
  const std::size_t bins = model_.bins(), module = scenario_.header.module_of(column);
  const auto [low, high] = drift_.range();
  choose(kernel_baseline::detect, kernel_avx2::detect, kernel_avx512::detect)(
      polynomials_.data(), bins * kDegrees, w.transmission.size(), w.transmission.data(), w.detected.data());
  for (std::size_t row = first_row; row < last_row; ++row) {
    double above_next = 0;
    for (std::size_t k = bins; k-- > 0;) {
      const double shift = drift_.module_shift(k, module, time, air) + drift_.pixel_shift(k, row, column, air);
      const double above = chebyshev({w.detected.data() + k * kDegrees, kDegrees}, (2 * shift - low - high) / (high - low));
      out(k, row, column) = above - above_next;
      above_next = above;
    }
  }
}

}  // namespace counterflow
