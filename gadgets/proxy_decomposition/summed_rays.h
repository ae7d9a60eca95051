// Counts, open beam and background of a view, neighbours summed, in the layout [bin,row,column] of the kernels.
#pragma once
#include <optional>

#include "core/gadget/decomposition_settings.h"
#include "core/message/message.h"
#include "gadgets/proxy_decomposition/proxy_kernel.h"

namespace counterflow {

template <class Real>
class SummedRays {
 public:
  // Refers to `x` where nothing is summed.
  SummedRays(const Counts<Real>& x, Summing summing);

  std::size_t rows() const { return range_.rows; }
  std::size_t columns() const { return range_.columns; }
  // `count` neighbours from the ray `first` on; they may run over several rows.
  ProxyRays<Real> rays(std::size_t first, std::size_t count) const;
  // visit(first ray, rays) for the neighbours of a group: row by row, or all at once where all rays share their thresholds.
  template <class Visit>
  void each_run(const RayGroup& group, Visit&& visit) const {
    const RayRectangle& g = group.range;
    if (group.shift.empty()) return visit(0, rays(0, g.rays()));
    for (std::size_t r = g.first_row; r < g.first_row + g.rows; ++r)
      visit(r * columns() + g.first_column, rays(r * columns() + g.first_column, g.columns));
  }
  // A cotangent of sums to every pixel that was summed.
  Array<Real, 3> spread(Array<Real, 3> bar) const;

 private:
  Array<Real, 3> sum(const Array<Real, 3>& values) const;

  const Counts<Real>& x_;
  RayRectangle range_;
  std::optional<PixelSums<Real>> sums_;        // none where nothing is summed
  Array<Real, 3> counts_, open_, background_;  // empty likewise
};

}  // namespace counterflow
