// Kernel: the adjoint of the decomposition by the implicit function theorem (docs/decomposition.md), a vector of rays at a time.
// With psi = A_bar . (A - b) as a function of A and of the model's sums lambda_b, J_b, H_b:
//   v = H^-1 dpsi/dA once a ray;  y_bar_b = J_b . v / lambda_b;  and the cotangents of the sums
//   lambda_bar_b = dpsi/dlambda_b - (y_b/lambda_b^2) J_b . v,  J_bar_b = dpsi/dJ_b - (1 - y_b/lambda_b) v,  H_bar_b = f_b F^-1
// go on to background and thresholds.
#include "gadgets/decomposition/result_cotangents.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

constexpr double kStationary = 10;  // a point is stationary where Newton's step is shorter than this many tolerances

template <class Real, std::size_t M>
class Adjoint {
  using V = Vector<Real>;
  using I = Mask<Real>;

 public:
  Adjoint(const RaySystem<Real>& system, const RaySettings<Real>& settings) : system_(system), settings_(settings) {}

  void block(const RayData<Real>& data, std::size_t at, const RaySolution<Real>& y, const RayCotangents<Real>& out) {
    const I unusable = load_block<Real, M>(system_, data, y.fate, at, rays_);
    V a[M], bar[M], v[M];
    for (std::size_t m = 0; m < M; ++m) a[m] = unusable ? all<Real>(0) : load(y.areal_density + m * data.rays + at);
    expect<Real, M>(system_.full, system_.bins, rays_, a, x_);
    const Normal<Real, M> n = normal<Real, M>(system_.full, system_.bins, rays_, x_);
    V matrix[kPairs<M>];
    I held;
    const I dead = unusable | ~stationary(a, n, matrix, held);
    for (std::size_t m = 0; m < M; ++m) bar[m] = dead ? all<Real>(0) : load(out.areal_density_bar + m * data.rays + at);
    SumCotangents<Real, M> c;
    if (settings_.bias_correction) through_bias<Real, M>(system_, rays_, x_, n, dead | held, bar, c);
    V by_residual[kMaxBins] = {};
    if (out.residual_bar)
      through_residual<Real, M>(system_, rays_, x_, dead, out.residual_bar + at, data.rays, bar, c, by_residual);
    for (std::size_t m = 0; m < M; ++m) bar[m] = clamped(a[m]) ? all<Real>(0) : bar[m];
    Factor<Real, M>(matrix).solve(bar, v);
    through_optimum(dead, v, at, data.rays, c, by_residual, out);
    if (out.threshold_bar || out.shift_bar) through_thresholds(dead, c, at, data.rays, out);
  }

 private:
  I clamped(V a) const { return settings_.non_negative ? a <= 0 : I{}; }

  // Whether `a` is an optimum, and the Hessian that holds there, with ridge (`held`) or without.
  I stationary(const V* a, const Normal<Real, M>& n, V* matrix, I& held) const {
    const V near2 = static_cast<Real>(kStationary * kStationary) * shortest2<Real>(settings_.tolerance, n.counts);
    const auto arrived = [&](Normal<Real, M> reduced, I where) {
      for (std::size_t m = 0; m < M; ++m) fix<Real, M>(reduced, m, clamped(a[m]));
      const Step<Real, M> s = step<Real, M>(reduced);
      const I there = where & s.newton & (s.length2 < near2);
      for (std::size_t k = 0; k < kPairs<M>; ++k) matrix[k] = there ? reduced.hessian[k] : matrix[k];
      return there;
    };
    for (std::size_t k = 0; k < kPairs<M>; ++k) matrix[k] = V{};
    const I by_plain = arrived(n, ~I{});
    held = I{};
    if (any(~by_plain)) {
      V ridges[M];
      for (std::size_t m = 0; m < M; ++m) ridges[m] = all<Real>(ridge<Real>(system_.unit[m]));
      Normal<Real, M> ridged = n;
      add_ridge<Real, M>(ridged, ridges, a);
      held = arrived(ridged, ~by_plain);
    }
    for (std::size_t m = 0; m < M; ++m)
      for (std::size_t j = m; j < M; ++j)
        matrix[pair<M>(m, j)] = by_plain | held ? matrix[pair<M>(m, j)] : all<Real>(m == j ? 1 : 0);
    return by_plain | held;
  }

  void through_optimum(I dead, const V* v, std::size_t at, std::size_t rays, SumCotangents<Real, M>& c, const V* by_residual,
                       const RayCotangents<Real>& out) const {
    for (std::size_t b = 0; b < system_.bins; ++b) {
      const V inverse = 1 / x_.lambda[b], ratio = rays_.counts[b] * inverse;
      V along = {};
      for (std::size_t m = 0; m < M; ++m) {
        along += v[m] * x_.slope[b][m];
        c.slope[b][m] -= dead ? all<Real>(0) : (1 - ratio) * v[m];
      }
      const V counts_bar = dead ? all<Real>(0) : along * inverse;
      c.value[b] -= ratio * counts_bar;
      store(out.counts_bar + b * rays + at, counts_bar + by_residual[b]);
      if (out.background_bar) store(out.background_bar + b * rays + at, c.value[b]);
    }
  }

  void through_thresholds(I dead, const SumCotangents<Real, M>& c, std::size_t at, std::size_t rays,
                          const RayCotangents<Real>& out) const {
    ThresholdCotangents<Real, M> thresholds(system_, rays_);
    thresholds.add(system_.full, x_.transmitted, c);
    V open_bar[kMaxBins];
    for (std::size_t b = 0; b < system_.bins; ++b) open_bar[b] = by_open<Real, M>(rays_, x_, c, b);
    thresholds.add_air(open_bar);
    thresholds.give(dead, at, rays, out);
  }

  const RaySystem<Real>& system_;
  const RaySettings<Real>& settings_;
  RayBlock<Real> rays_;
  Expected<Real, M> x_;
};

template <class Real, std::size_t M>
void adjoint_all(const RaySystem<Real>& system, const RaySettings<Real>& settings, const RayData<Real>& data,
                 const RaySolution<Real>& at, const RayCotangents<Real>& out) {
  Adjoint<Real, M> adjoint(system, settings);
  for (std::size_t i = 0; i < data.rays; i += Lanes<Real>::kCount) adjoint.block(data, i, at, out);
}

}  // namespace

void adjoint_rays(const RaySystem<float>& s, const RaySettings<float>& c, const RayData<float>& x, const RaySolution<float>& y,
                  const RayCotangents<float>& bar) {
  s.materials == 2 ? adjoint_all<float, 2>(s, c, x, y, bar) : adjoint_all<float, 3>(s, c, x, y, bar);
}
void adjoint_rays(const RaySystem<double>& s, const RaySettings<double>& c, const RayData<double>& x,
                  const RaySolution<double>& y, const RayCotangents<double>& bar) {
  s.materials == 2 ? adjoint_all<double, 2>(s, c, x, y, bar) : adjoint_all<double, 3>(s, c, x, y, bar);
}

}  // namespace counterflow::COUNTERFLOW_KERNEL
