// Weighted filtered backprojection of helical scans; every channel (material, bin) is reconstructed alike.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/gadget/forms.h"
#include "core/reconstruction/image_properties.h"
#include "gadgets/helical/cotangent_cache.h"
#include "gadgets/helical/helical_operator.h"

namespace counterflow {

template <class Real>
class HelicalReconstruction {
 public:
  using In = PathLengths<Real>;
  using Out = Image<Real>;
  using Params = None;
  struct State {
    std::shared_ptr<const helical::HelicalOperator<Real>> op;
    helical::Ring<Real> ring;
    helical::Volume<Real> image;
    std::shared_ptr<const Channels> channels;  // of the images
    long next = 0;                             // parallel view
    View last;
    std::size_t views = 0;  // seen
  };
  using Cotangent = std::shared_ptr<helical::Cache<Array<Real, 3>>>;  // of parallel views, batch by batch; nullptr: zero
  static constexpr const char* kManual =
      "Weighted filtered backprojection of helical scans (Stierstorfer and others 2004): views of a cone are rebinned to "
      "parallel "
      "ones row by row, ramp filtered along the rows and backprojected along the true rays, image(x) = sum over parallel views "
      "of "
      "w(u) / (sum of w over the views of the same line seen along z) . filtered row, where w fades to 0 at the detector's first "
      "and last row. cone-arc and cone-flat, any pitch up to where the data end (about 1.4), either direction. g/cm^2 become "
      "g/cm^3, line integrals 1/cm. The adjoint is the exact transpose of each step.\n"
      "<gadget><dll>counterflow_helical</dll><classname>HelicalReconstruction</classname>\n"
      "  <property name=\"window\" value=\"hann\"/><property name=\"nx\" value=\"512\"/></gadget>";

  void describe(PropertyVisitor& visit);
  Params initial(const ScanHeader&) const { return {}; }
  State begin(const Params&, const ScanHeader& header) const;
  ScanHeader output_header(const ScanHeader& header) const;  // with the grid that is reconstructed
  Footprint footprint(const ScanHeader& header) const;       // an upper bound: one channel a bin

  void add(const Params&, State& state, const In& x) const;
  void end(const Params&, State& state, const std::function<void(Out)>& emit) const;  // one image a slice
  Out preview(const State& state) const;  // the whole volume; slices are right where the table has passed

  Cotangent adjoint_begin(const Params&, const State& state, const std::vector<Sent<Out>>& y_bars) const;
  In adjoint(const Params&, const State& state, const In& x, const Cotangent& z, Params& p_bar) const;

 private:
  fbp::ImageProperties image_;
  double plateau_ = 0.7;
};

}  // namespace counterflow
