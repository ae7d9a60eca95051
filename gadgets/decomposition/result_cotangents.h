// From the cotangents of a result, areal densities less their bias and residuals, to those of the stationary point A and of the
// model's sums there. Kernel sources only.
#pragma once
#include "gadgets/decomposition/cotangents.h"
#include "gadgets/decomposition/deviance.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

// Through the bias correction: adds dpsi/dsums to `c`, and to `bar` their way to A.
template <class Real, std::size_t M>
class BiasAdjoint {
  using V = Vector<Real>;

 public:
  BiasAdjoint(const RaySystem<Real>& system, const RayBlock<Real>& rays, const Expected<Real, M>& x, const Normal<Real, M>& n)
      : system_(system), rays_(rays), x_(x), bias_(system, rays, x, n) {}

  void add(V* bar, SumCotangents<Real, M>& c) const {
    V u[M], fisher_bar[kPairs<M>];
    product<Real, M>(bias_.inverse, bar, u);
    fisher_cotangent(u, fisher_bar);
    const Real half = static_cast<Real>(0.5);
    for (std::size_t k = 0; k < kPairs<M>; ++k) c.shape[k] = bias_.inverse[k];
    c.curved = true;
    for (std::size_t b = 0; b < system_.bins; ++b) {
      const V* slope = x_.slope[b];
      const V inverse = 1 / x_.lambda[b], ratio = bias_.trace[b] * inverse, along = dot<Real, M>(u, slope);
      V f[M];
      product<Real, M>(fisher_bar, slope, f);
      c.curvature[b] = half * along * inverse;
      c.trace[b] = bias_.trace[b];
      c.value[b] = -half * inverse * (along * ratio + dot<Real, M>(f, slope) * inverse);
      for (std::size_t m = 0; m < M; ++m) c.slope[b][m] = half * (u[m] * ratio + 2 * f[m] * inverse);
    }
    add_way_to_density<Real, M>(system_.full, system_.bins, rays_, x_, bias_.curvature, c, bar);
  }

 private:
  // Cotangent of F in A_bar . G sum_b J_b tau_b / lambda_b: -sym(u z^T) - G K G, z = -2 b, K = sum_b (u . J_b / lambda_b) H_b.
  void fisher_cotangent(const V* u, V* out) const {
    V k[kPairs<M>] = {}, kg[M][M] = {}, gkg[M][M] = {};
    for (std::size_t b = 0; b < system_.bins; ++b) {
      const V weight = dot<Real, M>(u, x_.slope[b]) / x_.lambda[b];
      for (std::size_t q = 0; q < kPairs<M>; ++q) k[q] += weight * bias_.curvature[b][q];
    }
    const auto multiply = [](auto& to, auto&& left, auto&& right) {
      for (std::size_t i = 0; i < M; ++i)
        for (std::size_t j = 0; j < M; ++j)
          for (std::size_t l = 0; l < M; ++l) to[i][j] += left(i, l) * right(l, j);
    };
    const auto g = [&](std::size_t i, std::size_t j) { return bias_.inverse[pair<M>(i, j)]; };
    multiply(
        kg, [&](std::size_t i, std::size_t j) { return k[pair<M>(i, j)]; }, g);
    multiply(gkg, g, [&](std::size_t i, std::size_t j) { return kg[i][j]; });
    for (std::size_t i = 0; i < M; ++i)
      for (std::size_t j = i; j < M; ++j) out[pair<M>(i, j)] = u[i] * bias_.bias[j] + u[j] * bias_.bias[i] - gkg[i][j];
  }

  const RaySystem<Real>& system_;
  const RayBlock<Real>& rays_;
  const Expected<Real, M>& x_;
  Bias<Real, M> bias_;
};

// `bar` of A - b(A, sums) becomes that of A; `without`: rays that are not corrected.
template <class Real, std::size_t M>
void through_bias(const RaySystem<Real>& system, const RayBlock<Real>& rays, const Expected<Real, M>& x, const Normal<Real, M>& n,
                  Mask<Real> without, Vector<Real>* bar, SumCotangents<Real, M>& c) {
  Vector<Real> corrected[M];
  for (std::size_t m = 0; m < M; ++m) corrected[m] = without ? all<Real>(0) : bar[m];
  BiasAdjoint<Real, M>(system, rays, x, n).add(corrected, c);
  for (std::size_t m = 0; m < M; ++m) bar[m] = without ? bar[m] : corrected[m];
  c.clear(without, system.bins);
}

// d_b of y_b and of lambda_b(A): adds to the cotangents of A and of lambda_b, and gives that of y_b itself.
template <class Real, std::size_t M>
void through_residual(const RaySystem<Real>& system, const RayBlock<Real>& rays, const Expected<Real, M>& x, Mask<Real> dead,
                      const Real* residual_bar, std::size_t stride, Vector<Real>* bar, SumCotangents<Real, M>& c,
                      Vector<Real>* counts_bar) {
  for (std::size_t b = 0; b < system.bins; ++b) {
    const DevianceRoot<Real> d(rays.counts[b], x.lambda[b]);
    const Vector<Real> d_bar = load(residual_bar + b * stride), lambda_bar = dead ? all<Real>(0) : d_bar * d.by_lambda;
    counts_bar[b] = dead ? all<Real>(0) : d_bar * d.by_counts;
    c.value[b] += lambda_bar;
    for (std::size_t m = 0; m < M; ++m) bar[m] += lambda_bar * x.slope[b][m];
  }
}

}  // namespace
}  // namespace counterflow::COUNTERFLOW_KERNEL
