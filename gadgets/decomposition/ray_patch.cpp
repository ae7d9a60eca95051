#include "gadgets/decomposition/ray_patch.h"

#include <cmath>

namespace counterflow {

template <class Real>
RayPatch<Real>::RayPatch(const Counts<Real>& x, PatchRange range, Summing summing, const Array<Real, 3>& known)
    : range_(range),
      summing_(summing),
      bins_(x.counts.extent(0)),
      padded_((range.rows * range.columns + kRayBlock - 1) / kRayBlock * kRayBlock),
      counts_(bins_ * padded_),
      open_(bins_ * padded_),
      background_(x.background.empty() ? 0 : bins_ * padded_),
      known_(known.extent(0) * padded_),
      fate_(padded_, kFailed) {
  for (std::size_t r = 0; r < range.rows; ++r)
    for (std::size_t c = 0; c < range.columns; ++c) gather(x, range.first_row + r, range.first_column + c, r * range.columns + c);
  for (std::size_t k = 0; k < known.extent(0); ++k) get(known, k, known_.data() + k * padded_);
}

template <class Real>
bool RayPatch<Real>::alive(const Counts<Real>& x, std::size_t row, std::size_t column) {
  for (std::size_t b = 0; b < x.counts.extent(0); ++b)
    if (const Real open = (*x.open_beam)(b, row, column); !(open > 0 && std::isfinite(open))) return false;
  return true;
}

template <class Real>
void RayPatch<Real>::gather(const Counts<Real>& x, std::size_t row, std::size_t column, std::size_t ray) {
  const Real exposure = static_cast<Real>(x.view.exposure);
  for (std::size_t r = row * summing_.rows; r < (row + 1) * summing_.rows; ++r)
    for (std::size_t c = column * summing_.columns; c < (column + 1) * summing_.columns; ++c) {
      if (!alive(x, r, c)) continue;
      for (std::size_t b = 0; b < bins_; ++b) {
        counts_[b * padded_ + ray] += x.counts(b, r, c);
        open_[b * padded_ + ray] += exposure * (*x.open_beam)(b, r, c);
        if (!background_.empty()) background_[b * padded_ + ray] += x.background(b, r, c);
      }
    }
  bool usable = true;
  Real total = 0;
  for (std::size_t b = 0; b < bins_; ++b) {
    const Real y = counts_[b * padded_ + ray], s = background_.empty() ? 0 : background_[b * padded_ + ray];
    usable &= y >= 0 && std::isfinite(y) && open_[b * padded_ + ray] > 0 && s >= 0 && std::isfinite(s);
    total += y;
  }
  fate_[ray] = usable && total > 0 ? kSolved : kFailed;
}

template <class Real>
RayData<Real> RayPatch<Real>::data() const {
  return {padded_, counts_.data(), open_.data(), background_.empty() ? nullptr : background_.data(),
          known_.empty() ? nullptr : known_.data()};
}

template <class Real>
void RayPatch<Real>::put(const Real* channel, std::size_t index, Array<Real, 3>& to) const {
  for (std::size_t r = 0; r < range_.rows; ++r)
    for (std::size_t c = 0; c < range_.columns; ++c)
      to(index, range_.first_row + r, range_.first_column + c) = channel[r * range_.columns + c];
}

template <class Real>
void RayPatch<Real>::get(const Array<Real, 3>& from, std::size_t index, Real* channel) const {
  for (std::size_t r = 0; r < range_.rows; ++r)
    for (std::size_t c = 0; c < range_.columns; ++c)
      channel[r * range_.columns + c] = from(index, range_.first_row + r, range_.first_column + c);
}

template <class Real>
void RayPatch<Real>::spread(const Real* channel, std::size_t bin, const Counts<Real>& x, Array<Real, 3>& to) const {
  const std::size_t rows = range_.rows * summing_.rows, columns = range_.columns * summing_.columns;
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < columns; ++c) {
      const std::size_t row = range_.first_row * summing_.rows + r, column = range_.first_column * summing_.columns + c;
      if (alive(x, row, column)) to(bin, row, column) = channel[r / summing_.rows * range_.columns + c / summing_.columns];
    }
}

template class RayPatch<float>;
template class RayPatch<double>;

}  // namespace counterflow
