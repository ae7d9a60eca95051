// The rays of one view that share their spectra: gathered side by side for the kernels, neighbours summed, and scattered back.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/message/message.h"
#include "gadgets/decomposition/ray_kernel.h"

namespace counterflow {

// How many rows and columns of counts are summed into one ray.
struct Summing {
  std::size_t rows = 1, columns = 1;
};

// Rows and columns of *summed* rays.
struct PatchRange {
  std::size_t first_row = 0, rows = 0, first_column = 0, columns = 0;
};

template <class Real>
class RayPatch {
 public:
  // Pixels whose open beam is not positive are left out of sums. Rays with no pixel left, without counts, or with counts that
  // are negative or not numbers start as failed.
  // `known` [known,row,column] of summed rays: what each passes besides the materials sought, g/cm^2; empty = nothing.
  RayPatch(const Counts<Real>& x, PatchRange range, Summing summing, const Array<Real, 3>& known = {});

  std::size_t rays() const { return range_.rows * range_.columns; }
  std::size_t padded() const { return padded_; }
  RayData<Real> data() const;
  std::vector<std::uint8_t>& fate() { return fate_; }
  const std::vector<std::uint8_t>& fate() const { return fate_; }

  // Adds channels to data(): threshold shifts [threshold,row,column] of each pixel.
  void gather_shifts(const Array<Real, 3>& shift);
  // One channel [ray] to and from its place in an array [channel,row,column] of summed rays.
  void put(const Real* channel, std::size_t index, Array<Real, 3>& to) const;
  void get(const Array<Real, 3>& from, std::size_t index, Real* channel) const;
  // A cotangent of sums [ray] to every pixel that was summed.
  void spread(const Real* channel, std::size_t bin, Array<Real, 3>& to) const;

 private:
  void each_row(const Array<Real, 3>& of, std::size_t bin, auto&& visit) const;
  void add(const Array<Real, 3>& of, std::size_t bin, Real factor, Real* sum) const;
  void judge();

  PatchRange range_;
  Summing summing_;
  std::size_t bins_, padded_;
  std::vector<std::uint8_t> alive_;  // [pixel]: its open beam is positive in all bins
  std::vector<Real> counts_, open_, background_, known_, shift_;
  std::vector<std::uint8_t> fate_;
};

}  // namespace counterflow
