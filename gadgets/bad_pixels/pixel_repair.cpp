#include "gadgets/bad_pixels/pixel_repair.h"

#include <algorithm>
#include <string>

#include "core/error.h"

namespace counterflow {
namespace {

// The nearest good pixels before and after a place along one direction; distance 0 = none.
struct Sides {
  std::size_t before = 0, after = 0;  // distances
  bool both() const { return before > 0 && after > 0; }
  bool any() const { return before > 0 || after > 0; }
  std::size_t gap() const { return before + after; }
};

// `good(k)` of the k-th of n pixels on a line.
template <class Good>
Sides sides_of(std::size_t place, std::size_t n, const Good& good) {
  Sides s;
  for (std::size_t d = 1; d <= place && s.before == 0; ++d)
    if (good(place - d)) s.before = d;
  for (std::size_t d = 1; place + d < n && s.after == 0; ++d)
    if (good(place + d)) s.after = d;
  return s;
}

// From the sides of a line on which neighbours stand `stride` apart.
RepairedPixel from_sides(std::size_t pixel, const Sides& s, std::size_t stride) {
  const std::size_t before = pixel - s.before * stride, after = pixel + s.after * stride;
  if (s.both()) {
    const double t = static_cast<double>(s.before) / static_cast<double>(s.gap());
    return {pixel, 2, {before, after}, {1 - t, t}};
  }
  return {pixel, 1, {s.before > 0 ? before : after, 0}, {1, 0}};
}

RepairedPixel plan_pixel(const Array<Fault, 2>& faults, std::size_t row, std::size_t column) {
  const auto [rows, columns] = faults.shape();
  const std::size_t pixel = row * columns + column;
  const Sides along = sides_of(column, columns, [&](std::size_t c) { return faults(row, c) == Fault::none; });
  const Sides across = sides_of(row, rows, [&](std::size_t r) { return faults(r, column) == Fault::none; });
  const bool take_across = across.both() && (!along.both() || across.gap() < along.gap());
  if (!take_across && along.any() && (along.both() || !across.both())) return from_sides(pixel, along, 1);
  if (across.any()) return from_sides(pixel, across, columns);
  throw DataError("BadPixels: the bad pixel at row " + std::to_string(row) + ", column " + std::to_string(column) +
                  " has no good one in its row nor in its column: lower the demands (dead, hot, sigmas) or shorten the list");
}

}  // namespace

std::vector<RepairedPixel> plan_repair(const Array<Fault, 2>& faults) {
  std::vector<RepairedPixel> plan;
  for (std::size_t r = 0; r < faults.extent(0); ++r)
    for (std::size_t c = 0; c < faults.extent(1); ++c)
      if (faults(r, c) != Fault::none) plan.push_back(plan_pixel(faults, r, c));
  return plan;
}

PixelRepair::PixelRepair(const Array<Fault, 2>& faults, const Array<double, 3>& open_beam, double exposure)
    : pixels_(plan_repair(faults)) {
  if (open_beam.empty() || pixels_.empty()) return;
  const std::size_t bins = open_beam.extent(0);
  coefficients_ = Array<double, 3>({pixels_.size(), bins, 2});
  for (std::size_t k = 0; k < pixels_.size(); ++k)
    for (std::size_t b = 0; b < bins; ++b) {
      const RepairedPixel& p = pixels_[k];
      double inverse[2] = {}, variance = 0;
      for (std::size_t s = 0; s < p.sources; ++s) {
        inverse[s] = 1 / std::max(open_beam.block(b)[p.from[s]], 0.5);  // a good pixel whose bin saw nothing in air
        variance += p.weight[s] * p.weight[s] * inverse[s];
      }
      for (std::size_t s = 0; s < p.sources; ++s) coefficients_(k, b, s) = exposure * p.weight[s] * inverse[s] / variance;
    }
}

double PixelRepair::coefficient(std::size_t pixel, std::size_t bin, std::size_t source) const {
  return coefficients_.empty() ? pixels_[pixel].weight[source] : coefficients_(pixel, bin, source);
}

template <class Real>
void PixelRepair::apply(Array<Real, 3>& counts) const {
  for (std::size_t b = 0; b < (counts.empty() ? 0 : counts.extent(0)); ++b) {
    const auto plane = counts.block(b);
    for (std::size_t k = 0; k < pixels_.size(); ++k) {
      const RepairedPixel& p = pixels_[k];
      Real sum = 0;
      for (std::size_t s = 0; s < p.sources; ++s) sum += static_cast<Real>(coefficient(k, b, s)) * plane[p.from[s]];
      plane[p.pixel] = sum;
    }
  }
}

template <class Real>
void PixelRepair::apply_transposed(Array<Real, 3>& counts_bar) const {
  for (std::size_t b = 0; b < (counts_bar.empty() ? 0 : counts_bar.extent(0)); ++b) {
    const auto plane = counts_bar.block(b);
    for (std::size_t k = 0; k < pixels_.size(); ++k) {
      const RepairedPixel& p = pixels_[k];
      for (std::size_t s = 0; s < p.sources; ++s) plane[p.from[s]] += static_cast<Real>(coefficient(k, b, s)) * plane[p.pixel];
      plane[p.pixel] = 0;
    }
  }
}

template void PixelRepair::apply(Array<float, 3>&) const;
template void PixelRepair::apply(Array<double, 3>&) const;
template void PixelRepair::apply_transposed(Array<float, 3>&) const;
template void PixelRepair::apply_transposed(Array<double, 3>&) const;

}  // namespace counterflow
