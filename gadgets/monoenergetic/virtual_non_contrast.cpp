#include "gadgets/monoenergetic/virtual_non_contrast.h"

#include "gadgets/monoenergetic/monoenergetic.h"

namespace counterflow {

void WithoutContrast::check() const {
  if (energies.empty()) throw ConfigError("VirtualNonContrast: property 'energies': expected at least one energy, got none");
  if (contrast.empty()) throw ConfigError("VirtualNonContrast: property 'contrast': expected at least one material, got none");
}

ChannelMix WithoutContrast::mix(const std::vector<std::string>& materials) const {
  ChannelMix out = Monoenergetic{energies, "HU"}.mix(materials);
  out.channels.quantity = "virtual_non_contrast";
  for (std::string& name : out.channels.names) name += " without " + joined(contrast, ", ");
  for (const std::string& agent : contrast) {
    const std::size_t m = channel_of(agent, materials, kName);
    for (std::size_t e = 0; e < energies.size(); ++e) out.weight(e, m) = 0;
  }
  return out;
}

}  // namespace counterflow
