// The linear operator of weighted filtered backprojection of a helical scan: rebinning, ramp filter, backprojection, and the
// transpose of each.
#pragma once
#include <tbb/cache_aligned_allocator.h>

#include <memory>
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
  // The transpose of filter and backprojection for one parallel view: [channel and row][column].
  Array<Real, 2> transpose(long view, const Volume<Real>& image_bar) const;
  // The transpose of rebinning for one source view, where parallel(j) gives the transpose for parallel view j.
  template <class Parallel>
  Array<Real, 3> source_view(long v, std::size_t channels, Parallel&& parallel) const;

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
  void filter(Array<Real, 2>& rows) const;

  ScanGeometry geometry_;
  ImageGrid grid_;
  Rebinning<Real> rebinning_;
  fbp::RampFilter<Real> filter_;
  double plateau_;
  std::vector<Real> x_, y_, fan_;
};

template <class Real>
template <class Parallel>
Array<Real, 3> HelicalOperator<Real>::source_view(long v, std::size_t channels, Parallel&& parallel) const {
  const std::size_t n = rebinning_.columns(), rows = channels * geometry_.rows;
  Array<Real, 2> bar({rows, n});
  const long from = std::max(v - rebinning_.latest(), rebinning_.first()),
             to = std::min(v - rebinning_.earliest(), rebinning_.last());
  for (long j = from; j <= to; ++j) {
    const std::shared_ptr<const Array<Real, 2>> of = parallel(j);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t k = 0; k < kTaps; ++k)
        if (rebinning_.source(j, i, k) == v)
          for (std::size_t s = 0; s < rows; ++s) bar(s, i) += rebinning_.view_weight(i, k) * (*of)(s, i);
  }
  Array<Real, 3> view_bar({channels, geometry_.rows, geometry_.columns});
  rebinning_.transpose(bar.data(), view_bar);
  return view_bar;
}

extern template class HelicalOperator<float>;
extern template class HelicalOperator<double>;

}  // namespace counterflow::helical
