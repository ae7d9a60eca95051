// Filtered backprojection of fan and parallel scans, slice by slice; every channel (material, bin) is reconstructed alike.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/gadget/forms.h"
#include "core/reconstruction/image_properties.h"
#include "core/reconstruction/scan_accumulator.h"
#include "gadgets/fbp/reconstruction.h"

namespace counterflow {

template <class Real>
class FilteredBackprojection {
 public:
  using In = PathLengths<Real>;
  using Out = Image<Real>;
  using Params = None;
  using State = fbp::Accumulator<Real, fbp::Reconstruction>;
  using Cotangent = fbp::Volume<Real>;
  static constexpr const char* kManual =
      "Filtered backprojection of fan and parallel scans, each detector row a slice: image(x) = sum over views of "
      "distance weight . (ramp filter * (cosine . redundancy weight . path lengths)), by linear interpolation. Full turns, "
      "several turns, short scans (Parker 1982; over-scans as Silver 2000); g/cm^2 become g/cm^3, line integrals 1/cm. "
      "The adjoint is the exact transpose of each step. What lies outside the field of view is reconstructed from the "
      "columns that see it: half-fan (displaced) detectors get no weights of their own.\n"
      "<gadget><dll>counterflow_fbp</dll><classname>FilteredBackprojection</classname>\n"
      "  <property name=\"window\" value=\"hann\"/><property name=\"nx\" value=\"512\"/></gadget>";

  void describe(PropertyVisitor& visit);
  Params initial(const ScanHeader&) const { return {}; }
  State begin(const Params&, const ScanHeader& header) const;
  ScanHeader output_header(const ScanHeader& header) const;  // with the grid that is reconstructed
  Footprint footprint(const ScanHeader& header) const;       // an upper bound: one channel a bin

  void add(const Params&, State& state, const In& x) const { state.add(x); }
  void end(const Params&, State& state, const std::function<void(Out)>& emit) const { state.end(emit); }
  Out preview(const State& state) const { return state.preview(); }

  Cotangent adjoint_begin(const Params&, const State& state, const std::vector<Sent<Out>>& y_bars) const {
    return fbp::cotangent_of(*state.reconstruction, y_bars);
  }
  In adjoint(const Params&, const State& state, const In& x, const Cotangent& z, Params&) const {
    return fbp::view_cotangent(*state.reconstruction, x, z);
  }

 private:
  ImageGrid grid(const ScanHeader& header) const;

  fbp::ImageProperties properties_;
  bool noise_ = false;
};

}  // namespace counterflow
