// The rays of one view that share their spectra: gathered side by side for the kernels, neighbours summed, and scattered back.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/gadget/pixel_sums.h"
#include "core/message/message.h"
#include "gadgets/decomposition/ray_kernel.h"

namespace counterflow {

template <class Real>
class RayPatch {
 public:
  // Rays with no pixel left (PixelSums), without counts, or with counts that are negative or not numbers start as failed.
  // `known` [known,row,column] of summed rays: what each passes besides the materials sought, g/cm^2; empty = nothing.
  RayPatch(const Counts<Real>& x, RayRectangle range, Summing summing, const Array<Real, 3>& known = {});

  std::size_t rays() const { return range_.rays(); }
  std::size_t padded() const { return padded_; }
  RayData<Real> data() const;
  std::vector<std::uint8_t>& fate() { return fate_; }
  const std::vector<std::uint8_t>& fate() const { return fate_; }

  // Adds channels to data(): threshold shifts [threshold,row,column] of each pixel.
  void gather_shifts(const Array<Real, 3>& shift);
  // One channel [ray] to and from its place in an array [channel,row,column] of summed rays.
  void put(const Real* channel, std::size_t index, Array<Real, 3>& to) const;
  void get(const Array<Real, 3>& from, std::size_t index, Real* channel) const;
  const PixelSums<Real>& sums() const { return sums_; }

 private:
  void judge();

  RayRectangle range_;
  PixelSums<Real> sums_;
  std::size_t bins_, padded_;
  std::vector<Real> counts_, open_, background_, known_, shift_;
  std::vector<std::uint8_t> fate_;
};

}  // namespace counterflow
