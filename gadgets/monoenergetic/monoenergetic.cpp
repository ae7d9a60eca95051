#include "gadgets/monoenergetic/monoenergetic.h"

#include "core/physics/material.h"

namespace counterflow {

void Monoenergetic::check() const {
  if (energies.empty()) throw ConfigError("MonoenergeticImage: property 'energies': expected at least one energy, got none");
}

ChannelMix Monoenergetic::mix(const std::vector<std::string>& materials) const {
  const bool hounsfield = unit == "HU";
  ChannelMix out{{"monoenergetic", unit, {}}, Array<double, 2>({energies.size(), materials.size()}), hounsfield ? -1000.0 : 0.0};
  for (double e : energies) out.channels.names.push_back(number_text(e) + " keV");
  const std::vector<double> water = mass_attenuation(find_material("water"), energies);
  for (std::size_t m = 0; m < materials.size(); ++m) {
    const std::vector<double> mu = mass_attenuation(find_material(materials[m]), energies);
    for (std::size_t e = 0; e < energies.size(); ++e) out.weight(e, m) = hounsfield ? 1000 * mu[e] / water[e] : mu[e];
  }
  return out;
}

}  // namespace counterflow
