#include "pipelines/counterflow/import_spectra.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/archive/header_parameters.h"
#include "core/error.h"
#include "core/physics/material.h"
#include "core/physics/tube.h"
#include "core/text.h"

namespace counterflow {
namespace {

// Densities [g/cm^3] of sensors that are compounds: caesium iodide, gadolinium oxysulphide, cadmium telluride.
double density_of(const Material& material, const std::string& name) {
  if (material.density > 0) return material.density;
  if (name == "CsI") return 4.51;
  if (name == "Gd2O2S") return 7.34;
  if (name == "CdTe") return 5.85;
  return 0;
}

struct Absorber {
  bool integrating = false;
  Material material;
  double density = 0, thickness = 0;  // [g/cm^3], [mm]
};

Absorber absorber_of(const BinSpectrum& bin) {
  const auto refuse = [&](const std::string& why) {
    return ConfigError(bin.where + ": <bin>: detector: expected 'integrating CsI 0.6' or 'counting CdTe 1.6' (material, mm" +
                       ", and g/cm^3 where it is not known), got '" + bin.detector + "'" + why);
  };
  const auto parts = words(bin.detector);
  if (parts.size() < 3 || parts.size() > 4 || (parts[0] != "integrating" && parts[0] != "counting")) throw refuse("");
  Absorber a;
  a.integrating = parts[0] == "integrating";
  a.material = find_material(parts[1]);
  a.thickness = finite_number(parts[2]).value_or(0);
  a.density = parts.size() == 4 ? finite_number(parts[3]).value_or(0) : density_of(a.material, parts[1]);
  if (!(a.thickness > 0)) throw refuse("");
  if (!(a.density > 0)) throw refuse(": the density of " + parts[1] + " is not known");
  return a;
}

// exp(sign mu rho t) of filters.
void multiply_filters(std::vector<double>& spectrum, const std::string& filters, double sign,
                      const std::vector<double>& energies) {
  for (const auto& [name, thickness] : parse_filters(filters)) {
    const Material material = find_material(name);
    const auto mu = mass_attenuation(material, energies);
    for (std::size_t k = 0; k < energies.size(); ++k) spectrum[k] *= std::exp(-sign * mu[k] * material.density * thickness * 0.1);
  }
}

std::vector<double> detected(const BinSpectrum& bin, const std::vector<double>& energies) {
  if (bin.voltage == 0) throw ConfigError(bin.where + ": <bin> needs voltage=\"...\" and detector=\"...\"");
  const Absorber a = absorber_of(bin);
  std::vector<double> s = tube_spectrum(bin.voltage, energies);
  if (!bin.inherent.empty()) {
    multiply_filters(s, "Al 4.5", -1, energies);  // what the tube model has already
    multiply_filters(s, bin.inherent, 1, energies);
  }
  multiply_filters(s, bin.filters, 1, energies);
  const auto mu = mass_attenuation(a.material, energies);
  for (std::size_t k = 0; k < energies.size(); ++k) {
    if (energies[k] > bin.voltage) s[k] = 0;
    s[k] *= -std::expm1(-mu[k] * a.density * a.thickness * 0.1) * (a.integrating ? energies[k] : 1);
  }
  const double sum = std::accumulate(s.begin(), s.end(), 0.0);
  for (double& v : s) v /= sum;
  return s;
}

}  // namespace

std::string effective_spectra(const std::vector<BinSpectrum>& bins) {
  double highest = 0;
  std::string text = "# effective spectra: keV, then a column a bin (share of what the detector records)\n";
  for (const BinSpectrum& bin : bins) {
    highest = std::max(highest, bin.voltage);
    text += "# " + number_text(bin.voltage) + " kV, filters '" + bin.filters + "', inherent '" +
            (bin.inherent.empty() ? "Al 4.5" : bin.inherent) + "', " + bin.detector + "\n";
  }
  std::vector<double> energies;
  for (double e = 5.5; e < highest; e += 1) energies.push_back(e);
  std::vector<std::vector<double>> columns;
  for (const BinSpectrum& bin : bins) columns.push_back(detected(bin, energies));
  for (std::size_t k = 0; k < energies.size(); ++k) {
    text += number_text(energies[k]);
    for (const auto& column : columns) text += " " + number_text(column[k]);
    text += "\n";
  }
  return text;
}

}  // namespace counterflow
