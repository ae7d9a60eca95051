// Bodies painted one over the other: where several overlap, the last one painted is what is there.
#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "core/geometry/shape.h"

namespace counterflow {

struct PaintedShape {
  Shape shape;
  std::size_t material = 0;  // index in the owner's list of materials
  double density = 0;        // [g/cm^3]; 0 = a hole
};

// Room that a ray needs; one per thread, so that nothing is allocated along the way.
struct RayWorkspace {
  struct Hit {
    Chord chord;
    std::size_t shape;
  };
  std::vector<Hit> hits;       // in the order of painting
  std::vector<double> ends;    // of chords, sorted
};

class ShapePainting {
 public:
  void paint(PaintedShape shape) { shapes_.push_back(std::move(shape)); }
  const std::vector<PaintedShape>& shapes() const { return shapes_; }

  // areal_density[material] = length of the ray in what is visible of that material, times density [g/cm^2].
  void integrate(const Ray& ray, RayWorkspace& workspace, std::span<double> areal_density) const;
  // Index of the shape that is seen at a point; none in the open.
  std::optional<std::size_t> at(Vector3 point) const;
  bool z_invariant() const;
  double reach() const;

 private:
  std::vector<PaintedShape> shapes_;
};

}  // namespace counterflow
