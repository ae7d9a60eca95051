// The first-order bias of maximum likelihood (Cox and Snell, 1968) of a vector of rays. Kernel sources only.
//   b = -1/2 G sum_b J_b tau_b / lambda_b,   G = F^-1, tau_b = tr(G H_b), H_b = d2 lambda_b / dA2
#pragma once
#include "gadgets/decomposition/newton.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

// H_b of each bin, upper triangle by rows.
template <class Real, std::size_t M>
void curvatures(const RaySpectra<Real>& s, std::size_t bins, const RayBlock<Real>& rays, const Vector<Real>* transmitted,
                Vector<Real> (*out)[kPairs<M>]) {
  for (std::size_t b = 0; b < bins; ++b) {
    Vector<Real> h[kPairs<M>] = {};
    for (std::size_t e = 0; e < s.energies; ++e) {
      const Vector<Real> q = weight_of(s, bins, rays, e, b) * transmitted[e];
      for (std::size_t i = 0; i < M; ++i) {
        const Vector<Real> u = s.attenuation[e * M + i] * q;
        for (std::size_t j = i; j < M; ++j) h[pair<M>(i, j)] += s.attenuation[e * M + j] * u;
      }
    }
    for (std::size_t k = 0; k < kPairs<M>; ++k) out[b][k] = rays.open[b] * h[k];
  }
}

// sum_ij a_ij b_ij of symmetric matrices.
template <class Real, std::size_t M>
Vector<Real> contraction(const Vector<Real>* a, const Vector<Real>* b) {
  Vector<Real> sum = {};
  for (std::size_t i = 0; i < M; ++i)
    for (std::size_t j = 0; j < M; ++j) sum += a[pair<M>(i, j)] * b[pair<M>(i, j)];
  return sum;
}

template <class Real, std::size_t M>
struct Bias {
  Vector<Real> curvature[kMaxBins][kPairs<M>];  // H_b
  Vector<Real> inverse[kPairs<M>];              // G
  Vector<Real> trace[kMaxBins];                 // tau_b
  Vector<Real> bias[M];

  Bias(const RaySystem<Real>& system, const RayBlock<Real>& rays, const Expected<Real, M>& x, const Normal<Real, M>& n) {
    curvatures<Real, M>(system.full, system.bins, rays, x.transmitted, curvature);
    const Factor<Real, M> fisher(n.fisher);
    fisher.inverse(inverse);
    Vector<Real> sum[M] = {};
    for (std::size_t b = 0; b < system.bins; ++b) {
      trace[b] = contraction<Real, M>(inverse, curvature[b]);
      for (std::size_t m = 0; m < M; ++m) sum[m] += x.slope[b][m] * trace[b] / x.lambda[b];
    }
    fisher.solve(sum, bias);
    for (std::size_t m = 0; m < M; ++m) bias[m] *= static_cast<Real>(-0.5);
  }
};

}  // namespace
}  // namespace counterflow::COUNTERFLOW_KERNEL
