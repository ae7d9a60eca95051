// Kernel: the adjoint of the steps, last step first. A step A' = A + N^-1 right with N = sum_b f D D^T + tau has, v = N^-1
// A'_bar:
//   f_bar = -(D.v)(D.change),   r_bar = D.v,   D_bar = r v - f [(D.change) v + (D.v) change],   A_bar = A'_bar - tau v + (by ln
//   P, D)
#include "gadgets/proxy_decomposition/steps.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

template <class Real, std::size_t M>
Vector<Real> dot(const Vector<Real>* a, const Vector<Real>* b) {
  Vector<Real> sum = a[0] * b[0];
  for (std::size_t m = 1; m < M; ++m) sum += a[m] * b[m];
  return sum;
}

// Sums over vectors of rays.
template <class Real, std::size_t M>
struct NodeSums {
  Vector<Real> log_weight[ProxyLimits::kNodes] = {}, attenuation[ProxyLimits::kNodes][M] = {};
  Vector<Real> centre_value[kBins] = {}, centre_slope[kBins][M] = {};

  void add_to(const ProxySystem<Real>& s, const ProxyCotangents<Real>& out) const {
    const auto add = [](const Vector<Real>& v, double& to) {
      for (std::size_t i = 0; i < Lanes<Real>::kCount; ++i) to += static_cast<double>(v[i]);
    };
    for (std::size_t n = 0; n < s.first[s.bins]; ++n) {
      add(log_weight[n], out.log_weight_bar[n]);
      for (std::size_t m = 0; m < M; ++m) add(attenuation[n][m], out.attenuation_bar[n * M + m]);
    }
    for (std::size_t b = 0; b < s.bins; ++b) {
      add(centre_value[b], out.centre_value_bar[b]);
      for (std::size_t m = 0; m < M; ++m) add(centre_slope[b][m], out.centre_slope_bar[b * M + m]);
    }
  }
};

// Cotangents of one bin in one step.
template <class Real, std::size_t M>
struct BinBars {
  Vector<Real> f, r, slope[M];
  BinBars(const Vector<Real>* d, Vector<Real> weight, Vector<Real> residual, const Vector<Real>* v, const Vector<Real>* change) {
    r = dot<Real, M>(d, v);
    const Vector<Real> along = dot<Real, M>(d, change);
    f = -r * along;
    for (std::size_t m = 0; m < M; ++m) slope[m] = residual * v[m] - weight * (along * v[m] + r * change[m]);
  }
};

template <class Real, std::size_t M>
class Adjoint {
  using V = Vector<Real>;

 public:
  Adjoint(const ProxySystem<Real>& system, const RayVector<Real>& ray, const LogData<Real>& data, const Path<Real, M>& path,
          NodeSums<Real, M>& sums)
      : s_(system), ray_(ray), data_(data), path_(path), sums_(sums) {}

  // `bar` of the answer.
  void run(V* bar) {
    score(bar);
    for (std::size_t k = M - 1; k > 0; --k) logarithmic(k, bar);
    linear(bar);
    for (std::size_t b = 0; b < s_.bins; ++b) through_log_data(b);
  }
  V counts[kBins] = {}, background[kBins] = {};

 private:
  void score(V* bar) {
    const V* a = path_.a[M];
    V v[M], next[M];
    begin(score_equations<Real, M>(s_, ray_, a), bar, v, next);
    for (std::size_t b = 0; b < s_.bins; ++b) {
      Transmission<Real, M> p(s_, b, a);
      p.of_logarithm();
      const V q = ray_.open[b] * p.sum, lambda = q + ray_.background[b], ratio = ray_.counts[b] / lambda, share = q / lambda;
      const BinBars<Real, M> bars(p.slope, q * share, q * (ratio - 1), v, path_.change[M]);
      const V lambda_bar = -share * (bars.r * ratio + bars.f * share);
      counts[b] += bars.r * share;
      background[b] += lambda_bar;
      through_transmission(b, a, p, q * (bars.r * (ratio - 1) + 2 * bars.f * share + lambda_bar), bars.slope, next);
    }
    for (std::size_t m = 0; m < M; ++m) bar[m] = next[m];
  }

  void logarithmic(std::size_t k, V* bar) {
    const V* a = path_.a[k];
    V v[M], next[M];
    begin(log_equations<Real, M>(s_, data_, a), bar, v, next);
    for (std::size_t b = 0; b < s_.bins; ++b) {
      Transmission<Real, M> p(s_, b, a);
      p.of_logarithm();
      const V value_bar = residual(b, data_.attenuated[b] - log<Real>(p.sum), p.slope, v, path_.change[k]);
      through_transmission(b, a, p, value_bar, slope_bar_, next);
    }
    for (std::size_t m = 0; m < M; ++m) bar[m] = next[m];
  }

  void linear(const V* bar) {
    V v[M], unused[M];
    begin(linear_equations<Real, M>(s_, data_, path_.a[0]), bar, v, unused);
    for (std::size_t b = 0; b < s_.bins; ++b) {
      V slope[M];
      for (std::size_t m = 0; m < M; ++m) slope[m] = all(s_.centre_slope[b * M + m]);
      sums_.centre_value[b] += residual(b, data_.attenuated[b] - s_.centre_value[b], slope, v, path_.change[0]);
      for (std::size_t m = 0; m < M; ++m) sums_.centre_slope[b][m] += slope_bar_[m];
    }
  }

