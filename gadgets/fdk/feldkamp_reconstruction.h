// Reconstruction of circular cone-beam scans by Feldkamp, Davis and Kress (1984); every channel (material, bin) alike.
#pragma once
#include <vector>

#include "core/gadget/forms.h"
#include "core/reconstruction/image_properties.h"
#include "core/reconstruction/scan_accumulator.h"
#include "gadgets/fdk/cone_reconstruction.h"

namespace counterflow {

template <class Real>
class FeldkampReconstruction : public fbp::AccumulatingFold<Real, fdk::ConeReconstruction> {
 public:
  using Fold = fbp::AccumulatingFold<Real, fdk::ConeReconstruction>;
  using typename Fold::Params;
  using typename Fold::State;
  static constexpr const char* kManual =
      "Cone-beam reconstruction of circular scans (Feldkamp, Davis and Kress 1984), flat and arc detectors: image(x) = sum over "
      "views of distance weight . (ramp filter along the rows * (cosine of the ray . redundancy weight . path lengths)), by "
      "bilinear interpolation. Full turns, several turns, short scans (Parker 1982 by the fan angle); g/cm^2 become g/cm^3, line "
      "integrals 1/cm. Exact in the plane of the source; away from it values that change along z are blurred and drop with the "
      "cone angle. The adjoint is the exact transpose of each step.\n"
      "<gadget><dll>counterflow_fdk</dll><classname>FeldkampReconstruction</classname>\n"
      "  <property name=\"window\" value=\"hann\"/><property name=\"nz\" value=\"64\"/></gadget>";

  void describe(PropertyVisitor& visit);
  State begin(const Params&, const ScanHeader& header) const;
  ScanHeader output_header(const ScanHeader& header) const;  // with the grid that is reconstructed
  Footprint footprint(const ScanHeader& header) const;       // an upper bound: one channel a bin
  std::vector<Remark> report(const State& state) const;

 private:
  fbp::ImageProperties properties_;
};

}  // namespace counterflow
