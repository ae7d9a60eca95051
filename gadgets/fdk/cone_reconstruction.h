// The linear operator of Feldkamp, Davis and Kress on whole scans: what is fixed, what accumulates, and the transpose.
#pragma once
#include <tbb/cache_aligned_allocator.h>

#include <vector>

#include "core/reconstruction/cone_kernel.h"
#include "core/reconstruction/ramp_filter.h"
#include "core/reconstruction/scan_accumulator.h"
#include "core/reconstruction/scan_weights.h"

namespace counterflow::fdk {

template <class T>
using Aligned = std::vector<T, tbb::cache_aligned_allocator<T>>;

// All channels of an image, [channel][y][x][z] with z padded (fbp::padded_line).
template <class Real>
struct Volume {
  std::size_t channels = 0;
  Aligned<Real> value;
};

// Constants of one scan.
template <class Real>
class ConeReconstruction {
 public:
  using Job = fbp::ConeBackprojection<Real>;
  using Filter = fbp::RampFilter<Real>;

  ConeReconstruction(const ScanGeometry& geometry, const ImageGrid& grid, fbp::FilterSettings filter);

  // image += backprojection of the batch; covariance likewise where it is not null.
  void backproject(const fbp::Batch<Real>& batch, Volume<Real>& image, Volume<Real>* covariance) const;
  // Its two halves: filtered rows as the kernel takes them, [view][channel][guarded column][row, padded];
  Aligned<Real> filtered(const fbp::Batch<Real>& batch, std::size_t channels) const;
  // and the volume += their backprojection.
  void gather(const std::vector<double>& angles, const Aligned<Real>& rows, Volume<Real>& image) const;
  // The transpose for the view at `angle`: [channel,row,column].
  Array<Real, 3> transpose(double angle, const Volume<Real>& image_bar) const;

  Volume<Real> zero_volume(std::size_t channels) const;
  // Slices [first, first + n) of a volume, each [channel,1,y,x]; and some of them, [channel,z,y,x], back.
  std::vector<Array<Real, 4>> slices(const Volume<Real>& volume, std::size_t first, std::size_t n) const;
  void set_slices(const Array<Real, 4>& value, std::size_t first, Volume<Real>& volume) const;

  const ScanGeometry& geometry() const { return geometry_; }
  const ImageGrid& grid() const { return grid_; }

 private:
  Job job(std::size_t channels) const;
  std::vector<Real> weights_of(double angle, bool squared = false) const;  // [row, column]
  void filter_rows(fbp::Kernel kernel, const std::vector<double>& angles, const Array<Real, 3>& rows, std::size_t channels,
                   Aligned<Real>& out) const;
  void spread(const fbp::Batch<Real>& batch, Volume<Real>& covariance) const;
  template <class Use>
  void over_tiles(Job job, const std::vector<double>& angles, Use&& use) const;

  ScanGeometry geometry_;
  ImageGrid grid_;
  fbp::ScanWeights weights_;
  Filter filter_;
  std::vector<double> cone_cosine_;  // [row, column] of each ray's angle with the plane of the source
  std::vector<Real> x_, y_;          // [mm]
};

extern template class ConeReconstruction<float>;
extern template class ConeReconstruction<double>;

}  // namespace counterflow::fdk
