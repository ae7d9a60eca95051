// Kernel: the adjoint of the decomposition by the implicit function theorem (docs/decomposition.md), a vector of rays at a time.
// With psi = A_bar . (A - b) as a function of A and of the model's sums lambda_b, J_b, H_b:
//   v = H^-1 dpsi/dA once a ray;  y_bar_b = J_b . v / lambda_b;  and the cotangents of the sums
//   lambda_bar_b = dpsi/dlambda_b - (y_b/lambda_b^2) J_b . v,  J_bar_b = dpsi/dJ_b - (1 - y_b/lambda_b) v,  H_bar_b = f_b F^-1
// go on to background and thresholds.
#include "gadgets/decomposition/bias.h"
#include "gadgets/decomposition/deviance.h"
#include "gadgets/decomposition/ray_block.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

constexpr double kStationary = 10;  // a point is stationary where Newton's step is shorter than this many tolerances

// Cotangents of the sums of each bin.
template <class Real, std::size_t M>
struct SumCotangents {
  Vector<Real> value[kMaxBins] = {}, slope[kMaxBins][M] = {}, curvature[kMaxBins] = {};  // curvature: the factor f_b of F^-1
  Vector<Real> inverse[kPairs<M>] = {}, trace[kMaxBins] = {};                            // F^-1, tau_b
};

// Through the bias correction: adds dpsi/dsums to `c`, and to `bar` their way to A.
template <class Real, std::size_t M>
class BiasAdjoint {
  using V = Vector<Real>;

 public:
  BiasAdjoint(const RaySystem<Real>& system, const RayBlock<Real>& rays, const Expected<Real, M>& x, const Normal<Real, M>& n)
      : system_(system), rays_(rays), x_(x), bias_(system, rays, x, n) {}

  void add(V* bar, SumCotangents<Real, M>& c) const {
    V u[M], fisher_bar[kPairs<M>];
    product(bias_.inverse, bar, u);
    fisher_cotangent(u, fisher_bar);
    const Real half = static_cast<Real>(0.5);
    for (std::size_t k = 0; k < kPairs<M>; ++k) c.inverse[k] = bias_.inverse[k];
    for (std::size_t b = 0; b < system_.bins; ++b) {
      const V* slope = x_.slope[b];
      const V inverse = 1 / x_.lambda[b], ratio = bias_.trace[b] * inverse, along = dot(u, slope);
      V f[M];
      product(fisher_bar, slope, f);
      c.curvature[b] = half * along * inverse;
      c.trace[b] = bias_.trace[b];
      c.value[b] = -half * inverse * (along * ratio + dot(f, slope) * inverse);
      for (std::size_t m = 0; m < M; ++m) c.slope[b][m] = half * (u[m] * ratio + 2 * f[m] * inverse);
    }
    add_way_to_density(c, bar);
  }

