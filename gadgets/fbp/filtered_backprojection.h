// Filtered backprojection of fan and parallel scans, slice by slice; every channel (material, bin) is reconstructed alike.
#pragma once
#include "core/gadget/forms.h"
#include "core/reconstruction/image_properties.h"
#include "core/reconstruction/scan_accumulator.h"
#include "gadgets/fbp/reconstruction.h"

namespace counterflow {

template <class Real>
class FilteredBackprojection : public fbp::AccumulatingFold<Real, fbp::Reconstruction> {
 public:
  using Fold = fbp::AccumulatingFold<Real, fbp::Reconstruction>;
  using typename Fold::Params;
  using typename Fold::State;
  static constexpr const char* kManual =
      "Filtered backprojection of fan and parallel scans, each detector row a slice: image(x) = sum over views of "
      "distance weight . (ramp filter * (cosine . redundancy weight . path lengths)), by linear interpolation. Full turns, "
      "several turns, short scans (Parker 1982; over-scans as Silver 2000); g/cm^2 become g/cm^3, line integrals 1/cm. "
      "The adjoint is the exact transpose of each step. What lies outside the field of view is reconstructed from the "
      "columns that see it: half-fan (displaced) detectors get no weights of their own.\n"
      "<gadget><dll>counterflow_fbp</dll><classname>FilteredBackprojection</classname>\n"
      "  <property name=\"window\" value=\"hann\"/><property name=\"nx\" value=\"512\"/></gadget>";

  void describe(PropertyVisitor& visit);
  State begin(const Params&, const ScanHeader& header) const;
  ScanHeader output_header(const ScanHeader& header) const;  // with the grid that is reconstructed
  Footprint footprint(const ScanHeader& header) const;       // an upper bound: one channel a bin

 private:
  ImageGrid grid(const ScanHeader& header) const;

  fbp::ImageProperties properties_;
};

}  // namespace counterflow
