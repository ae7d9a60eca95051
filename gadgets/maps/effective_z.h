// The effective atomic number of material images, by a power law over electrons.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "core/gadget/channel_map.h"

namespace counterflow {

// Z = (sum_m rho_m M_m / sum_m rho_m N_m)^(1/n): the mean of Z^n over the electrons of a mixture.
struct PowerLaw {
  double exponent;                // n
  double threshold;               // electron density, relative to water, below which Z is 0
  std::vector<double> electrons;  // N_m: electron density of 1 g/cm^3, relative to water
  std::vector<double> moment;     // M_m: N_m times the mean of Z^n over m's electrons

  explicit PowerLaw(const std::vector<std::string>& materials, double exponent = 2.94, double threshold = 0.1);
  // Z of densities [g/cm^3], and its derivative by each, unless null: 0 below the threshold; 1 where noise says less, as no
  // atom has less. The derivatives are 0 at both.
  double value(const double* densities, double* slope) const;
};

template <class Real>
class EffectiveZ {
 public:
  using In = Image<Real>;
  using Out = Image<Real>;
  using Params = None;
  using State = None;
  static constexpr const char* kManual =
      R"(Gives the effective atomic number of material images: the power mean of Z over the electrons of the mixture (Mayneord 1937).

  Z = (sum over electrons of Z^n / number of electrons)^(1/n),      n = 2.94;      of water: 7.42

with the densities of the materials and their compositions by xraylib. 0 where the electron density is below the threshold (air has
no meaningful Z), and 1 where noise makes the sum smaller than hydrogen's. Differentiable elsewhere; the noise is that of the
tangent. A mean of noisy Z is biased, so noise is best averaged before. What is not in the basis is shown by what it looks like.

  <gadget after="fbp"><dll>counterflow_maps</dll><classname>EffectiveZ</classname></gadget>
)";

  void describe(PropertyVisitor& v) {
    v("exponent", exponent_, {.unit = "1", .text = "Exponent n of the power law.", .min = 1, .max = 6});
    v("threshold", threshold_,
      {.unit = "1", .text = "Electron density, relative to water, below which Z is 0.", .min = 0.001, .max = 10});
  }
  Params initial(const ScanHeader&) const { return {}; }
  State begin(const Params&, const ScanHeader&) const { return {}; }
  Footprint footprint(const ScanHeader& header) const { return image_footprint<Real>(header, 1); }
  Out forward(const Params&, const State&, const In& x) const;
  In adjoint(const Params&, const State&, const In& x, const Out&, const Out& y_bar, Params&) const;

 private:
  double exponent_ = 2.94, threshold_ = 0.1;
};

}  // namespace counterflow
