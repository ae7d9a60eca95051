#include "gadgets/decomposition/ray_patch.h"

#include <algorithm>
#include <limits>

namespace counterflow {

template <class Real>
RayPatch<Real>::RayPatch(const Counts<Real>& x, RayRectangle range, Summing summing, const Array<Real, 3>& known)
    : range_(range),
      sums_(*x.open_beam, range, summing),
      bins_(x.counts.extent(0)),
      padded_((range.rays() + kRayBlock - 1) / kRayBlock * kRayBlock),
      counts_(bins_ * padded_),
      open_(bins_ * padded_),
      background_(x.background.empty() ? 0 : bins_ * padded_),
      known_(known.extent(0) * padded_),
      fate_(padded_, kFailed) {
  for (std::size_t b = 0; b < bins_; ++b) {
    sums_.add(x.counts, b, 1, counts_.data() + b * padded_);
    sums_.add(*x.open_beam, b, static_cast<Real>(x.view.exposure), open_.data() + b * padded_);
    if (!background_.empty()) sums_.add(x.background, b, 1, background_.data() + b * padded_);
  }
  judge();
  for (std::size_t k = 0; k < known.extent(0); ++k) get(known, k, known_.data() + k * padded_);
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

template class RayPatch<float>;
template class RayPatch<double>;

}  // namespace counterflow
