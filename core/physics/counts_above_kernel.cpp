#include "core/physics/counts_above_kernel.h"

#include "core/lanes.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

// Cubic Hermite: S(x) = v0 S0 + s0 S0' + v1 S1 + s1 S1', and the weights of its derivative.
template <class Real>
struct Piece {
  const Real* rows;  // S0, S0', S1, S1'
  Real value[4], slope[4];

  Piece(const CountsAboveTables<Real>& tables, std::size_t threshold, Real shift) {
    const Real h = tables.spacing, place = shift / h + static_cast<Real>(tables.nodes / 2);
    const Real last = static_cast<Real>(tables.nodes - 2);
    const Real inside = place < 0 ? 0 : place > last ? last : place;
    const auto node = static_cast<std::size_t>(inside);
    const Real t = place - static_cast<Real>(node);
    rows = tables.above + (threshold * tables.nodes + node) * 2 * tables.energies;
    value[0] = 1 + t * t * (2 * t - 3), value[2] = t * t * (3 - 2 * t);
    value[1] = h * t * (1 + t * (t - 2)), value[3] = h * t * t * (t - 1);
    slope[0] = 6 * t * (t - 1) / h, slope[2] = -slope[0];
    slope[1] = 1 + t * (3 * t - 4), slope[3] = t * (3 * t - 2);
  }
};

template <class Real>
Real total(Vector<Real> v) {
  Real sum = 0;
  for (std::size_t i = 0; i < Lanes<Real>::kCount; ++i) sum += v[i];
  return sum;
}

template <class Real>
void transmit(const CountsAboveTables<Real>& tables, const Real* areal_density, Real* transmitted) {
  for (std::size_t e = 0; e < tables.energies; e += Lanes<Real>::kCount) {
    Vector<Real> x = {};
    for (std::size_t a = 0; a < tables.attenuators; ++a) x += load(tables.exponent + a * tables.energies + e) * areal_density[a];
    store(transmitted + e, exp2<Real>(x));
  }
}

// sum over energies of S t, and of dS/dx t.
template <class Real, bool kSlope>
void sum_piece(const Piece<Real>& piece, std::size_t energies, const Real* transmitted, Real* value, Real* slope) {
  Vector<Real> v = {}, s = {};
  for (std::size_t e = 0; e < energies; e += Lanes<Real>::kCount) {
    const Vector<Real> t = load(transmitted + e);
    Vector<Real> row[4];
    for (std::size_t j = 0; j < 4; ++j) row[j] = load(piece.rows + j * energies + e);
    v += t * (piece.value[0] * row[0] + piece.value[1] * row[1] + piece.value[2] * row[2] + piece.value[3] * row[3]);
    if constexpr (kSlope)
      s += t * (piece.slope[0] * row[0] + piece.slope[1] * row[1] + piece.slope[2] * row[2] + piece.slope[3] * row[3]);
  }
  *value = total<Real>(v);
  if constexpr (kSlope) *slope = total<Real>(s);
}

template <class Real>
void count(const CountsAboveTables<Real>& tables, const CountsAboveRays<Real>& rays) {
  Real transmitted[CountsAboveTables<Real>::kMostEnergies];
  for (std::size_t i = 0; i < rays.rays; ++i) {
    transmit(tables, rays.areal_density + i * tables.attenuators, transmitted);
    for (std::size_t k = 0; k < tables.thresholds; ++k) {
      const std::size_t at = i * tables.thresholds + k;
      const Piece<Real> piece(tables, k, rays.shift ? rays.shift[at] : 0);
      if (rays.slope) sum_piece<Real, true>(piece, tables.energies, transmitted, rays.value + at, rays.slope + at);
      else sum_piece<Real, false>(piece, tables.energies, transmitted, rays.value + at, nullptr);
    }
  }
}

}  // namespace

void count_above(const CountsAboveTables<float>& tables, const CountsAboveRays<float>& rays) { count(tables, rays); }
void count_above(const CountsAboveTables<double>& tables, const CountsAboveRays<double>& rays) { count(tables, rays); }

}  // namespace counterflow::COUNTERFLOW_KERNEL
