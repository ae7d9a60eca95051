// What images are compared with, slice by slice, and which of its voxels count.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/message/message.h"

namespace counterflow::losses {

// Which voxels are compared.
struct ComparedRegion {
  double radius = 0;  // about the isocenter [mm]
  double inside = 0;  // share of the reference's largest density that a voxel exceeds
  double border = 0;  // from edges of the reference [mm]
};

template <class Real>
class ReferenceStack {
 public:
  struct Slice {
    double z = 0;                        // of the patient [mm]
    std::vector<Real> value;             // [channel,y,x]
    std::vector<Real> covariance;        // [pair,y,x]; empty: not known
    std::vector<std::uint8_t> compared;  // [y,x] 1 or 0
    std::vector<bool> has;               // [channel]
  };

  // Channels like x's of the images, wherever they stand in them. Throws DataError naming `gadget` where they do not fit x.
  ReferenceStack(const std::vector<Image<Real>>& images, const Image<Real>& x, std::string gadget);
  // The slice at the place of slice z of x; a stack of one slice is that everywhere. Throws DataError where there is none.
  const Slice& at(const Image<Real>& x, std::size_t z) const;
  // Throws DataError where nothing is left.
  void choose_voxels(const ComparedRegion& region);
  // [pair] mean over the compared voxels; empty where it is not known.
  std::vector<double> mean_covariance() const;
  void forget_covariance();

  std::size_t channels() const { return channels_.names.size(); }
  std::size_t pixels() const { return grid_.nx * grid_.ny; }
  const ImageGrid& grid() const { return grid_; }
  const std::vector<Slice>& slices() const { return slices_; }

 private:
  void add(const Image<Real>& image);
  void check_grid(const ImageGrid& grid) const;
  Slice& slice_at(double z);
  std::vector<double> density_of(const Slice& slice) const;
  [[noreturn]] void refuse(const std::string& what) const;

  std::string gadget_;
  Channels channels_;
  ImageGrid grid_;
  std::vector<Slice> slices_;
};

extern template class ReferenceStack<float>;
extern template class ReferenceStack<double>;

}  // namespace counterflow::losses
