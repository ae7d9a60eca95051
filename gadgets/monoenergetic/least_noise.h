// The energy whose monoenergetic image is the least noisy, voxel by voxel, by the bound.
#pragma once
#include "core/gadget/channel_map.h"

namespace counterflow {

template <class Real>
class LeastNoise {
 public:
  using In = Image<Real>;
  using Out = Image<Real>;
  using Params = None;
  using State = None;
  static constexpr const char* kManual =
      R"(Tells at which energy a monoenergetic image has the least noise in HU, in every voxel, by the Cramer-Rao bound.

  E = argmin over energies of w(E)^T C w(E),      w_m(E) = 1000 mu_m(E) / mu_water(E)

with C the covariance of the material images (noise="true" on the reconstruction) and mu_m the mass attenuation of material m
[cm^2/g]. The energies searched are lowest, lowest + 1 keV, ... highest. 0 keV where a voxel has no noise, as outside the field of view. It
is a choice among energies and so has no adjoint.

  <gadget after="fbp"><dll>counterflow_monoenergetic</dll><classname>LeastNoise</classname></gadget>
)";

  void describe(PropertyVisitor& v) {
    v("lowest", lowest_, {.unit = "keV", .text = "Lowest energy that is searched.", .min = 40, .max = 190});
    v("highest", highest_, {.unit = "keV", .text = "Highest energy that is searched.", .min = 40, .max = 190});
  }
  Params initial(const ScanHeader&) const { return {}; }
  State begin(const Params&, const ScanHeader&) const;
  Footprint footprint(const ScanHeader& header) const { return image_footprint<Real>(header, 1); }
  Out forward(const Params&, const State&, const In& x) const;

 private:
  double lowest_ = 40, highest_ = 140;
};

}  // namespace counterflow
