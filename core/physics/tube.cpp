#include "core/physics/tube.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>

#include "core/error.h"
#include "core/physics/material.h"
#include "core/physics/spectrum_file.h"
#include "core/text.h"

namespace counterflow {
namespace {

// exp(-mu rho t): mu [cm^2/g], density [g/cm^3], thickness [mm].
std::vector<double> transmission(const Material& material, double thickness, const std::vector<double>& energies) {
  std::vector<double> out = mass_attenuation(material, energies);
  for (double& v : out) v = std::exp(-v * material.density * thickness * 0.1);
  return out;
}

// Width of the cell of each energy: half the distance between its neighbours.
double cell_width(const std::vector<double>& energies, std::size_t k) {
  const std::size_t low = k == 0 ? 0 : k - 1, high = std::min(k + 1, energies.size() - 1);
  return (energies[high] - energies[low]) / static_cast<double>(high - low);
}

// Adds `photons` of one energy to a density: shared between the two nodes around it in inverse proportion to their distance, so
// that photons and their mean energy are conserved on any equidistant grid.
void add_line(double energy, double photons, const std::vector<double>& energies, std::vector<double>& density) {
  if (energies.size() < 2 || energy < energies.front() || energy > energies.back()) return;
  const auto above = std::upper_bound(energies.begin(), energies.end() - 1, energy) - energies.begin();
  const auto k = static_cast<std::size_t>(above) - 1;
  const double f = (energy - energies[k]) / (energies[k + 1] - energies[k]);
  density[k] += (1 - f) * photons / cell_width(energies, k);
  density[k + 1] += f * photons / cell_width(energies, k + 1);
}

// Bremsstrahlung behind the tungsten and aluminium of the tube, photons/(keV mA mm^2 s) at 1 m. The scale and its dependence on
// the voltage are fitted to the spectra of XCIST (target angle 7 degrees, 80-140 kV).
std::vector<double> bremsstrahlung(double voltage, const std::vector<double>& energies) {
  std::vector<double> out(energies.size());
  const double scale = 52622 * std::pow(120 / voltage, 0.7);
  const auto tungsten = transmission(find_material("tungsten"), 0.020, energies);
  const auto aluminium = transmission(find_material("aluminium"), 4.5, energies);
  for (std::size_t k = 0; k < out.size(); ++k)
    if (energies[k] < voltage) out[k] = scale * std::pow(voltage / energies[k] - 1, 0.9) * tungsten[k] * aluminium[k];
  return out;
}

// Photons of the continuum, by its own grid of 0.25 keV, so that the lines do not depend on the caller's grid.
double continuum_photons(double voltage) {
  std::vector<double> energies;
  for (double e = 1.125; e < voltage; e += 0.25) energies.push_back(e);
  double sum = 0;
  for (double v : bremsstrahlung(voltage, energies)) sum += 0.25 * v;
  return sum;
}

}  // namespace

std::vector<double> tube_spectrum(double voltage, const std::vector<double>& energies) {
  if (!(voltage >= 10 && voltage <= 300))
    throw ConfigError("expected a tube voltage of 10 to 300 kV, got " + number_text(voltage) +
                      "; give a spectrum file for others");
  std::vector<double> out = bremsstrahlung(voltage, energies);
  constexpr double kTungstenEdge = 69.525;  // [keV]
  if (voltage <= kTungstenEdge) return out;
  // Yield of the K lines over that of the continuum, fitted to XCIST at 100, 120 and 140 kV (0.061, 0.099, 0.122).
  const double photons = 0.123 * std::pow(voltage / kTungstenEdge - 1, 0.8) * continuum_photons(voltage);
  const std::pair<double, double> lines[] = {{57.98, 0.289}, {59.32, 0.502}, {67.2, 0.164}, {69.1, 0.039}};
  for (const auto& [energy, share] : lines) add_line(energy, photons * share / 0.994, energies, out);
  return out;
}

std::vector<std::pair<std::string, double>> parse_filters(const std::string& text) {
  std::vector<std::pair<std::string, double>> out;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ';');) {
    const auto parts = words(part);
    if (parts.empty()) continue;
    double thickness = -1;
    const std::string& last = parts.back();
    const auto [end, error] = std::from_chars(last.data(), last.data() + last.size(), thickness);
    if (parts.size() != 2 || error != std::errc() || end != last.data() + last.size() || !(thickness >= 0 && thickness < 1e6))
      throw ConfigError("expected filters as 'Al 3.0; Ti 0.9' (material, mm), got '" + joined(parts, " ") + "'");
    if (!(find_material(parts[0]).density > 0))
      throw ConfigError("the density of the filter '" + parts[0] + "' is not known; use an element or a ready material");
    out.emplace_back(parts[0], thickness);
  }
  return out;
}

std::vector<double> source_spectrum(const SpectralSystem& system, const std::vector<double>& energies) {
  std::vector<double> out;
  if (system.spectrum.empty()) {
    out = tube_spectrum(system.tube_voltage, energies);
  } else {
    const SpectrumTable table = parse_spectrum(named_file(system, system.spectrum, "spectrum"), system.spectrum, 1);
    const double step = energies.size() > 1 ? energies[1] - energies[0] : 1;
    out = rebinned(table, 0, energies, step);
    for (double& v : out) v /= step;
  }
  for (const auto& [name, thickness] : parse_filters(system.filters)) {
    const auto filter = transmission(find_material(name), thickness, energies);
    for (std::size_t k = 0; k < out.size(); ++k) out[k] *= filter[k];
  }
  return out;
}

}  // namespace counterflow
