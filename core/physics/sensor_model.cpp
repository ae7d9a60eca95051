#include "core/physics/sensor_model.h"

#include <xraylib.h>

#include <cmath>

#include "core/error.h"
#include "core/physics/material.h"
#include "core/text.h"

namespace counterflow {
namespace {

constexpr double kStep = 0.1;         // [keV] of the tables
constexpr double kLowest = 1;         // [keV]; below, attenuation is taken as that of 1 keV
constexpr double kLocalEdge = 15;     // [keV] K photons of lower edges end where they began
constexpr double kThermal = 0.02585;  // kT/q at 300 K [V]

struct Kind {
  const char* name;
  const char* material;
  double pair_energy;  // [keV]
};
constexpr Kind kKinds[] = {{"CdTe", "cdte", 4.43e-3}, {"CZT", "czt", 4.6e-3}, {"Si", "silicon", 3.61e-3}};

const Kind& kind_of(const std::string& name) {
  for (const Kind& kind : kKinds)
    if (name == kind.name) return kind;
  throw ConfigError("expected a sensor of CdTe, CZT or Si, got '" + name + "'" + did_you_mean(name, {"CdTe", "CZT", "Si"}));
}

Fluorescence fluorescence_of(int z) {
  Fluorescence f;
  f.edge = EdgeEnergy(z, K_SHELL, nullptr);
  if (f.edge > kLocalEdge) f.probability = (1 - 1 / JumpFactor(z, K_SHELL, nullptr)) * FluorYield(z, K_SHELL, nullptr);
  f.alpha = LineEnergy(z, KA_LINE, nullptr);
  f.beta = LineEnergy(z, KB_LINE, nullptr);
  f.alpha_share = RadRate(z, KA_LINE, nullptr);
  return f;
}

void check(const Sensor& s) {
  const auto positive = [](double v, const char* what, double limit) {
    if (!(v > 0 && v <= limit))
      throw ConfigError(std::string("expected ") + what + " above 0 and at most " + number_text(limit) + ", got " +
                        number_text(v));
  };
  positive(s.thickness, "a sensor thickness [mm]", 1000);
  positive(s.pixel_columns, "a pixel size along columns [mm]", 100);
  positive(s.pixel_rows, "a pixel size along rows [mm]", 100);
  positive(s.voltage, "a bias [V]", 1e6);
  if (!(s.noise >= 0.5 && s.noise <= 20))
    throw ConfigError("expected electronic noise of 0.5 to 20 keV rms, got " + number_text(s.noise));
}

}  // namespace

SensorModel::SensorModel(const Sensor& sensor, double max_energy) : sensor_(sensor) {
  check(sensor);
  const Kind& kind = kind_of(sensor.material);
  const Material material = find_material(kind.material);
  edge_on_ = sensor.material == "Si";
  density_ = material.density;
  pair_energy_ = kind.pair_energy;
  const auto count = static_cast<std::size_t>(std::ceil(max_energy / kStep)) + 2;
  const std::size_t parts = material.composition.size();
  table_ = Array<double, 2>({parts + 1, count});
  for (std::size_t p = 0; p < parts; ++p) {
    const auto& [z, fraction] = material.composition[p];
    fluorescence_.push_back(fluorescence_of(z));
    for (std::size_t k = 0; k < count; ++k) {
      const double energy = std::max(kLowest, kStep * static_cast<double>(k));
      table_(p, k) = fraction * density_ * 0.1 * CS_Photo(z, energy, nullptr);
      table_(parts, k) += fraction * density_ * 0.1 * CS_Compt(z, energy, nullptr);
    }
  }
}

double SensorModel::at(double energy, std::size_t column) const {
  const double place = energy / kStep;
  const auto k = static_cast<std::size_t>(place);
  const double t = place - static_cast<double>(k);
  return (1 - t) * table_(column, k) + t * table_(column, k + 1);
}

double SensorModel::total(double energy) const {
  double sum = 0;
  for (std::size_t c = 0; c <= elements(); ++c) sum += at(energy, c);
  return sum;
}

// Range: Katz and Penfold (1952), 0.412 E^(1.265 - 0.0954 ln E) g/cm^2, E in MeV.
double SensorModel::cloud(double deposit, double drift) const {
  const double length = edge_on_ ? sensor_.pixel_columns : sensor_.thickness;
  const double diffusion = 2 * kThermal * length * drift / sensor_.voltage;
  const double log_mev = std::log(deposit * 1e-3);
  const double range = 10 / density_ * 0.412 * std::exp((1.265 - 0.0954 * log_mev) * log_mev);
  constexpr double kRangeToRms = 0.5;
  return std::sqrt(diffusion + kRangeToRms * kRangeToRms * range * range);
}

}  // namespace counterflow
