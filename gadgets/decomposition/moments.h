// Sums over energies, the whole cost of the decomposition. Energies in the outer loop, the bins' sums of one vector of rays in
// registers, spectra broadcast: 1 + materials fused multiply-adds a bin and energy. Kernel sources only.
#pragma once
#include "core/symmetric.h"
#include "gadgets/decomposition/ray_kernel.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

// Bins whose sums stay in registers (32 of them with AVX-512, else 16).
template <std::size_t M>
constexpr std::size_t bins_at_once() {
  constexpr std::size_t accumulators = kVectorBytes == 64 ? 24 : 12;
  return accumulators / (M + 1);
}

// The rays of one vector.
template <class Real>
struct RayBlock {
  Vector<Real> counts[kMaxBins], background[kMaxBins];
  Vector<Real> open[kMaxBins];  // lambda = open P + background: what the caller gave over P behind the known attenuators alone
  Vector<Real> known[kMaxKnown] = {};
  Vector<Real> power[kMaxBins][kMovePowers] = {};  // [threshold] x, x^2, ...
};

// Expected counts and their slopes dlambda/dA at one point; `transmitted` is kept for what needs another pass.
template <class Real, std::size_t M>
struct Expected {
  Vector<Real> transmitted[kMaxEnergies];  // [energy] exp(-sum_m mu_m A_m)
  Vector<Real> lambda[kMaxBins], slope[kMaxBins][M];
};

template <class Real, std::size_t M, std::size_t Known>
void transmit(const RaySpectra<Real>& s, const Vector<Real>* known, const Vector<Real>* areal_density,
              Vector<Real>* transmitted) {
  Vector<Real> a[M], behind[Known + 1];
  for (std::size_t m = 0; m < M; ++m) a[m] = areal_density[m];
  for (std::size_t k = 0; k < Known; ++k) behind[k] = known[k];
  for (std::size_t e = 0; e < s.energies; ++e) {
    Vector<Real> x = s.exponent[e * M] * a[0];
    for (std::size_t m = 1; m < M; ++m) x += s.exponent[e * M + m] * a[m];
    for (std::size_t k = 0; k < Known; ++k) x += s.known_exponent[e * Known + k] * behind[k];
    transmitted[e] = exp2<Real>(x);
  }
}
template <class Real, std::size_t M>
void transmit(const RaySpectra<Real>& s, const RayBlock<Real>& rays, const Vector<Real>* areal_density,
              Vector<Real>* transmitted) {
  static_assert(kMaxKnown == 2);
  if (s.known == 0) transmit<Real, M, 0>(s, rays.known, areal_density, transmitted);
  else if (s.known == 1) transmit<Real, M, 1>(s, rays.known, areal_density, transmitted);
  else transmit<Real, M, 2>(s, rays.known, areal_density, transmitted);
}

// sum_E w t and sum_E w mu_m t of B neighbouring channels: value[b], slope[b][m].
template <class Real, std::size_t M, std::size_t B>
void sum_channels(const RaySpectra<Real>& s, const Real* weight, std::size_t stride, const Vector<Real>* transmitted,
                  Vector<Real>* value, Vector<Real> (*slope)[M]) {
  Vector<Real> l[B] = {}, d[B][M] = {};
  for (std::size_t e = 0; e < s.energies; ++e) {
    const Vector<Real> t = transmitted[e];
    Vector<Real> u[M];
    for (std::size_t m = 0; m < M; ++m) u[m] = s.attenuation[e * M + m] * t;
#pragma GCC unroll 8
    for (std::size_t b = 0; b < B; ++b) {
      const Vector<Real> w = all<Real>(weight[e * stride + b]);
      l[b] += w * t;
#pragma GCC unroll 3
      for (std::size_t m = 0; m < M; ++m) d[b][m] += w * u[m];
    }
  }
  for (std::size_t b = 0; b < B; ++b) {
    value[b] = l[b];
    for (std::size_t m = 0; m < M; ++m) slope[b][m] = d[b][m];
  }
}