 private:
  static V dot(const V* a, const V* b) {
    V sum = {};
    for (std::size_t m = 0; m < M; ++m) sum += a[m] * b[m];
    return sum;
  }
  static void product(const V* matrix, const V* x, V* out) {
    for (std::size_t i = 0; i < M; ++i) {
      out[i] = V{};
      for (std::size_t j = 0; j < M; ++j) out[i] += matrix[pair<M>(i, j)] * x[j];
    }
  }
  // Cotangent of F in A_bar . G sum_b J_b tau_b / lambda_b: -sym(u z^T) - G K G, z = -2 b, K = sum_b (u . J_b / lambda_b) H_b.
  void fisher_cotangent(const V* u, V* out) const {
    V k[kPairs<M>] = {}, kg[M][M] = {}, gkg[M][M] = {};
    for (std::size_t b = 0; b < system_.bins; ++b) {
      const V weight = dot(u, x_.slope[b]) / x_.lambda[b];
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
  // bar += sum_b [lambda_bar_b J_b + H_b J_bar_b + f_b F^-1 : dH_b/dA], the last through third derivatives in one pass.
  void add_way_to_density(const SumCotangents<Real, M>& c, V* bar) const {
    V coefficient[kMaxBins], third[M] = {};
    for (std::size_t b = 0; b < system_.bins; ++b) {
      V h[M];
      product(bias_.curvature[b], c.slope[b], h);
      for (std::size_t m = 0; m < M; ++m) bar[m] += c.value[b] * x_.slope[b][m] + h[m];
      coefficient[b] = c.curvature[b] * rays_.open[b];
    }
    for (std::size_t e = 0; e < system_.full.energies; ++e) {
      const Real* mu = system_.full.attenuation + e * M;
      V sum = {}, square = {};
      for (std::size_t b = 0; b < system_.bins; ++b) sum += weight_of(system_.full, system_.bins, rays_, e, b) * coefficient[b];
      for (std::size_t i = 0; i < M; ++i)
        for (std::size_t j = 0; j < M; ++j) square += mu[i] * mu[j] * bias_.inverse[pair<M>(i, j)];
      sum *= square * x_.transmitted[e];
      for (std::size_t m = 0; m < M; ++m) third[m] -= mu[m] * sum;
    }
    for (std::size_t m = 0; m < M; ++m) bar[m] += third[m];
  }

  const RaySystem<Real>& system_;
  const RayBlock<Real>& rays_;
  const Expected<Real, M>& x_;
  Bias<Real, M> bias_;
};

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
    for (std::size_t m = 0; m < M; ++m) {
      bar[m] = load(out.areal_density_bar + m * data.rays + at);
      bar[m] = dead | clamped(a[m]) ? all<Real>(0) : bar[m];
    }
    SumCotangents<Real, M> c;
    if (settings_.bias_correction) through_bias(n, dead | held, bar, c);
    V by_residual[kMaxBins] = {};
    if (out.residual_bar) through_residual(dead, a, at, data.rays, bar, c, by_residual, out);
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

  void through_bias(const Normal<Real, M>& n, I without, V* bar, SumCotangents<Real, M>& c) const {
    V corrected[M];
    for (std::size_t m = 0; m < M; ++m) corrected[m] = without ? all<Real>(0) : bar[m];
    BiasAdjoint<Real, M>(system_, rays_, x_, n).add(corrected, c);
    for (std::size_t m = 0; m < M; ++m) bar[m] = without ? bar[m] : corrected[m];
    for (std::size_t b = 0; b < system_.bins; ++b) {
      c.value[b] = without ? all<Real>(0) : c.value[b];
      c.curvature[b] = without ? all<Real>(0) : c.curvature[b];
      c.trace[b] = without ? all<Real>(0) : c.trace[b];
      for (std::size_t m = 0; m < M; ++m) c.slope[b][m] = without ? all<Real>(0) : c.slope[b][m];
    }
    for (std::size_t k = 0; k < kPairs<M>; ++k) c.inverse[k] = without ? all<Real>(0) : c.inverse[k];
  }

  // d_b of y_b and of lambda_b(A): adds to the cotangents of A and of lambda_b, and gives that of y_b itself.
  void through_residual(I dead, const V* a, std::size_t at, std::size_t rays, V* bar, SumCotangents<Real, M>& c, V* counts_bar,
                        const RayCotangents<Real>& out) const {
    for (std::size_t b = 0; b < system_.bins; ++b) {
      const DevianceRoot<Real> d(rays_.counts[b], x_.lambda[b]);
      const V d_bar = load(out.residual_bar + b * rays + at);
      const V lambda_bar = dead ? all<Real>(0) : d_bar * d.by_lambda;
      counts_bar[b] = dead ? all<Real>(0) : d_bar * d.by_counts;
      c.value[b] += lambda_bar;
      for (std::size_t m = 0; m < M; ++m) bar[m] += clamped(a[m]) ? all<Real>(0) : lambda_bar * x_.slope[b][m];
    }
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

  // sum_E edge_k t, its slopes, sum_E edge_k t mu^T F^-1 mu, and sum_E edge_k behind the known attenuators alone.
  struct Edges {
    V value[kMaxBins + 1], slope[kMaxBins + 1][M], square[kMaxBins + 1] = {}, air[kMaxBins + 1] = {};
  };
  void shared_edges(const V* inverse, Edges& edges) const {
    const RaySpectra<Real>& s = system_.full;
    const std::size_t thresholds = system_.thresholds;
    sum_all<Real, M>(s, system_.edge, thresholds, x_.transmitted, edges.value, edges.slope);
    if (settings_.bias_correction)
      sum_squares(inverse, edges.square, [&](std::size_t k, std::size_t e) { return system_.edge[e * thresholds + k]; });
    if (!system_.edge_total) return;
    for (std::size_t k = 0; k < thresholds; ++k) edges.air[k] = all<Real>(system_.edge_total[k]);
    if (s.known > 0) BehindKnown<Real, M>(s, rays_).sum(s, system_.edge, thresholds, edges.air);
  }
  // Of rays with thresholds of their own: edge_k = -d d_k/d shift_k.
  void own_edges(const V* inverse, Edges& edges) const {
    const RaySpectra<Real>& s = system_.full;
    V power[kMaxBins][kMovePowers], slope[kMaxBins][M];
    for (std::size_t k = 0; k < system_.thresholds; ++k)
      for (std::size_t n = 0; n < kMovePowers; ++n)
        power[k][n] = -static_cast<Real>(n + 1) / system_.largest_shift * (n > 0 ? rays_.power[k][n - 1] : all<Real>(1));
    sum_moved<Real, M>(s, system_.thresholds, power, x_.transmitted, edges.value, edges.slope);
    if (settings_.bias_correction)
      sum_squares(inverse, edges.square, [&](std::size_t k, std::size_t e) { return moved(s, k, e, power[k]); });
    if (system_.edge_total)
      sum_moved<Real, M>(s, system_.thresholds, power, BehindKnown<Real, M>(s, rays_).transmitted, edges.air, slope);
  }

  // dw_k/dT_k = -edge_k, dw_{k-1}/dT_k = +edge_k; the air scan's total in the denominator likewise where its thresholds moved.
  void through_thresholds(I dead, const SumCotangents<Real, M>& c, std::size_t at, std::size_t rays,
                          const RayCotangents<Real>& out) const {
    Edges edges;
    const bool own = system_.full.move != nullptr;
    own ? own_edges(c.inverse, edges) : shared_edges(c.inverse, edges);
    V air[kMaxBins];
    if (system_.edge_total) at_air_scan<Real, M>(system_, rays_, air);
    for (std::size_t k = 0; k < system_.thresholds; ++k) {
      V sum = {};
      for (std::size_t b = k == 0 ? 0 : k - 1; b <= k && b < system_.bins; ++b) {
        const Real scale = own ? 1 : system_.per_total[b];
        V term = c.value[b] * edges.value[k] + c.curvature[b] * edges.square[k];
        for (std::size_t m = 0; m < M; ++m) term -= c.slope[b][m] * edges.slope[k][m];
        term *= rays_.open[b];
        if (system_.edge_total) term -= edges.air[k] / air[b] * by_scale(c, b);
        sum += (b == k ? -scale : scale) * term;
      }
      sum = dead ? all<Real>(0) : sum;
      if (out.shift_bar) store(out.shift_bar + k * rays + at, sum);
      for (std::size_t i = 0; out.threshold_bar && i < Lanes<Real>::kCount; ++i)
        out.threshold_bar[k] += static_cast<double>(sum[i]);
    }
  }
  // Cotangent of ln(open_b).
  V by_scale(const SumCotangents<Real, M>& c, std::size_t b) const {
    V sum = c.value[b] * (x_.lambda[b] - rays_.background[b]) + c.curvature[b] * c.trace[b];
    for (std::size_t m = 0; m < M; ++m) sum += c.slope[b][m] * x_.slope[b][m];
    return sum;
  }
  void sum_squares(const V* inverse, V* out, auto&& edge) const {
    for (std::size_t e = 0; e < system_.full.energies; ++e) {
      const Real* mu = system_.full.attenuation + e * M;
      V square = {};
      for (std::size_t i = 0; i < M; ++i)
        for (std::size_t j = 0; j < M; ++j) square += mu[i] * mu[j] * inverse[pair<M>(i, j)];
      square *= x_.transmitted[e];
      for (std::size_t k = 0; k < system_.thresholds; ++k) out[k] += edge(k, e) * square;
    }
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
