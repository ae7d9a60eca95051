// Bodies painted one over the other: where several overlap, the last one painted is what is there.
#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <utility>
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
  std::vector<double> excess;  // [shape] squared distance of the ray from the center beyond the bounding sphere
};

class ShapePainting {
 public:
  void paint(PaintedShape shape);
  const std::vector<PaintedShape>& shapes() const { return shapes_; }

  // areal_density[material] = length of the ray in what is visible of that material, times density [g/cm^2].
  void integrate(const Ray& ray, RayWorkspace& workspace, std::span<double> areal_density) const;
  // Index of the shape that is seen at a point; none in the open.
  std::optional<std::size_t> at(Vector3 point) const;
  // The same among `candidates`, which near() found for a ball that holds the point.
  std::optional<std::size_t> at(Vector3 point, std::span<const std::size_t> candidates) const;
  // Shapes that may have points within `radius` of `point`, in the order of painting.
  void near(Vector3 point, double radius, std::vector<std::size_t>& candidates) const;
  bool z_invariant() const;
  double reach() const;

 private:
  void find_hits(const Ray& ray, RayWorkspace& workspace) const;
  std::vector<PaintedShape> shapes_;
  std::vector<double> x_, y_, z_, bound_squared_;  // of bounding spheres, side by side for the early reject
};

}  // namespace counterflow
