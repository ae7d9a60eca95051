// One step of Newton's method on the likelihood L = sum_b [lambda_b - y_b ln lambda_b] (+ 1/2 sum_m ridge_m A_m^2) of a vector of
// rays, with the full Hessian where it is safely positive and the Fisher matrix elsewhere. Kernel sources only.
#pragma once
#include "gadgets/decomposition/moments.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

// Gradient, Fisher matrix and Hessian of the objective.
template <class Real, std::size_t M>
struct Normal {
  Vector<Real> gradient[M] = {}, fisher[kPairs<M>] = {}, hessian[kPairs<M>] = {};
  Vector<Real> counts = {};  // sum of lambda: sets the rounding error of a step
  Mask<Real> fixed[M] = {};  // materials taken out of the equations
};

template <class Real, std::size_t M>
Normal<Real, M> normal(const RaySpectra<Real>& s, std::size_t bins, const RayBlock<Real>& rays, const Expected<Real, M>& x) {
  Normal<Real, M> n;
  Vector<Real> coefficient[kMaxBins], curvature[kPairs<M>] = {};
  for (std::size_t b = 0; b < bins; ++b) {
    const Vector<Real> inverse = 1 / x.lambda[b], ratio = rays.counts[b] * inverse, residual = 1 - ratio;
    coefficient[b] = residual * rays.open[b];
    n.counts += x.lambda[b];
    for (std::size_t i = 0; i < M; ++i) {
      n.gradient[i] += residual * x.slope[b][i];
      const Vector<Real> u = x.slope[b][i] * inverse;
      for (std::size_t j = i; j < M; ++j) {
        const Vector<Real> f = u * x.slope[b][j];
        n.fisher[pair<M>(i, j)] += f;
        n.hessian[pair<M>(i, j)] += ratio * f;
      }
    }
  }
  sum_curvature<Real, M>(bins, s, x.transmitted, coefficient, curvature);
  if (s.move) add_moved_curvature<Real, M>(s, bins, rays, x.transmitted, coefficient, curvature);
  for (std::size_t k = 0; k < kPairs<M>; ++k) n.hessian[k] += curvature[k];
  return n;
}

template <class Real, std::size_t M>
void add_ridge(Normal<Real, M>& n, const Vector<Real>* ridge, const Vector<Real>* at) {
  for (std::size_t m = 0; m < M; ++m) {
    n.gradient[m] += ridge[m] * at[m];
    n.fisher[pair<M>(m, m)] += ridge[m];
    n.hessian[pair<M>(m, m)] += ridge[m];
  }
}

// Takes material m out of the equations where `fixed`.
template <class Real, std::size_t M>
void fix(Normal<Real, M>& n, std::size_t m, Mask<Real> fixed) {
  n.fixed[m] |= fixed;
  n.gradient[m] = fixed ? all<Real>(0) : n.gradient[m];
  for (std::size_t k = 0; k < M; ++k) {
    const Vector<Real> entry = all<Real>(k == m ? 1 : 0);
    n.fisher[pair<M>(m, k)] = fixed ? entry : n.fisher[pair<M>(m, k)];
    n.hessian[pair<M>(m, k)] = fixed ? entry : n.hessian[pair<M>(m, k)];
  }
}

template <class Real, std::size_t M>
struct Step {
  Vector<Real> change[M];
  Vector<Real> length2;  // change^T F change: square of the length in sigmas of the bound
  Mask<Real> newton;     // by the full Hessian
};

// The Hessian serves where H - kSafely F is positive definite: no direction holds less than that part of the expected curvature.
constexpr double kSafely = 0.01;

template <class Real, std::size_t M>
Step<Real, M> step(const Normal<Real, M>& n) {
  Step<Real, M> s;
  Vector<Real> difference[kPairs<M>], matrix[kPairs<M>], descent[M];
  for (std::size_t k = 0; k < kPairs<M>; ++k) difference[k] = n.hessian[k] - static_cast<Real>(kSafely) * n.fisher[k];
  s.newton = Factor<Real, M>(difference).positive;
  for (std::size_t k = 0; k < kPairs<M>; ++k) matrix[k] = s.newton ? n.hessian[k] : n.fisher[k];
  for (std::size_t m = 0; m < M; ++m) descent[m] = -n.gradient[m];
  Factor<Real, M>(matrix).solve(descent, s.change);
  s.length2 = quadratic<Real, M>(n.fisher, s.change);
  return s;
}

// Square of the shortest step that means anything: the stated tolerance, or the rounding error of the counts.
template <class Real>
Vector<Real> shortest2(Real tolerance, Vector<Real> counts) {
  const Real rounding = 4 * Lanes<Real>::kEpsilon;
  return larger(all<Real>(tolerance * tolerance), rounding * rounding * counts);
}

}  // namespace
}  // namespace counterflow::COUNTERFLOW_KERNEL
