// Line integrals of volumes for the rays of a scan, and their exact transpose: a matched pair.
//
//   p(ray) = sum over the lines of voxels that the ray crosses of (length from line to line) (interpolated density)
//
// A ray follows the axis x or y that it runs along most; on each line of voxels across it interpolates between the two nearest
// (Joseph 1982), of a cone between the four nearest. What lies outside the grid, or beyond source and detector, counts as empty.
// A pixel is the mean of evenly spaced rays. Fans and parallel beams: each row sees a slice of its own. Cones, circular and
// helical: true cone rays, at the table position of the view.
#pragma once
#include <tbb/cache_aligned_allocator.h>

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "core/array.h"
#include "core/reconstruction/view_planner.h"

namespace counterflow {

struct RaysPerPixel {
  std::size_t columns = 1, rows = 1;  // side by side and above each other; rows: cones only
};

// A volume as rays read it, along lines of x and of y. What a transpose has left is for Projector::values() only.
template <class Real>
struct LineVolume {
  std::size_t channels = 0, slices = 0;
  std::array<std::vector<Real, tbb::cache_aligned_allocator<Real>>, 2> across;  // by projection::Across
};

template <class Real>
class Projector {
 public:
  // Throws ConfigError for a geometry or a grid that makes no sense. Of fans and parallel beams the grid's z is not used.
  Projector(const ScanGeometry& geometry, const ImageGrid& grid, RaysPerPixel rays = {});

  // [channel,z,y,x], g/cm^3 (1/cm for line integrals), for the rays; z is any number of slices for fans and parallel beams, those
  // of the grid for cones. Throws DataError for another shape. The values of a zero volume are what transpose() adds to.
  LineVolume<Real> volume(const Array<Real, 4>& values) const;
  LineVolume<Real> zero_volume(std::size_t channels, std::size_t slices) const;
  Array<Real, 4> values(const LineVolume<Real>& volume) const;  // the transpose of volume()
  std::size_t volume_bytes(std::size_t channels, std::size_t slices) const;

  // [channel,row,column], g/cm^2; of fans and parallel beams a row a slice of the volume. One view on one thread; many views in
  // parallel, faster for large volumes. Each has the same bits either way.
  Array<Real, 3> project(const LineVolume<Real>& volume, const View& view) const;
  std::vector<Array<Real, 3>> project(const LineVolume<Real>& volume, std::span<const View> views) const;
  // bar += transposes of all views: the same bits for any number of threads.
  void transpose(std::span<const Array<Real, 3>> views_bar, std::span<const View> views, LineVolume<Real>& bar) const;

  const ScanGeometry& geometry() const { return geometry_; }
  const ImageGrid& grid() const { return grid_; }

 private:
  using Aligned = std::vector<Real, tbb::cache_aligned_allocator<Real>>;
  struct Layout;
  struct ViewRays;
  Layout layout(std::size_t channels, std::size_t slices) const;
  void check(const LineVolume<Real>& volume) const;
  template <class Use>
  void over_voxels(const Layout& layout, std::size_t y_begin, std::size_t y_end, Use&& use) const;
  template <class Use>
  void over_rays(const Layout& layout, const std::vector<projection::RayBundle>& bundles, Use&& use) const;
  template <class Views, class Use>
  void over_bundles(const Layout& layout, projection::Across across, std::size_t first_line, Views& views, Use&& use) const;
  std::vector<Array<Real, 3>> project_together(const LineVolume<Real>& volume, std::span<const View> views) const;
  void add(const Layout& layout, const LineVolume<Real>& volume, projection::Across across, std::size_t first_line,
           std::vector<ViewRays>& views) const;
  Array<Real, 3> pixels(const Layout& layout, const std::vector<projection::RayBundle>& bundles, const Aligned& sums) const;
  Aligned sums_bar(const Layout& layout, const std::vector<projection::RayBundle>& bundles, const Array<Real, 3>& bar) const;
  void spread(const Layout& layout, const std::vector<ViewRays>& views, projection::Across across, std::size_t first_line,
              LineVolume<Real>& bar) const;

  ScanGeometry geometry_;
  ImageGrid grid_;
  RaysPerPixel rays_;
  projection::ViewPlanner planner_;  // of single rays
};

extern template class Projector<float>;
extern template class Projector<double>;

}  // namespace counterflow
