// What the maps of a file should show where the densities of materials are known.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/message/message.h"

namespace counterflow {

using Densities = std::vector<std::pair<std::string, double>>;  // material, g/cm^3

// The material that a contrast map shows: "iodine" of "iodine map"; other names are their own.
std::string agent_of(const std::string& channel);

double density_of(const std::string& material, const Densities& densities);  // 0 where it is not there

// Value of one channel of a map (monoenergetic, virtual non-contrast, contrast, electron density, effective Z) in channels.unit,
// by the gadget's own formula with its default settings; nothing where `materials`, of which the densities are, do not tell.
std::optional<double> map_value(const Channels& channels, const std::string& channel, const std::vector<std::string>& materials,
                                const Densities& densities);

}  // namespace counterflow
