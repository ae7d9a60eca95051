// Cotangents of the sums lambda_b, J_b, H_b of a vector of rays, and the ways they go on: to the areal densities and to the
// thresholds. With H_bar_b = f_b Q they act on the spectra as
//   w_bar_b(E) = open_b exp(-mu A) [lambda_bar_b - J_bar_b . mu + f_b mu^T Q mu]
// Kernel sources only.
#pragma once
#include "gadgets/decomposition/bias.h"
#include "gadgets/decomposition/ray_block.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

template <class Real, std::size_t M>
struct SumCotangents {
  Vector<Real> value[kMaxBins] = {}, slope[kMaxBins][M] = {};    // lambda_bar_b, J_bar_b
  Vector<Real> curvature[kMaxBins] = {}, shape[kPairs<M>] = {};  // f_b, Q
  Vector<Real> trace[kMaxBins] = {};                             // Q : H_b
  bool curved = false;                                           // f_b is not zero throughout

  void clear(Mask<Real> where, std::size_t bins) {
    const auto zero = [&](Vector<Real>& v) { v = where ? all<Real>(0) : v; };
    for (std::size_t b = 0; b < bins; ++b) {
      zero(value[b]);
      zero(curvature[b]);
      zero(trace[b]);
      for (std::size_t m = 0; m < M; ++m) zero(slope[b][m]);
    }
    for (std::size_t k = 0; k < kPairs<M>; ++k) zero(shape[k]);
  }
};

template <class Real, std::size_t M>
Vector<Real> dot(const Vector<Real>* a, const Vector<Real>* b) {
  Vector<Real> sum = {};
  for (std::size_t m = 0; m < M; ++m) sum += a[m] * b[m];
  return sum;
}
template <class Real, std::size_t M>
void product(const Vector<Real>* matrix, const Vector<Real>* x, Vector<Real>* out) {
  for (std::size_t i = 0; i < M; ++i) {
    out[i] = Vector<Real>{};
    for (std::size_t j = 0; j < M; ++j) out[i] += matrix[pair<M>(i, j)] * x[j];
  }
}

// mu^T Q mu.
template <class Real, std::size_t M>
Vector<Real> square_of(const Real* mu, const Vector<Real>* q) {
  Vector<Real> square = {};
  for (std::size_t i = 0; i < M; ++i)
    for (std::size_t j = 0; j < M; ++j) square += mu[i] * mu[j] * q[pair<M>(i, j)];
  return square;
}

// bar += sum_b [lambda_bar_b J_b + H_b J_bar_b + f_b Q : dH_b/dA], the last through third derivatives in one pass. `h`: H_b.
template <class Real, std::size_t M>
void add_way_to_density(const RaySpectra<Real>& s, std::size_t bins, const RayBlock<Real>& rays, const Expected<Real, M>& x,
                        const Vector<Real> (*h)[kPairs<M>], const SumCotangents<Real, M>& c, Vector<Real>* bar) {
  Vector<Real> coefficient[kMaxBins], third[M] = {};
  for (std::size_t b = 0; b < bins; ++b) {
    Vector<Real> along[M];
    product<Real, M>(h[b], c.slope[b], along);
    for (std::size_t m = 0; m < M; ++m) bar[m] += c.value[b] * x.slope[b][m] + along[m];
    coefficient[b] = c.curvature[b] * rays.open[b];
  }
  for (std::size_t e = 0; e < s.energies; ++e) {
    const Real* mu = s.attenuation + e * M;
    Vector<Real> sum = {};
    for (std::size_t b = 0; b < bins; ++b) sum += weight_of(s, bins, rays, e, b) * coefficient[b];
    sum *= square_of<Real, M>(mu, c.shape) * x.transmitted[e];
    for (std::size_t m = 0; m < M; ++m) third[m] -= mu[m] * sum;
  }
  for (std::size_t m = 0; m < M; ++m) bar[m] += third[m];
}

// Cotangent of ln(open_b).
template <class Real, std::size_t M>
Vector<Real> by_open(const RayBlock<Real>& rays, const Expected<Real, M>& x, const SumCotangents<Real, M>& c, std::size_t b) {
  return c.value[b] * (x.lambda[b] - rays.background[b]) + c.curvature[b] * c.trace[b] + dot<Real, M>(c.slope[b], x.slope[b]);
}

// sum_E edge_k t, its slopes, and sum_E edge_k t mu^T Q mu.
template <class Real, std::size_t M>
struct Edges {
  Vector<Real> value[kMaxBins + 1] = {}, slope[kMaxBins + 1][M] = {}, square[kMaxBins + 1] = {};
};

