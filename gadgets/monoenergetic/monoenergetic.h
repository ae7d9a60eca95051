// Virtual monoenergetic images: what a source of a single energy would have shown.
//   mu(E) = sum_m mu_m(E) rho_m   [1/cm],      HU = 1000 (mu(E) - mu_water(E)) / mu_water(E)
// rho_m density [g/cm^3], mu_m mass attenuation [cm^2/g], mu_water of water of 1 g/cm^3. The materials are the names of the
// image's channels.
#pragma once
#include <string>
#include <vector>

#include "core/array.h"
#include "core/gadget/forms.h"
#include "core/physics/material.h"

namespace counterflow {

// The image is offset + sum_m weight(energy, m) rho_m.
struct MonoenergeticWeights {
  Array<double, 2> weight;  // [energy, material] HU or 1/cm per g/cm^3
  double offset = 0;        // HU of nothing: -1000; 0 in 1/cm
};

inline MonoenergeticWeights monoenergetic_weights(const std::vector<std::string>& materials, const std::vector<double>& energies,
                                                  bool hounsfield) {
  MonoenergeticWeights out{Array<double, 2>({energies.size(), materials.size()}), hounsfield ? -1000.0 : 0.0};
  const std::vector<double> water = mass_attenuation(find_material("water"), energies);
  for (std::size_t m = 0; m < materials.size(); ++m) {
    const std::vector<double> mu = mass_attenuation(find_material(materials[m]), energies);
    for (std::size_t e = 0; e < energies.size(); ++e) out.weight(e, m) = hounsfield ? 1000 * mu[e] / water[e] : mu[e];
  }
  return out;
}

template <class Real>
class MonoenergeticImage {
 public:
  using In = Image<Real>;
  using Out = Image<Real>;
  using Params = None;
  using State = None;
  static constexpr const char* kManual =
      R"(Makes virtual monoenergetic images of material images: what a source of a single energy would have shown.

  mu(E) = sum_m mu_m(E) rho_m   [1/cm],      HU = 1000 (mu(E) - mu_water(E)) / mu_water(E)

with rho_m the density of material m [g/cm^3] and mu_m its mass attenuation [cm^2/g]; mu_water is that of water of 1 g/cm^3. One
channel an energy. With after="..." it stands beside the material images, which then go on too.

  <gadget after="fbp"><dll>counterflow_monoenergetic</dll><classname>MonoenergeticImage</classname>
    <property name="energies" value="50 70 120"/></gadget>
)";

  void describe(PropertyVisitor& v) {
    v("energies", energies_, {.unit = "keV", .text = "Energies, one channel each.", .min = 40, .max = 190});
    v("unit", unit_, {.unit = "", .text = "HU, or 1/cm for the linear attenuation itself.", .choices = {"HU", "1/cm"}});
  }
  Params initial(const ScanHeader&) const { return {}; }
  State begin(const Params&, const ScanHeader&) const;
  Footprint footprint(const ScanHeader& header) const;
  Out forward(const Params&, const State&, const In& x) const;
  In adjoint(const Params&, const State&, const In& x, const Out&, const Out& y_bar, Params&) const;

 private:
  MonoenergeticWeights weights(const In& x) const;

  std::vector<double> energies_{70};
  std::string unit_ = "HU";
};

}  // namespace counterflow
