// The linear operator of filtered backprojection on whole scans: what is fixed, what accumulates, and the transpose.
#pragma once
#include <tbb/cache_aligned_allocator.h>

#include <vector>

#include "core/reconstruction/ramp_filter.h"
#include "core/reconstruction/scan_accumulator.h"
#include "core/reconstruction/scan_weights.h"
#include "gadgets/fbp/backprojection_kernel.h"

namespace counterflow::fbp {

template <class T>
using Aligned = std::vector<T, tbb::cache_aligned_allocator<T>>;

// All slices and channels of an image, [y][x][channel, row] with the innermost index padded (padded_block).
template <class Real>
struct Volume {
  std::size_t channels = 0, block = 0;
  Aligned<Real> value;
};

// Constants of one scan.
template <class Real>
class Reconstruction {
 public:
  Reconstruction(const ScanGeometry& geometry, const ImageGrid& grid, FilterSettings filter);

  // Filtered rows, ready for the kernel: [view][guarded column][block]. Covariances of a column with itself and with the next.
  struct Rows {
    Aligned<Real> value, covariance, neighbour;
  };

  // image += backprojection of the batch; covariance likewise where it is not null.
  void backproject(const Batch<Real>& batch, Volume<Real>& image, Volume<Real>* covariance) const;
  // Its two halves; the second with the blocks of the volumes.
  Rows filtered(const Batch<Real>& batch, std::size_t block, std::size_t covariance_block) const;  // block 0: without
  void gather_rows(const std::vector<double>& angles, const Rows& rows, Volume<Real>& image, Volume<Real>* covariance) const;
  // The transpose for the view at `angle`: [channel,row,column].
  Array<Real, 3> transpose(double angle, const Volume<Real>& image_bar) const;

  Volume<Real> zero_volume(std::size_t channels) const;
  // Slices [first, first + n) of a volume, each [channel,1,y,x]; and some of them, [channel,z,y,x], back.
  std::vector<Array<Real, 4>> slices(const Volume<Real>& volume, std::size_t first, std::size_t n) const;
  void set_slices(const Array<Real, 4>& value, std::size_t first, Volume<Real>& volume) const;

  const ScanGeometry& geometry() const { return geometry_; }
  const ImageGrid& grid() const { return grid_; }
  std::size_t slices_and_channels(std::size_t channels) const { return channels * geometry_.rows; }

 private:
  std::size_t row_stride(std::size_t block) const { return (geometry_.columns + 3) * block; }
  Backprojection<Real> job(std::size_t block) const;
  void filter_rows(Kernel kernel, const std::vector<double>& angles, const Array<Real, 3>& rows, std::size_t block,
                   Aligned<Real>& out) const;
  std::vector<Real> weights_of(double angle, bool squared = false) const;

  ScanGeometry geometry_;
  ImageGrid grid_;
  ScanWeights weights_;
  RampFilter<Real> filter_;
  std::vector<Real> x_, y_;  // [mm]; x_ with kLanes more
};

extern template class Reconstruction<float>;
extern template class Reconstruction<double>;

}  // namespace counterflow::fbp
