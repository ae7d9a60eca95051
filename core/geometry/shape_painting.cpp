#include "core/geometry/shape_painting.h"

#include <algorithm>

namespace counterflow {

void ShapePainting::paint(PaintedShape shape) {
  const Vector3 center = shape.shape.center();
  x_.push_back(center.x);
  y_.push_back(center.y);
  z_.push_back(center.z);
  bound_squared_.push_back(shape.shape.bound_squared());
  shapes_.push_back(std::move(shape));
}

// Chords of all shapes that the ray meets. Most of many shapes are passed over by their bounding spheres.
void ShapePainting::find_hits(const Ray& ray, RayWorkspace& workspace) const {
  auto& hits = workspace.hits;
  auto& ends = workspace.ends;
  auto& excess = workspace.excess;
  hits.clear();
  ends.clear();
  excess.resize(shapes_.size());
  const Vector3 o = ray.origin, d = ray.direction;
#pragma omp simd
  for (std::size_t k = 0; k < excess.size(); ++k) {
    const double x = x_[k] - o.x, y = y_[k] - o.y, z = z_[k] - o.z, along = x * d.x + y * d.y + z * d.z;
    // Minus the rounding of the two squares, which cancel for a far source.
    excess[k] = (x * x + y * y + z * z) * (1 - 1e-14) - along * along - bound_squared_[k];
  }
  for (std::size_t k = 0; k < excess.size(); ++k) {
    if (excess[k] > 0) continue;
    const Chord chord = shapes_[k].shape.chord(ray);
    if (chord.empty()) continue;
    hits.push_back({chord, k});
    ends.push_back(chord.begin);
    ends.push_back(chord.end);
  }
}

void ShapePainting::integrate(const Ray& ray, RayWorkspace& workspace, std::span<double> areal_density) const {
  constexpr double kCmPerMm = 0.1;
  find_hits(ray, workspace);
  const auto& hits = workspace.hits;
  auto& ends = workspace.ends;
  std::fill(areal_density.begin(), areal_density.end(), 0.0);
  std::sort(ends.begin(), ends.end());
  for (std::size_t i = 0; i + 1 < ends.size(); ++i) {
    if (ends[i] == ends[i + 1]) continue;
    // Between two neighbouring ends the cover does not change; the last painted chord that spans the piece is what is seen.
    const auto seen = std::find_if(hits.rbegin(), hits.rend(),
                                   [&](const auto& hit) { return hit.chord.begin <= ends[i] && hit.chord.end >= ends[i + 1]; });
    if (seen == hits.rend()) continue;
    const PaintedShape& shape = shapes_[seen->shape];
    areal_density[shape.material] += (ends[i + 1] - ends[i]) * kCmPerMm * shape.density;
  }
}

std::optional<std::size_t> ShapePainting::at(Vector3 point) const {
  for (std::size_t k = shapes_.size(); k-- > 0;)
    if (shapes_[k].shape.contains(point)) return k;
  return std::nullopt;
}

std::optional<std::size_t> ShapePainting::at(Vector3 point, std::span<const std::size_t> candidates) const {
  const auto seen =
      std::find_if(candidates.rbegin(), candidates.rend(), [&](auto k) { return shapes_[k].shape.contains(point); });
  if (seen == candidates.rend()) return std::nullopt;
  return *seen;
}

void ShapePainting::near(Vector3 point, double radius, std::vector<std::size_t>& candidates) const {
  candidates.clear();
  for (std::size_t k = 0; k < shapes_.size(); ++k)
    if (shapes_[k].shape.may_touch(point, radius)) candidates.push_back(k);
}

bool ShapePainting::z_invariant() const {
  return std::all_of(shapes_.begin(), shapes_.end(), [](const auto& s) { return s.shape.z_invariant(); });
}

double ShapePainting::reach() const {
  double reach = 0;
  for (const auto& s : shapes_) reach = std::max(reach, s.shape.reach());
  return reach;
}

}  // namespace counterflow
