// Virtual monoenergetic images: what a source of a single energy would have shown.
//   mu(E) = sum_m mu_m(E) rho_m   [1/cm],      HU = 1000 (mu(E) - mu_water(E)) / mu_water(E)
// rho_m density [g/cm^3], mu_m mass attenuation [cm^2/g], mu_water of water of 1 g/cm^3. The materials are the names of the
// image's channels.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "core/gadget/channel_map.h"

namespace counterflow {

struct Monoenergetic {
  static constexpr const char* kName = "MonoenergeticImage";
  static constexpr const char* kManual =
      R"(Makes virtual monoenergetic images of material images: what a source of a single energy would have shown.

  mu(E) = sum_m mu_m(E) rho_m   [1/cm],      HU = 1000 (mu(E) - mu_water(E)) / mu_water(E)

with rho_m the density of material m [g/cm^3] and mu_m its mass attenuation [cm^2/g]; mu_water is that of water of 1 g/cm^3. One
channel an energy. With after="..." it stands beside the material images, which then go on too. Where these have a covariance (noise
of the reconstruction), so have the monoenergetic images.

  <gadget after="fbp"><dll>counterflow_monoenergetic</dll><classname>MonoenergeticImage</classname>
    <property name="energies" value="50 70 120"/></gadget>
)";

  std::vector<double> energies{70};  // [keV]
  std::string unit = "HU";           // or 1/cm

  void describe(PropertyVisitor& v) {
    v("energies", energies, {.unit = "keV", .text = "Energies, one channel each.", .min = 40, .max = 190});
    v("unit", unit, {.unit = "", .text = "HU, or 1/cm for the linear attenuation itself.", .choices = {"HU", "1/cm"}});
  }
  void check() const;
  std::size_t results() const { return energies.size(); }
  ChannelMix mix(const std::vector<std::string>& materials) const;
};

template <class Real>
using MonoenergeticImage = ChannelMap<Real, Monoenergetic>;

}  // namespace counterflow
