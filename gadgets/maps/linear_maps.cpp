#include "gadgets/maps/linear_maps.h"

#include "core/physics/material.h"

namespace counterflow {
namespace {

constexpr double kAvogadro = 6.02214076;  // [1e23/mol]

}  // namespace

void AgentDensity::check() const {
  if (contrast.empty()) throw ConfigError("ContrastMap: property 'contrast': expected at least one material, got none");
}

ChannelMix AgentDensity::mix(const std::vector<std::string>& materials) const {
  ChannelMix out{{"concentration", "mg/mL", {}}, Array<double, 2>({contrast.size(), materials.size()}), 0};
  for (std::size_t k = 0; k < contrast.size(); ++k) {
    out.channels.names.push_back(contrast[k] + " map");
    out.weight(k, channel_of(contrast[k], materials, kName)) = 1000;
  }
  return out;
}

ChannelMix Electrons::mix(const std::vector<std::string>& materials) const {
  ChannelMix out{{"electron_density", unit, {"electron density"}}, Array<double, 2>({1, materials.size()}), 0};
  const double scale = unit == "1" ? 1 / electron_moment(find_material("water"), 0) : kAvogadro;
  for (std::size_t m = 0; m < materials.size(); ++m) out.weight(0, m) = scale * electron_moment(find_material(materials[m]), 0);
  return out;
}

}  // namespace counterflow
