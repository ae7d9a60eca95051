#include "gadgets/loss/variation_measure.h"

#include <cmath>

namespace counterflow::losses {

void VariationMeasure::describe(PropertyVisitor& v) {
  v("eps", eps_, {.unit = "sigma", .text = "Differences below it count with their square.", .min = 1e-6, .max = 1e6});
}

VariationMeasure::Plan::Plan(const ImageGrid& grid, double radius, double eps)
    : inside_(grid.nx * grid.ny), nx_(grid.nx), eps_(eps) {
  for (std::size_t i = 0; i < inside_.size(); ++i) {
    const double x = grid.x(static_cast<double>(i % nx_)), y = grid.y(static_cast<double>(i / nx_));
    voxels_ += inside_[i] = std::hypot(x, y) <= radius;
  }
}

double VariationMeasure::Plan::operator()(std::span<const double> u, double scale, std::span<double> bar) const {
  double sum = 0;
  const double per_voxel = 1 / static_cast<double>(voxels_);
  for (std::size_t i = 0; i < u.size(); ++i) {
    if (!inside_[i]) continue;
    const std::size_t right = i % nx_ + 1 < nx_ && inside_[i + 1] ? i + 1 : i;
    const std::size_t next = i + nx_ < u.size() && inside_[i + nx_] ? i + nx_ : i;
    const double dx = u[right] - u[i], dy = u[next] - u[i], length = std::sqrt(dx * dx + dy * dy + eps_ * eps_);
    sum += length - eps_;
    if (bar.empty()) continue;
    const double factor = scale * per_voxel / length;
    bar[right] += factor * dx;
    bar[next] += factor * dy;
    bar[i] -= factor * (dx + dy);
  }
  return per_voxel * sum;
}

}  // namespace counterflow::losses