  void begin(const Equations<Real, M>& e, const V* bar, V* v, V* next) const {
    Factor<Real, M>(e.matrix).solve(bar, v);
    for (std::size_t m = 0; m < M; ++m) next[m] = bar[m] - s_.prior[m] * v[m];
  }

  // A bin of a logarithmic step, f = w and r = w (attenuated - value): returns the cotangent of `value`, leaves that of the
  // slope.
  V residual(std::size_t b, V difference, const V* slope, const V* v, const V* change) {
    const V w = data_.weight[b];
    const BinBars<Real, M> bars(slope, w, w * difference, v, change);
    weight_bar_[b] += bars.f + bars.r * difference;
    attenuated_bar_[b] += w * bars.r;
    for (std::size_t m = 0; m < M; ++m) slope_bar_[m] = bars.slope[m];
    return -w * bars.r;
  }

  // Of ln P and D of a bin at `a` to its nodes and to `a`. Shares f_n = t_n/P:
  //   along_n = value_bar - D_bar.(mu_n + D),  log_weight_bar = f_n along_n,  mu_bar = -f_n (along_n A + D_bar),
  //   a_bar = -sum_n f_n along_n mu_n   (the terms of D D^T are in it, as sum_n f_n mu_n = -D)
  void through_transmission(std::size_t b, const V* a, const Transmission<Real, M>& p, V value_bar, const V* slope_bar,
                            V* a_bar) {
    const V offset = value_bar - dot<Real, M>(slope_bar, p.slope), per_sum = 1 / p.sum;
    for (std::size_t n = s_.first[b]; n < s_.first[b + 1]; ++n) {
      V x = s_.log_weight[n] + s_.exponent[n * M] * a[0], along = offset - s_.attenuation[n * M] * slope_bar[0];
      for (std::size_t m = 1; m < M; ++m) {
        x += s_.exponent[n * M + m] * a[m];
        along -= s_.attenuation[n * M + m] * slope_bar[m];
      }
      const V share = exp2<Real>(x) * per_sum;
      along *= share;
      sums_.log_weight[n] += along;
      for (std::size_t m = 0; m < M; ++m) {
        sums_.attenuation[n][m] -= along * a[m] + share * slope_bar[m];
        a_bar[m] -= along * s_.attenuation[n * M + m];
      }
    }
  }

  // u = max(y - s, 0), p = max(u, 1/2), attenuated = ln(p/o), w = u^2/(u + s + 1).
  void through_log_data(std::size_t b) {
    const V y = ray_.counts[b], s = ray_.background[b], u = larger(y - s, all<Real>(0)), ratio = u / (u + s + 1);
    const V by_log = u > static_cast<Real>(kLeastPrimary) ? attenuated_bar_[b] / data_.primary[b] : all<Real>(0);
    V u_bar = by_log + weight_bar_[b] * ratio * (2 - ratio);
    u_bar = y > s ? u_bar : all<Real>(0);
    counts[b] += u_bar;
    background[b] -= u_bar + weight_bar_[b] * ratio * ratio;
  }

  const ProxySystem<Real>& s_;
  const RayVector<Real>& ray_;
  const LogData<Real>& data_;
  const Path<Real, M>& path_;
  NodeSums<Real, M>& sums_;
  V weight_bar_[kBins] = {}, attenuated_bar_[kBins] = {}, slope_bar_[M];
};

template <class Real, std::size_t M>
void adjoin_all(const ProxySystem<Real>& s, const ProxyRays<Real>& rays, const ProxyCotangents<Real>& out) {
  constexpr std::size_t lanes = Lanes<Real>::kCount;
  NodeSums<Real, M> sums;
  for (std::size_t at = 0; at < rays.rays; at += lanes) {
    const std::size_t n = rays.rays - at < lanes ? rays.rays - at : lanes;
    RayVector<Real> ray(s, rays, at, n);
    LogData<Real> data(s, ray);
    Path<Real, M> path(s, ray, data);
    const Mask<Real> found = path.found;
    if (any(~found)) {
      ray.replace(s, ~found);
      data = LogData<Real>(s, ray);
      path = Path<Real, M>(s, ray, data);
    }
    Vector<Real> bar[M];
    for (std::size_t m = 0; m < M; ++m)
      bar[m] = found ? load_some(out.density_bar + m * out.density_plane + at, n) : all<Real>(0);
    Adjoint<Real, M> adjoint(s, ray, data, path, sums);
    adjoint.run(bar);
    for (std::size_t b = 0; b < s.bins; ++b) {
      store_some(out.counts_bar + b * out.plane + at, adjoint.counts[b], n);
      if (out.background_bar) store_some(out.background_bar + b * out.plane + at, adjoint.background[b], n);
    }
  }
  sums.add_to(s, out);
}

}  // namespace

void adjoin_rays(const ProxySystem<float>& s, const ProxyRays<float>& x, const ProxyCotangents<float>& y) {
  s.materials == 2 ? adjoin_all<float, 2>(s, x, y) : adjoin_all<float, 3>(s, x, y);
}
void adjoin_rays(const ProxySystem<double>& s, const ProxyRays<double>& x, const ProxyCotangents<double>& y) {
  s.materials == 2 ? adjoin_all<double, 2>(s, x, y) : adjoin_all<double, 3>(s, x, y);
}

}  // namespace counterflow::COUNTERFLOW_KERNEL
