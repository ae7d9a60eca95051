#include "gadgets/proxy_decomposition/summed_rays.h"

namespace counterflow {

template <class Real>
SummedRays<Real>::SummedRays(const Counts<Real>& x, Summing summing)
    : x_(x), range_{0, x.counts.extent(1) / summing.rows, 0, x.counts.extent(2) / summing.columns} {
  if (summing.none()) return;
  sums_.emplace(*x.open_beam, range_, summing);
  counts_ = sum(x.counts);
  open_ = sum(*x.open_beam);
  if (!x.background.empty()) background_ = sum(x.background);
}

template <class Real>
Array<Real, 3> SummedRays<Real>::sum(const Array<Real, 3>& values) const {
  Array<Real, 3> out({values.extent(0), range_.rows, range_.columns});
  for (std::size_t b = 0; b < values.extent(0); ++b) sums_->add(values, b, 1, out.block(b).data());
  return out;
}

template <class Real>
Array<Real, 3> SummedRays<Real>::spread(Array<Real, 3> bar) const {
  if (!sums_ || bar.empty()) return bar;
  Array<Real, 3> out(x_.counts.shape());
  for (std::size_t b = 0; b < out.extent(0); ++b) sums_->spread(bar.block(b).data(), b, out);
  return out;
}

template <class Real>
ProxyRays<Real> SummedRays<Real>::rays(std::size_t first, std::size_t count) const {
  const Array<Real, 3>&counts = sums_ ? counts_ : x_.counts, &open = sums_ ? open_ : *x_.open_beam,
                    &background = sums_ ? background_ : x_.background;
  return {count,
          range_.rays(),
          counts.data() + first,
          open.data() + first,
          background.empty() ? nullptr : background.data() + first,
          static_cast<Real>(x_.view.exposure)};
}

template class SummedRays<float>;
template class SummedRays<double>;

}  // namespace counterflow