template <class Real, std::size_t M, std::size_t B = bins_at_once<M>()>
void sum_at_most(std::size_t count, const RaySpectra<Real>& s, const Real* weight, std::size_t stride,
                 const Vector<Real>* transmitted, Vector<Real>* value, Vector<Real> (*slope)[M]) {
  if (count == B) return sum_channels<Real, M, B>(s, weight, stride, transmitted, value, slope);
  if constexpr (B > 1) sum_at_most<Real, M, B - 1>(count, s, weight, stride, transmitted, value, slope);
}

// All channels, in pieces of nearly equal size.
template <class Real, std::size_t M>
void sum_all(const RaySpectra<Real>& s, const Real* weight, std::size_t channels, const Vector<Real>* transmitted,
             Vector<Real>* value, Vector<Real> (*slope)[M]) {
  std::size_t pieces = (channels + bins_at_once<M>() - 1) / bins_at_once<M>();
  for (std::size_t at = 0; pieces > 0; --pieces) {
    const std::size_t count = (channels - at + pieces - 1) / pieces;
    sum_at_most<Real, M>(count, s, weight + at, channels, transmitted, value + at, slope + at);
    at += count;
  }
}

// d_k(E): what threshold k of each ray counts besides the nominal one.
template <class Real>
Vector<Real> moved(const RaySpectra<Real>& s, std::size_t k, std::size_t e, const Vector<Real>* power) {
  const Real* move = s.move + (k * s.energies + e) * kMovePowers;
  Vector<Real> sum = move[0] * power[0];
  for (std::size_t n = 1; n < kMovePowers; ++n) sum += move[n] * power[n];
  return sum;
}
// The weight of bin b for each ray.
template <class Real>
Vector<Real> weight_of(const RaySpectra<Real>& s, std::size_t bins, const RayBlock<Real>& rays, std::size_t e, std::size_t b) {
  Vector<Real> w = all<Real>(s.weight[e * bins + b]);
  if (!s.move) return w;
  w += moved(s, b, e, rays.power[b]);
  return b + 1 < bins ? w - moved(s, b + 1, e, rays.power[b + 1]) : w;
}

// sum_E d_k t and sum_E d_k mu_m t of each threshold, with any `power`.
template <class Real, std::size_t M>
void sum_moved(const RaySpectra<Real>& s, std::size_t thresholds, const Vector<Real> (*power)[kMovePowers],
               const Vector<Real>* transmitted, Vector<Real>* value, Vector<Real> (*slope)[M]) {
  for (std::size_t k = 0; k < thresholds; ++k) {
    Vector<Real> p[kMovePowers], l = {}, d[M] = {};
    for (std::size_t n = 0; n < kMovePowers; ++n) p[n] = power[k][n];
    for (std::size_t e = s.moved_from[k]; e < s.energies; ++e) {
      const Vector<Real> t = moved(s, k, e, p) * transmitted[e];
      l += t;
#pragma GCC unroll 3
      for (std::size_t m = 0; m < M; ++m) d[m] += s.attenuation[e * M + m] * t;
    }
    value[k] = l;
    for (std::size_t m = 0; m < M; ++m) slope[k][m] = d[m];
  }
}

// Adds what the thresholds of each ray move to sums over the nominal spectra.
template <class Real, std::size_t M>
void add_moved(const RaySpectra<Real>& s, std::size_t bins, const RayBlock<Real>& rays, Expected<Real, M>& x) {
  Vector<Real> value[kMaxBins], slope[kMaxBins][M];
  sum_moved<Real, M>(s, bins, rays.power, x.transmitted, value, slope);
  for (std::size_t b = 0; b < bins; ++b) {
    x.lambda[b] += b + 1 < bins ? value[b] - value[b + 1] : value[b];
    for (std::size_t m = 0; m < M; ++m) x.slope[b][m] += b + 1 < bins ? slope[b][m] - slope[b + 1][m] : slope[b][m];
  }
}

