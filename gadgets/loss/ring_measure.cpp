#include "gadgets/loss/ring_measure.h"

#include <algorithm>
#include <cmath>

namespace counterflow::losses {

void RingMeasure::describe(PropertyVisitor& v) {
  v("smooth", smooth_,
    {.unit = "mm",
     .text = "Standard deviation of the smoothing along the radius: what is smoother is no ring.",
     .min = 0.1,
     .max = 1000});
}

RingMeasure::Plan::Plan(const ImageGrid& grid, double radius, double smooth) : ring_(grid.nx * grid.ny) {
  const double width = std::max(grid.voxel_x, grid.voxel_y);
  const double across = (static_cast<double>(grid.nx) * grid.voxel_x) / 2 - std::abs(grid.centre_x);
  const double along = (static_cast<double>(grid.ny) * grid.voxel_y) / 2 - std::abs(grid.centre_y);
  const auto rings = static_cast<std::size_t>(std::max(0., std::min({radius, across, along}) / width));
  size_.resize(rings);
  for (std::size_t i = 0; i < ring_.size(); ++i) {
    const double x = grid.x(static_cast<double>(i % grid.nx)), y = grid.y(static_cast<double>(i / grid.nx));
    ring_[i] = static_cast<std::uint32_t>(std::min(static_cast<double>(rings), std::hypot(x, y) / width));
    if (ring_[i] < rings) ++size_[ring_[i]], ++voxels_;
  }
  smooth_out(smooth / width);
}

// Row r of S: the value at r of the line through all rings with the least sum of n_k exp(-(k-r)^2 / 2 s^2) residual^2.
void RingMeasure::Plan::smooth_out(double standard_deviation) {
  const std::size_t n = size_.size();
  rough_.assign(n * n, 0);
  for (std::size_t r = 0; r < n; ++r) {
    double* row = rough_.data() + r * n;
    double w0 = 0, w1 = 0, w2 = 0;
    for (std::size_t k = 0; k < n; ++k) {
      const double d = static_cast<double>(k) - static_cast<double>(r);
      const double w = row[k] = size_[k] * std::exp(-0.5 * std::pow(d / standard_deviation, 2));
      w0 += w, w1 += w * d, w2 += w * d * d;
    }
    const double determinant = w0 * w2 - w1 * w1;
    for (std::size_t k = 0; k < n; ++k) {
      const double d = static_cast<double>(k) - static_cast<double>(r);
      const double line = determinant > 1e-12 * w0 * w2 ? (w2 - w1 * d) / determinant : w0 > 0 ? 1 / w0 : 0;
      row[k] = (k == r ? 1 : 0) - row[k] * line;
    }
  }
}

double RingMeasure::Plan::operator()(std::span<const double> u, double scale, std::span<double> bar) const {
  const std::size_t n = size_.size();
  std::vector<double> profile(n), rough(n), back(n);
  for (std::size_t i = 0; i < u.size(); ++i)
    if (ring_[i] < n) profile[ring_[i]] += u[i];
  for (std::size_t r = 0; r < n; ++r) profile[r] /= std::max(1., size_[r]);
  double sum = 0;
  for (std::size_t r = 0; r < n; ++r) {
    for (std::size_t k = 0; k < n; ++k) rough[r] += rough_[r * n + k] * profile[k];
    sum += size_[r] * rough[r] * rough[r];
  }
  const double per_voxel = 1 / static_cast<double>(voxels_);
  if (bar.empty()) return per_voxel * sum;
  for (std::size_t r = 0; r < n; ++r)
    for (std::size_t k = 0; k < n; ++k) back[k] += rough_[r * n + k] * size_[r] * rough[r];
  for (std::size_t i = 0; i < u.size(); ++i)
    if (ring_[i] < n) bar[i] += 2 * scale * per_voxel * back[ring_[i]] / size_[ring_[i]];
  return per_voxel * sum;
}

}  // namespace counterflow::losses
