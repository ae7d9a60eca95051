#include "core/gadget/pixel_sums.h"

#include <limits>

namespace counterflow {

template <class Real>
PixelSums<Real>::PixelSums(const Array<Real, 3>& open_beam, RayRectangle range, Summing summing)
    : range_(range), summing_(summing), alive_(range.rays() * summing.rows * summing.columns, 1) {
  for (std::size_t b = 0; b < open_beam.extent(0); ++b)
    each_row(open_beam, b, [&](const Real* open, std::size_t pixel, std::size_t) {
      for (std::size_t c = 0; c < range_.columns * summing_.columns; ++c)
        alive_[pixel + c] &= open[c] > 0 && open[c] <= std::numeric_limits<Real>::max();
    });
}

// visit(row of pixels, its first pixel in alive_, its first ray) for the rows of the range.
template <class Real>
template <class Rows, class Visit>
void PixelSums<Real>::each_row(Rows& of, std::size_t bin, Visit&& visit) const {
  const std::size_t columns = range_.columns * summing_.columns;
  for (std::size_t r = 0; r < range_.rows * summing_.rows; ++r)
    visit(&of(bin, range_.first_row * summing_.rows + r, range_.first_column * summing_.columns), r * columns,
          r / summing_.rows * range_.columns);
}

template <class Real>
void PixelSums<Real>::add(const Array<Real, 3>& of, std::size_t bin, Real factor, Real* sum) const {
  each_row(of, bin, [&](const Real* from, std::size_t pixel, std::size_t ray) {
    for (std::size_t k = 0; k < summing_.columns; ++k)
      for (std::size_t c = 0; c < range_.columns; ++c) {
        const std::size_t at = c * summing_.columns + k;
        sum[ray + c] += alive_[pixel + at] ? factor * from[at] : Real{0};
      }
  });
}

template <class Real>
void PixelSums<Real>::spread(const Real* bar, std::size_t bin, Array<Real, 3>& to) const {
  each_row(to, bin, [&](Real* out, std::size_t pixel, std::size_t ray) {
    for (std::size_t c = 0; c < range_.columns * summing_.columns; ++c)
      if (alive_[pixel + c]) out[c] = bar[ray + c / summing_.columns];
  });
}

template class PixelSums<float>;
template class PixelSums<double>;

}  // namespace counterflow
