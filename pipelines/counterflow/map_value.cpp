#include "pipelines/counterflow/map_value.h"

#include <algorithm>

#include "core/archive/image_meta.h"
#include "core/text.h"
#include "gadgets/maps/effective_z.h"
#include "gadgets/maps/linear_maps.h"
#include "gadgets/monoenergetic/monoenergetic.h"
#include "gadgets/monoenergetic/virtual_non_contrast.h"

namespace counterflow {
namespace {

// The agents of "70 keV without iodine, gadolinium" that are among the materials: the truth has none of the others.
std::vector<std::string> agents_of(const std::string& channel, const std::vector<std::string>& materials) {
  const std::string without = " without ";
  const auto at = channel.find(without);
  std::string list = at == std::string::npos ? "" : channel.substr(at + without.size());
  std::ranges::replace(list, ',', ' ');
  std::vector<std::string> agents = words(list);
  std::erase_if(agents, [&](const std::string& agent) { return std::ranges::find(materials, agent) == materials.end(); });
  return agents;
}

}  // namespace

std::string agent_of(const std::string& channel) { return channel.substr(0, channel.rfind(" map")); }

double density_of(const std::string& material, const Densities& densities) {
  for (const auto& [name, density] : densities)
    if (name == material) return density;
  return 0;
}

std::optional<double> map_value(const Channels& channels, const std::string& channel, const std::vector<std::string>& materials,
                                const Densities& densities) {
  if (materials.empty()) return std::nullopt;
  std::vector<double> rho;
  for (const std::string& material : materials) rho.push_back(density_of(material, densities));
  const std::string& quantity = channels.quantity;
  if (quantity == "electron_density") return Electrons{channels.unit}.mix(materials).value(0, rho);
  if (quantity == "effective_z") return PowerLaw(materials).value(rho.data(), nullptr);
  if (quantity == "concentration") {
    const std::string agent = agent_of(channel);
    if (std::ranges::find(materials, agent) == materials.end()) return std::nullopt;
    return AgentDensity{{agent}}.mix(materials).value(0, rho);
  }
  const auto kev = kev_of(channel);
  if (!kev) return std::nullopt;
  if (quantity == "monoenergetic") return Monoenergetic{{*kev}, channels.unit}.mix(materials).value(0, rho);
  if (quantity == "virtual_non_contrast")
    return WithoutContrast{{*kev}, agents_of(channel, materials)}.mix(materials).value(0, rho);
  return std::nullopt;
}

}  // namespace counterflow
