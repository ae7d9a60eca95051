// Kernel: areal densities of rays, one vector of them at a time.
#include "gadgets/proxy_decomposition/steps.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

template <class Real, std::size_t M>
void estimate_all(const ProxySystem<Real>& s, const ProxyRays<Real>& rays, ProxyResult<Real>& out) {
  constexpr std::size_t lanes = Lanes<Real>::kCount;
  for (std::size_t at = 0; at < rays.rays; at += lanes) {
    const std::size_t n = rays.rays - at < lanes ? rays.rays - at : lanes;
    const RayVector<Real> ray(s, rays, at, n);
    const Path<Real, M> path(s, ray, LogData<Real>(s, ray));
    const Vector<Real>* a = path.answer();
    Mask<Real> outside = {};
    for (std::size_t m = 0; m < M; ++m) {
      outside |= (a[m] < static_cast<Real>(-0.15) * s.range[m]) | (a[m] > s.range[m]);
      store_some(out.areal_density + m * out.plane + at, path.found ? a[m] : all(s.failed_value[m]), n);
    }
    outside &= path.found;
    for (std::size_t i = 0; i < n; ++i) {
      out.failed += path.found[i] == 0;
      out.outside += outside[i] != 0;
    }
    if (!out.covariance) continue;
    Vector<Real> inverse[kPairs<M>];
    Factor<Real, M>(score_equations<Real, M>(s, ray, a).matrix).inverse(inverse);
    for (std::size_t k = 0; k < kPairs<M>; ++k)
      store_some(out.covariance + k * out.plane + at, path.found ? inverse[k] : all<Real>(0), n);
  }
}

}  // namespace

void estimate_rays(const ProxySystem<float>& s, const ProxyRays<float>& x, ProxyResult<float>& y) {
  s.materials == 2 ? estimate_all<float, 2>(s, x, y) : estimate_all<float, 3>(s, x, y);
}
void estimate_rays(const ProxySystem<double>& s, const ProxyRays<double>& x, ProxyResult<double>& y) {
  s.materials == 2 ? estimate_all<double, 2>(s, x, y) : estimate_all<double, 3>(s, x, y);
}

}  // namespace counterflow::COUNTERFLOW_KERNEL
