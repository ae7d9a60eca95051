// Small symmetric matrices, one a lane (core/lanes.h): stored as upper triangles by rows. Kernel sources only.
#pragma once
#include "core/lanes.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

template <std::size_t M>
constexpr std::size_t kPairs = M*(M + 1) / 2;
// Index of (i, j) in an upper triangle by rows.
template <std::size_t M>
constexpr std::size_t pair(std::size_t i, std::size_t j) {
  return i <= j ? i * M - i * (i + 1) / 2 + j : pair<M>(j, i);
}

// L D L^T of a symmetric matrix given as an upper triangle.
template <class Real, std::size_t M>
struct Factor {
  Vector<Real> lower[M][M], pivot[M];
  Mask<Real> positive;

  explicit Factor(const Vector<Real>* matrix) {
    using L = Lanes<Real>;
    positive = ~Mask<Real>{};
    for (std::size_t j = 0; j < M; ++j) {
      const Vector<Real> diagonal = matrix[pair<M>(j, j)];
      Vector<Real> d = diagonal;
      for (std::size_t k = 0; k < j; ++k) d -= lower[j][k] * lower[j][k] * pivot[k];
      const Vector<Real> least = larger(4 * L::kEpsilon * diagonal, all<Real>(L::kTiny));
      const Mask<Real> good = d > least;
      positive &= good;
      pivot[j] = good ? d : least;
      for (std::size_t i = j + 1; i < M; ++i) {
        Vector<Real> s = matrix[pair<M>(j, i)];
        for (std::size_t k = 0; k < j; ++k) s -= lower[i][k] * lower[j][k] * pivot[k];
        lower[i][j] = s / pivot[j];
      }
    }
  }
  void solve(const Vector<Real>* b, Vector<Real>* x) const {
    for (std::size_t i = 0; i < M; ++i) {
      x[i] = b[i];
      for (std::size_t k = 0; k < i; ++k) x[i] -= lower[i][k] * x[k];
    }
    for (std::size_t i = 0; i < M; ++i) x[i] /= pivot[i];
    for (std::size_t i = M; i-- > 0;)
      for (std::size_t k = i + 1; k < M; ++k) x[i] -= lower[k][i] * x[k];
  }
  // The inverse's upper triangle.
  void inverse(Vector<Real>* out) const {
    for (std::size_t j = 0; j < M; ++j) {
      Vector<Real> unit[M] = {}, x[M];
      unit[j] += 1;
      solve(unit, x);
      for (std::size_t i = 0; i <= j; ++i) out[pair<M>(i, j)] = x[i];
    }
  }
};

template <class Real, std::size_t M>
Vector<Real> quadratic(const Vector<Real>* matrix, const Vector<Real>* x) {
  Vector<Real> sum = {};
  for (std::size_t i = 0; i < M; ++i)
    for (std::size_t j = 0; j < M; ++j) sum += matrix[pair<M>(i, j)] * x[i] * x[j];
  return sum;
}

}  // namespace
}  // namespace counterflow::COUNTERFLOW_KERNEL
