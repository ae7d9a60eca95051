// Total variation of a plane (Rudin, Osher and Fatemi 1992), smooth where it is flat (Vogel and Oman 1996):
//   m(u) = 1/N sum over N voxels of sqrt(dx^2 + dy^2 + eps^2) - eps,   dx, dy the differences to the next voxels
// and 0 where these lie outside.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/gadget/property.h"
#include "core/geometry/scan_geometry.h"

namespace counterflow::losses {

class VariationMeasure {
 public:
  static constexpr const char* kName = "TotalVariation";
  static constexpr const char* kManual =
      R"(Loss: total variation of the slices, small where images are flat between edges. Needs no reference.

  1/(slices n) sum over slices and n channels of 1/N sum over N voxels of sqrt(dx^2 + dy^2 + eps^2) - eps

dx and dy are differences to the next voxels in units of sigma. Sees rings and streaks, and noise just as well: what is learned can
also lower the contrast or the noise. Blind to errors of the whole image. Give it little weight beside a loss that knows values.

  <loss after="fbp" weight="0.1"><dll>counterflow_loss</dll><classname>TotalVariation</classname>
    <property name="sigma" value="0.02 0.001"/></loss>
)";

  class Plan {
   public:
    Plan(const ImageGrid& grid, double radius, double eps);
    std::size_t voxels() const { return voxels_; }
    std::size_t bytes() const { return inside_.size(); }
    // m(u), u [y,x]; adds scale dm/du to `bar` unless it is empty.
    double operator()(std::span<const double> u, double scale, std::span<double> bar) const;

   private:
    std::vector<std::uint8_t> inside_;  // [y,x]
    std::size_t nx_ = 0, voxels_ = 0;
    double eps_;
  };

  void describe(PropertyVisitor& v);
  Plan plan(const ImageGrid& grid, double radius) const { return {grid, radius, eps_}; }

 private:
  double eps_ = 0.1;
};

}  // namespace counterflow::losses
