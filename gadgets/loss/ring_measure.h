// How far the annular profile of a plane is from its own smooth version, about the rotation axis:
//   m(u) = 1/N sum over rings r of n_r (p_r - (S p)_r)^2,   p_r the mean over the n_r voxels of ring r, N the sum of n_r
// Rings are one voxel wide (Sijbers and Postnov 2004 look for rings in the same coordinates). S is a local linear regression with
// a Gaussian's weights and n_r (Cleveland 1979), which leaves linear profiles as they are, up to the ends.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/gadget/property.h"
#include "core/geometry/scan_geometry.h"

namespace counterflow::losses {

class RingMeasure {
 public:
  static constexpr const char* kName = "RingUniformity";
  static constexpr const char* kManual =
      R"(Loss: rings about the rotation axis, in images of an object that has none. Needs no reference.

  1/(slices n) sum over slices and n channels of 1/N sum over rings of n_r ((p_r - (S p)_r) / sigma)^2

p_r is the mean over the n_r voxels of a ring one voxel wide about the isocenter, S a smoothing over `smooth` mm, N the voxels of all
rings. The disc of `radius` is taken for uniform: what the object itself has there of rings is taken for an error. Blind to all that is
smooth along the radius or not round.

  <loss after="fbp"><dll>counterflow_loss</dll><classname>RingUniformity</classname>
    <property name="radius" value="80"/><property name="sigma" value="0.005 0.0002"/></loss>
)";

  class Plan {
   public:
    // [y,x] rings of the voxels; none where the grid does not reach around the axis.
    Plan(const ImageGrid& grid, double radius, double smooth);
    std::size_t voxels() const { return voxels_; }
    std::size_t bytes() const { return ring_.size() * sizeof(ring_[0]) + rough_.size() * sizeof(double); }
    // m(u), u [y,x]; adds scale dm/du to `bar` unless it is empty.
    double operator()(std::span<const double> u, double scale, std::span<double> bar) const;

   private:
    void smooth_out(double standard_deviation);  // [ring]

    std::vector<std::uint32_t> ring_;  // [y,x], size_.size() = none
    std::vector<double> size_;         // [ring] voxels
    std::vector<double> rough_;        // [ring,ring] I - S
    std::size_t voxels_ = 0;
  };

  void describe(PropertyVisitor& v);
  Plan plan(const ImageGrid& grid, double radius) const { return {grid, radius, smooth_}; }

 private:
  double smooth_ = 10;
};

}  // namespace counterflow::losses
