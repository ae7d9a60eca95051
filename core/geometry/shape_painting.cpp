#include "core/geometry/shape_painting.h"

#include <algorithm>

namespace counterflow {

void ShapePainting::integrate(const Ray& ray, RayWorkspace& workspace, std::span<double> areal_density) const {
  constexpr double kCmPerMm = 0.1;
  auto& [hits, ends] = workspace;
  hits.clear();
  ends.clear();
  std::fill(areal_density.begin(), areal_density.end(), 0.0);
  for (std::size_t k = 0; k < shapes_.size(); ++k) {
    const Chord chord = shapes_[k].shape.chord(ray);
    if (chord.empty()) continue;
    hits.push_back({chord, k});
    ends.push_back(chord.begin);
    ends.push_back(chord.end);
  }
  std::sort(ends.begin(), ends.end());
  for (std::size_t i = 0; i + 1 < ends.size(); ++i) {
    if (ends[i] == ends[i + 1]) continue;
    // Between two neighbouring ends the cover does not change; the last painted chord that spans the piece is what is seen.
    const auto seen = std::find_if(hits.rbegin(), hits.rend(), [&](const auto& hit) {
      return hit.chord.begin <= ends[i] && hit.chord.end >= ends[i + 1];
    });
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

bool ShapePainting::z_invariant() const {
  return std::all_of(shapes_.begin(), shapes_.end(), [](const auto& s) { return s.shape.z_invariant(); });
}

double ShapePainting::reach() const {
  double reach = 0;
  for (const auto& s : shapes_) reach = std::max(reach, s.shape.reach());
  return reach;
}

}  // namespace counterflow
