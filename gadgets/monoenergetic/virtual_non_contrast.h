// Virtual non-contrast images: the monoenergetic image of what is left when contrast agents are taken out.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "core/gadget/channel_map.h"

namespace counterflow {

struct WithoutContrast {
  static constexpr const char* kName = "VirtualNonContrast";
  static constexpr const char* kManual =
      R"(Makes virtual non-contrast images of material images: monoenergetic images without the contrast agent.

  HU(E) = 1000 (sum over m, without the agents, of mu_m(E) rho_m) / mu_water(E) - 1000

with rho_m the density of material m [g/cm^3] and mu_m its mass attenuation [cm^2/g]. Nothing replaces the agent: as a solute it is
taken to add its mass to the water and no volume, as the simulator's "water+5mg/mL*iodine" does. The agents are materials of the
basis; what else looks like them (bone in water and iodine) goes with them. One channel an energy.

  <gadget after="fbp"><dll>counterflow_monoenergetic</dll><classname>VirtualNonContrast</classname>
    <property name="contrast" value="iodine"/><property name="energies" value="70"/></gadget>
)";

  std::vector<double> energies{70};             // [keV]
  std::vector<std::string> contrast{"iodine"};  // what is taken out

  void describe(PropertyVisitor& v) {
    v("contrast", contrast, {.unit = "", .text = "Materials of the image that are taken out."});
    v("energies", energies, {.unit = "keV", .text = "Energies, one channel each.", .min = 40, .max = 190});
  }
  void check() const;
  std::size_t results() const { return energies.size(); }
  ChannelMix mix(const std::vector<std::string>& materials) const;
};

template <class Real>
using VirtualNonContrast = ChannelMap<Real, WithoutContrast>;

}  // namespace counterflow
