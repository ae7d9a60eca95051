// Maps that are sums of densities: of contrast agents, and of electrons.
#pragma once
#include <string>
#include <vector>

#include "core/gadget/channel_map.h"

namespace counterflow {

struct AgentDensity {
  static constexpr const char* kName = "ContrastMap";
  static constexpr const char* kManual =
      R"(Gives the density of contrast agents in mg/mL: the iodine map; with three materials, the K-edge map of gadolinium.

  c_m = 1000 rho_m   [mg/mL]

with rho_m the density of basis material m [g/cm^3], unchanged: not smoothed, negative where noise makes it so. One channel an
agent, named "iodine map".

  <gadget after="fbp"><dll>counterflow_maps</dll><classname>ContrastMap</classname>
    <property name="contrast" value="iodine"/></gadget>
)";

  std::vector<std::string> contrast{"iodine"};

  void describe(PropertyVisitor& v) { v("contrast", contrast, {.unit = "", .text = "Materials of the image that are shown."}); }
  void check() const;
  std::size_t results() const { return contrast.size(); }
  ChannelMix mix(const std::vector<std::string>& materials) const;
};

struct Electrons {
  static constexpr const char* kName = "ElectronDensity";
  static constexpr const char* kManual =
      R"(Gives the electron density of material images, relative to that of water or in 10^23 electrons a cm^3.

  rho_e = sum_m rho_m N_m / N_water,      N = sum over elements of mass fraction Z / A   [mol/g]

with rho_m the density of material m [g/cm^3] and its composition by xraylib; N_water is of water of 1 g/cm^3 (3.343e23/cm^3).

  <gadget after="fbp"><dll>counterflow_maps</dll><classname>ElectronDensity</classname></gadget>
)";

  std::string unit = "1";  // or 10^23/cm^3

  void describe(PropertyVisitor& v) {
    v("unit", unit, {.unit = "", .text = "1: relative to water; or 10^23/cm^3.", .choices = {"1", "10^23/cm^3"}});
  }
  void check() const {}
  std::size_t results() const { return 1; }
  ChannelMix mix(const std::vector<std::string>& materials) const;
};

template <class Real>
using ContrastMap = ChannelMap<Real, AgentDensity>;
template <class Real>
using ElectronDensity = ChannelMap<Real, Electrons>;

}  // namespace counterflow
