#include "gadgets/proxy_decomposition/summed_rays.h"

#include <cmath>

namespace counterflow {

template <class Real>
SummedRays<Real>::SummedRays(const Counts<Real>& x, std::size_t sum_rows, std::size_t sum_columns)
    : x_(x),
      sum_rows_(sum_rows),
      sum_columns_(sum_columns),
      rows_(x.counts.extent(1) / sum_rows),
      columns_(x.counts.extent(2) / sum_columns) {
  if (!sums()) return;
  counts_ = sum(x.counts);
  open_ = sum(*x.open_beam);
  if (!x.background.empty()) background_ = sum(x.background);
}

template <class Real>
bool SummedRays<Real>::alive(std::size_t row, std::size_t column) const {
  for (std::size_t b = 0; b < x_.open_beam->extent(0); ++b)
    if (const Real open = (*x_.open_beam)(b, row, column); !(open > 0 && std::isfinite(open))) return false;
  return true;
}

template <class Real>
Array<Real, 3> SummedRays<Real>::sum(const Array<Real, 3>& values) const {
  Array<Real, 3> out({values.extent(0), rows_, columns_});
  for (std::size_t r = 0; r < rows_ * sum_rows_; ++r)
    for (std::size_t c = 0; c < columns_ * sum_columns_; ++c) {
      if (!alive(r, c)) continue;
      for (std::size_t b = 0; b < values.extent(0); ++b) out(b, r / sum_rows_, c / sum_columns_) += values(b, r, c);
    }
  return out;
}

template <class Real>
Array<Real, 3> SummedRays<Real>::spread(Array<Real, 3> bar) const {
  if (!sums() || bar.empty()) return bar;
  Array<Real, 3> out(x_.counts.shape());
  for (std::size_t r = 0; r < rows_ * sum_rows_; ++r)
    for (std::size_t c = 0; c < columns_ * sum_columns_; ++c) {
      if (!alive(r, c)) continue;
      for (std::size_t b = 0; b < out.extent(0); ++b) out(b, r, c) = bar(b, r / sum_rows_, c / sum_columns_);
    }
  return out;
}

template <class Real>
ProxyRays<Real> SummedRays<Real>::rays(std::size_t row, std::size_t column, std::size_t count) const {
  const std::size_t at = row * columns_ + column;
  const Array<Real, 3>&counts = sums() ? counts_ : x_.counts, &open = sums() ? open_ : *x_.open_beam,
                    &background = sums() ? background_ : x_.background;
  return {count,
          rows_ * columns_,
          counts.data() + at,
          open.data() + at,
          background.empty() ? nullptr : background.data() + at,
          static_cast<Real>(x_.view.exposure)};
}

template class SummedRays<float>;
template class SummedRays<double>;

}  // namespace counterflow
