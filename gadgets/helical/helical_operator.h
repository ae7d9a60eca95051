// The linear operator of weighted filtered backprojection of a helical scan: rebinning, ramp filter, backprojection, and the
// transpose of each.
#pragma once
#include <tbb/cache_aligned_allocator.h>

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "core/message/message.h"
#include "core/reconstruction/ramp_filter.h"
#include "gadgets/helical/backprojection_kernel.h"
#include "gadgets/helical/rebinning.h"

namespace counterflow::helical {

template <class T>
using Aligned = std::vector<T, tbb::cache_aligned_allocator<T>>;

// [y][x][channel][z], z padded for the kernel.
template <class Real>
struct Volume {
  std::size_t channels = 0, depth = 0;
  Aligned<Real> value;
};

// The latest source views, interpolated to the columns of t: [view modulo their number][channel and row][column].
template <class Real>
struct Ring {
  Array<Real, 3> view;
  std::size_t slot(long v) const { return static_cast<std::size_t>(v) % view.extent(0); }
};

// Voxels of a column along z as stored.
constexpr std::size_t padded_depth(std::size_t nz) { return (nz + 2 * kLanes - 2) / kLanes * kLanes; }

// Of the farthest voxel's centre from the axis [mm].
double reach_of(const ImageGrid& grid);

template <class Real>
class HelicalOperator {
 public:
  static constexpr std::size_t kBatch = 32;  // parallel views that are backprojected together

  // `plateau`: the part of half the detector's height with full weight, 0 to below 1.
  HelicalOperator(const ScanGeometry& geometry, const ImageGrid& grid, fbp::FilterSettings filter, double plateau);

  const ScanGeometry& geometry() const { return geometry_; }
  const ImageGrid& grid() const { return grid_; }
  const Rebinning<Real>& rebinning() const { return rebinning_; }

  Ring<Real> ring(std::size_t channels) const;  // as many views as a batch needs
  Volume<Real> zero_volume(std::size_t channels) const;
  // image += backprojection of the parallel views first .. first + count - 1, at most kBatch, from the source views in the ring.
  void backproject(const Ring<Real>& ring, long first, std::size_t count, Volume<Real>& image) const;
  // The transpose of filter and backprojection for the parallel views first .. first + count - 1, on one thread:
  // [view][channel and row][column].
  Array<Real, 3> transpose(long first, std::size_t count, const Volume<Real>& image_bar) const;
  // The transpose of rebinning for one source view, where parallel(j) gives the transpose for parallel view j.
  using ParallelView = std::shared_ptr<const Real>;  // [channel and row][column]
  Array<Real, 3> source_view(long v, std::size_t channels, const std::function<ParallelView(long)>& parallel) const;

  // Slices [first, first + n) of a volume as images of [channel,1,y,x]; and one of them back.
  std::vector<Array<Real, 4>> slices(const Volume<Real>& volume, std::size_t first, std::size_t n) const;
  void set_slices(const Array<Real, 4>& value, std::size_t first, Volume<Real>& volume) const;

  std::size_t row_stride() const { return geometry_.rows + 1; }

 private:
  // What the kernel is told of each view, padded to whole lanes.
  struct Directions {
    std::vector<Real> cosine, sine, table;
    std::vector<int> first_partner, last_partner;
    Views<Real> views(std::size_t count) const {
      return {cosine.data(), sine.data(), table.data(), first_partner.data(), last_partner.data(), count};
    }
  };
  Directions directions(long first, std::size_t count) const;
  Helix<Real> helix(std::size_t channels, std::size_t depth) const;
  Array<Real, 2> parallel_view(const Ring<Real>& ring, long j) const;
  void filter(std::span<Real> rows) const;  // [channel and row][column]
  // Value of row s, column i of a view in the kernel's order.
  static std::size_t place(const Helix<Real>& h, std::size_t s, std::size_t i) {
    return ((i + 1) * h.channels + s / h.rows) * h.row_stride + s % h.rows;
  }
  template <class Act>
  void over_tiles(std::size_t begin, std::size_t end, Act&& act) const;
  std::size_t tiles_across() const { return (grid_.nx + kTile - 1) / kTile; }
  std::size_t tiles() const { return tiles_across() * ((grid_.ny + kTile - 1) / kTile); }

  ScanGeometry geometry_;
  ImageGrid grid_;
  Rebinning<Real> rebinning_;
  fbp::RampFilter<Real> filter_;
  double plateau_;
  std::vector<Real> x_, y_, fan_;
};

extern template class HelicalOperator<float>;
extern template class HelicalOperator<double>;

}  // namespace counterflow::helical