template <class Real, std::size_t M>
void expect(const RaySpectra<Real>& s, std::size_t bins, const RayBlock<Real>& rays, const Vector<Real>* areal_density,
            Expected<Real, M>& x) {
  transmit<Real, M>(s, rays, areal_density, x.transmitted);
  sum_all<Real, M>(s, s.weight, bins, x.transmitted, x.lambda, x.slope);
  if (s.move) add_moved<Real, M>(s, bins, rays, x);
  for (std::size_t b = 0; b < bins; ++b) {
    x.lambda[b] = larger(rays.open[b] * x.lambda[b] + rays.background[b], all<Real>(Lanes<Real>::kTiny));
    for (std::size_t m = 0; m < M; ++m) x.slope[b][m] = -rays.open[b] * x.slope[b][m];
  }
}

// sum_E (sum_b coefficient_b w_b) t mu_i mu_j: second derivatives of all bins in one sum, at 1 multiply-add a bin.
template <class Real, std::size_t M, std::size_t B>
void sum_curvature(const RaySpectra<Real>& s, const Vector<Real>* transmitted, const Vector<Real>* coefficient,
                   Vector<Real>* curvature) {
  Vector<Real> c[B], h[kPairs<M>] = {};
  for (std::size_t b = 0; b < B; ++b) c[b] = coefficient[b];
  for (std::size_t e = 0; e < s.energies; ++e) {
    Vector<Real> q = s.weight[e * B] * c[0];
#pragma GCC unroll 8
    for (std::size_t b = 1; b < B; ++b) q += s.weight[e * B + b] * c[b];
    q *= transmitted[e];
#pragma GCC unroll 3
    for (std::size_t i = 0; i < M; ++i) {
      const Vector<Real> u = s.attenuation[e * M + i] * q;
#pragma GCC unroll 3
      for (std::size_t j = i; j < M; ++j) h[pair<M>(i, j)] += s.attenuation[e * M + j] * u;
    }
  }
  for (std::size_t k = 0; k < kPairs<M>; ++k) curvature[k] = h[k];
}
template <class Real, std::size_t M, std::size_t B = kMaxBins>
void sum_curvature(std::size_t bins, const RaySpectra<Real>& s, const Vector<Real>* transmitted, const Vector<Real>* coefficient,
                   Vector<Real>* curvature) {
  if (bins == B) return sum_curvature<Real, M, B>(s, transmitted, coefficient, curvature);
  if constexpr (B > 1) sum_curvature<Real, M, B - 1>(bins, s, transmitted, coefficient, curvature);
}

// The same of what the thresholds of each ray move, added: sum_k (coefficient_k - coefficient_k-1) d_k.
template <class Real, std::size_t M>
void add_moved_curvature(const RaySpectra<Real>& s, std::size_t bins, const RayBlock<Real>& rays, const Vector<Real>* transmitted,
                         const Vector<Real>* coefficient, Vector<Real>* curvature) {
  Vector<Real> sum[kMaxEnergies];
  for (std::size_t e = 0; e < s.energies; ++e) sum[e] = Vector<Real>{};
  for (std::size_t k = 0; k < bins; ++k) {
    const Vector<Real> c = k > 0 ? coefficient[k] - coefficient[k - 1] : coefficient[k];
    Vector<Real> p[kMovePowers];
    for (std::size_t n = 0; n < kMovePowers; ++n) p[n] = c * rays.power[k][n];
    for (std::size_t e = s.moved_from[k]; e < s.energies; ++e) sum[e] += moved(s, k, e, p);
  }
  for (std::size_t e = 0; e < s.energies; ++e) {
    const Vector<Real> q = sum[e] * transmitted[e];
    for (std::size_t i = 0; i < M; ++i)
      for (std::size_t j = i; j < M; ++j) curvature[pair<M>(i, j)] += (s.attenuation[e * M + i] * s.attenuation[e * M + j]) * q;
  }
}

}  // namespace
}  // namespace counterflow::COUNTERFLOW_KERNEL
