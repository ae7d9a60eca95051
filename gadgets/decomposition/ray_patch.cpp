#include "gadgets/decomposition/ray_patch.h"

#include <algorithm>
#include <limits>

namespace counterflow {

template <class Real>
RayPatch<Real>::RayPatch(const Counts<Real>& x, PatchRange range, Summing summing, const Array<Real, 3>& known)
    : range_(range),
      summing_(summing),
      bins_(x.counts.extent(0)),
      padded_((range.rows * range.columns + kRayBlock - 1) / kRayBlock * kRayBlock),
      alive_(range.rows * summing.rows * range.columns * summing.columns, 1),
      counts_(bins_ * padded_),
      open_(bins_ * padded_),
      background_(x.background.empty() ? 0 : bins_ * padded_),
      known_(known.extent(0) * padded_),
      fate_(padded_, kFailed) {
  for (std::size_t b = 0; b < bins_; ++b)
    each_row(*x.open_beam, b, [&](const Real* open, std::size_t pixel, std::size_t) {
      for (std::size_t c = 0; c < range_.columns * summing_.columns; ++c)
        alive_[pixel + c] &= open[c] > 0 && open[c] <= std::numeric_limits<Real>::max();
    });
  for (std::size_t b = 0; b < bins_; ++b) {
    add(x.counts, b, 1, counts_.data() + b * padded_);
    add(*x.open_beam, b, static_cast<Real>(x.view.exposure), open_.data() + b * padded_);
    if (!background_.empty()) add(x.background, b, 1, background_.data() + b * padded_);
  }
  judge();
  for (std::size_t k = 0; k < known.extent(0); ++k) get(known, k, known_.data() + k * padded_);
}

// visit(row of pixels, its first pixel in alive_, its first ray) for the rows of the patch.
template <class Real>
void RayPatch<Real>::each_row(const Array<Real, 3>& of, std::size_t bin, auto&& visit) const {
  const std::size_t columns = range_.columns * summing_.columns;
  for (std::size_t r = 0; r < range_.rows * summing_.rows; ++r)
    visit(&of(bin, range_.first_row * summing_.rows + r, range_.first_column * summing_.columns), r * columns,
          r / summing_.rows * range_.columns);
}

// sum [ray] += factor times the living pixels of a bin.
template <class Real>
void RayPatch<Real>::add(const Array<Real, 3>& of, std::size_t bin, Real factor, Real* sum) const {
  each_row(of, bin, [&](const Real* from, std::size_t pixel, std::size_t ray) {
    for (std::size_t k = 0; k < summing_.columns; ++k)
      for (std::size_t c = 0; c < range_.columns; ++c) {
        const std::size_t at = c * summing_.columns + k;
        sum[ray + c] += alive_[pixel + at] ? factor * from[at] : Real{0};
      }
  });
}

template <class Real>
void RayPatch<Real>::judge() {
  std::vector<Real> total(rays());
  std::vector<std::uint8_t> usable(rays(), 1);
  for (std::size_t b = 0; b < bins_; ++b)
    for (std::size_t i = 0; i < rays(); ++i) {
      const Real y = counts_[b * padded_ + i], s = background_.empty() ? 0 : background_[b * padded_ + i];
      usable[i] &= y >= 0 && y <= std::numeric_limits<Real>::max() && open_[b * padded_ + i] > 0 && s >= 0 &&
                   s <= std::numeric_limits<Real>::max();
      total[i] += y;
    }
  for (std::size_t i = 0; i < rays(); ++i) fate_[i] = usable[i] && total[i] > 0 ? kSolved : kFailed;
}

template <class Real>
void RayPatch<Real>::gather_shifts(const Array<Real, 3>& shift) {
  shift_.assign(shift.extent(0) * padded_, Real{0});
  for (std::size_t k = 0; k < shift.extent(0); ++k) get(shift, k, shift_.data() + k * padded_);
}

template <class Real>
RayData<Real> RayPatch<Real>::data() const {
  RayData<Real> data{padded_, counts_.data(), open_.data()};
  if (!background_.empty()) data.background = background_.data();
  if (!known_.empty()) data.known = known_.data();
  if (!shift_.empty()) data.shift = shift_.data();
  return data;
}

template <class Real>
void RayPatch<Real>::put(const Real* channel, std::size_t index, Array<Real, 3>& to) const {
  for (std::size_t r = 0; r < range_.rows; ++r)
    std::copy_n(channel + r * range_.columns, range_.columns, &to(index, range_.first_row + r, range_.first_column));
}

template <class Real>
void RayPatch<Real>::get(const Array<Real, 3>& from, std::size_t index, Real* channel) const {
  for (std::size_t r = 0; r < range_.rows; ++r)
    std::copy_n(&from(index, range_.first_row + r, range_.first_column), range_.columns, channel + r * range_.columns);
}

template <class Real>
void RayPatch<Real>::spread(const Real* channel, std::size_t bin, Array<Real, 3>& to) const {
  each_row(to, bin, [&](const Real* row, std::size_t pixel, std::size_t ray) {
    Real* out = to.data() + (row - to.data());
    for (std::size_t c = 0; c < range_.columns * summing_.columns; ++c)
      if (alive_[pixel + c]) out[c] = channel[ray + c / summing_.columns];
  });
}

template class RayPatch<float>;
template class RayPatch<double>;

}  // namespace counterflow