// Cotangents of the thresholds of each ray, added up: dw_k/dT_k = -edge_k, dw_{k-1}/dT_k = +edge_k.
template <class Real, std::size_t M>
class ThresholdCotangents {
  using V = Vector<Real>;

 public:
  ThresholdCotangents(const RaySystem<Real>& system, const RayBlock<Real>& rays)
      : system_(system), rays_(rays), own_(system.full.move != nullptr) {
    for (std::size_t k = 0; own_ && k < system.thresholds; ++k)  // edge_k = -d d_k/d shift_k
      for (std::size_t n = 0; n < kMovePowers; ++n)
        power_[k][n] = -static_cast<Real>(n + 1) / system.largest_shift * (n > 0 ? rays.power[k][n - 1] : all<Real>(1));
  }

  void add(const RaySpectra<Real>& s, const V* transmitted, const SumCotangents<Real, M>& c) {
    Edges<Real, M> edges;
    if (own_) sum_moved<Real, M>(s, system_.thresholds, power_, transmitted, edges.value, edges.slope);
    else sum_all<Real, M>(s, s.edge, system_.thresholds, transmitted, edges.value, edges.slope);
    if (c.curved) sum_squares(s, transmitted, c.shape, edges.square);
    add(edges, c);
  }
  void add(const Edges<Real, M>& edges, const SumCotangents<Real, M>& c) {
    for_neighbours([&](std::size_t k, std::size_t b) {
      const V term = c.value[b] * edges.value[k] + c.curvature[b] * edges.square[k] - dot<Real, M>(c.slope[b], edges.slope[k]);
      return rays_.open[b] * term;
    });
  }
  // Where the air scan's thresholds moved too: its total stands in the denominator. `by_open` [bin].
  void add_air(const V* by_open) {
    if (!system_.edge_total) return;
    V air[kMaxBins], edge[kMaxBins + 1];
    at_air_scan<Real, M>(system_, rays_, air);
    air_edges(edge);
    for_neighbours([&](std::size_t k, std::size_t b) { return -(edge[k] / air[b] * by_open[b]); });
  }
  void give(Mask<Real> dead, std::size_t at, std::size_t rays, const RayCotangents<Real>& out) const {
    for (std::size_t k = 0; k < system_.thresholds; ++k) {
      const V sum = dead ? all<Real>(0) : sum_[k];
      if (out.shift_bar) store(out.shift_bar + k * rays + at, sum);
      for (std::size_t i = 0; out.threshold_bar && i < Lanes<Real>::kCount; ++i)
        out.threshold_bar[k] += static_cast<double>(sum[i]);
    }
  }

 private:
  void for_neighbours(auto&& term) {
    for (std::size_t k = 0; k < system_.thresholds; ++k)
      for (std::size_t b = k == 0 ? 0 : k - 1; b <= k && b < system_.bins; ++b) {
        const Real scale = own_ ? 1 : system_.per_total[b];
        sum_[k] += (b == k ? -scale : scale) * term(k, b);
      }
  }
  void sum_squares(const RaySpectra<Real>& s, const V* transmitted, const V* q, V* out) const {
    for (std::size_t e = 0; e < s.energies; ++e) {
      const V square = square_of<Real, M>(s.attenuation + e * M, q) * transmitted[e];
      for (std::size_t k = 0; k < system_.thresholds; ++k)
        out[k] += (own_ ? moved(s, k, e, power_[k]) : all<Real>(s.edge[e * system_.thresholds + k])) * square;
    }
  }
  // Behind the known attenuators alone.
  void air_edges(V* edge) const {
    const RaySpectra<Real>& s = system_.full;
    V slope[kMaxBins][M];
    if (own_) return sum_moved<Real, M>(s, system_.thresholds, power_, BehindKnown<Real, M>(s, rays_).transmitted, edge, slope);
    for (std::size_t k = 0; k < system_.thresholds; ++k) edge[k] = all<Real>(system_.edge_total[k]);
    if (s.known > 0) BehindKnown<Real, M>(s, rays_).sum(s, s.edge, system_.thresholds, edge);
  }

  const RaySystem<Real>& system_;
  const RayBlock<Real>& rays_;
  bool own_;
  V power_[kMaxBins][kMovePowers] = {}, sum_[kMaxBins + 1] = {};
};

}  // namespace
}  // namespace counterflow::COUNTERFLOW_KERNEL
