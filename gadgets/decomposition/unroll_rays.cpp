// Kernel: the adjoint of the decomposition by going back through all its steps (docs/decomposition.md), a vector of rays at a
// time. A step A' = A + part p, K p = -g, with v = part K^-1 A'_bar, is the derivative of -v . (g + K p), v and p held:
//   newton, K = H:  y_bar_b = (J.v - (J.v)(J.p)/lambda + v H_b p) / lambda
//                   lambda_bar_b = -(y/lambda^2) (J.v - 2 (J.v)(J.p)/lambda + v H_b p)
//                   J_bar_b = -(1 - y/lambda) v - (y/lambda^2) [(J.v) p + (J.p) v],   H_bar_b = -(1 - y/lambda) sym(v p^T)
//   fisher, K = F:  y_bar_b = J.v / lambda,   lambda_bar_b = -(y/lambda^2) J.v + (J.v)(J.p)/lambda^2
//                   J_bar_b = -(1 - y/lambda) v - [(J.v) p + (J.p) v] / lambda,       H_bar_b = 0
// and A_bar = A'_bar + what the sums' cotangents give. What was decided on the way (which matrix, halvings, who is on a bound,
// when to stop) is held.
#include "gadgets/decomposition/replay.h"
#include "gadgets/decomposition/result_cotangents.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

// Through shorten(): `bar` of the step it made becomes that of `change`.
template <class Real, std::size_t M>
void through_shorten(const RaySystem<Real>& system, const Vector<Real>* change, Vector<Real>* bar) {
  Vector<Real> cut[M];
  for (std::size_t m = 0; m < M; ++m) cut[m] = change[m];
  const Mask<Real> where = shorten<Real, M>(system, cut);
  Vector<Real> lengths = all<Real>(Lanes<Real>::kTiny);
  for (std::size_t m = 0; m < M; ++m) lengths += magnitude(change[m]) / system.unit[m];
  const Vector<Real> factor = static_cast<Real>(kLongestStep) / lengths, along = dot<Real, M>(bar, change) * factor / lengths;
  for (std::size_t m = 0; m < M; ++m) {
    const Vector<Real> sign = change[m] < 0 ? all<Real>(-1) : all<Real>(1);
    bar[m] = where ? factor * bar[m] - along * sign / system.unit[m] : bar[m];
  }
}

// Through stop_at_bound(): `bar` of the step it made becomes that of `change`; adds to `a_bar`.
template <class Real, std::size_t M>
void through_bound(const Vector<Real>* a, const Vector<Real>* change, Vector<Real>* bar, Vector<Real>* a_bar) {
  using V = Vector<Real>;
  V fraction = all<Real>(1), allowed[M];
  for (std::size_t m = 0; m < M; ++m) {
    const Mask<Real> out = (a[m] > 0) & (a[m] + change[m] < 0);
    allowed[m] = out ? -a[m] / change[m] : all<Real>(2);
    fraction = smaller(fraction, allowed[m]);
  }
  V fraction_bar = {};
  for (std::size_t m = 0; m < M; ++m) fraction_bar += allowed[m] <= fraction ? all<Real>(0) : bar[m] * change[m];
  for (std::size_t m = 0; m < M; ++m) {
    const Mask<Real> first = allowed[m] <= fraction;  // it went to its bound, and no further
    a_bar[m] -= first ? bar[m] + fraction_bar / change[m] : all<Real>(0);
    bar[m] = first ? -fraction_bar * fraction / change[m] : fraction * bar[m];
    fraction_bar = first ? all<Real>(0) : fraction_bar;
  }
}

template <class Real, std::size_t M>
class Unroll {
  using V = Vector<Real>;
  using I = Mask<Real>;
  static constexpr std::size_t kLanes = Lanes<Real>::kCount;

 public:
  Unroll(const RaySystem<Real>& system, const RaySettings<Real>& settings, Real* tape)
      : system_(system), settings_(settings), replay_(tape) {}

  void block(const RayData<Real>& data, std::size_t at, RaySolution<Real>& y, const RayCotangents<Real>& out) {
    load_block<Real, M>(system_, data, y.fate, at, rays_);
    replay_.run(system_, settings_, rays_, y.fate + at, x_);
    ThresholdCotangents<Real, M> thresholds(system_, rays_);
    thresholds_ = out.threshold_bar || out.shift_bar ? &thresholds : nullptr;
    for (std::size_t b = 0; b < kMaxBins; ++b) counts_bar_[b] = background_bar_[b] = open_bar_[b] = V{};
    V bar[M];
    for (std::size_t m = 0; m < M; ++m) {
      store(y.areal_density + m * data.rays + at, replay_.end[m]);
      bar[m] = replay_.dead ? all<Real>(0) : load(out.areal_density_bar + m * data.rays + at);
    }
    result(data, at, out, bar);
    y.steps += steps(bar);
    if (thresholds_) {
      thresholds.add_air(open_bar_);
      thresholds.give(replay_.dead, at, data.rays, out);
    }
    for (std::size_t b = 0; b < system_.bins; ++b) {
      store(out.counts_bar + b * data.rays + at, alive(counts_bar_[b]));
      if (out.background_bar) store(out.background_bar + b * data.rays + at, alive(background_bar_[b]));
    }
  }

 private:
  V alive(V v) const { return replay_.dead ? all<Real>(0) : v; }

  // Bias correction and residuals at the end of the search.
  void result(const RayData<Real>& data, std::size_t at, const RayCotangents<Real>& out, V* bar) {
    if (!settings_.bias_correction && !out.residual_bar) return;
    V a[M], by_residual[kMaxBins] = {};
    for (std::size_t m = 0; m < M; ++m) a[m] = replay_.dead ? all<Real>(system_.centre[m]) : replay_.end[m];
    expect<Real, M>(system_.full, system_.bins, rays_, a, x_);
    const Normal<Real, M> n = normal<Real, M>(system_.full, system_.bins, rays_, x_);
    SumCotangents<Real, M> c;
    if (settings_.bias_correction) through_bias<Real, M>(system_, rays_, x_, n, replay_.dead | replay_.held, bar, c);
    if (out.residual_bar)
      through_residual<Real, M>(system_, rays_, x_, replay_.dead, out.residual_bar + at, data.rays, bar, c, by_residual);
    for (std::size_t b = 0; b < system_.bins; ++b) counts_bar_[b] += by_residual[b];
    through_sums(system_.full, c);
  }

  // From the end to the data; how many steps were kept.
  std::uint64_t steps(V* bar) {
    std::uint64_t kept = 0;
    V part = replay_.last_part;
    for (std::size_t k = replay_.tape.size(); k-- > replay_.coarse_steps;) kept += back(system_.full, k, ~I{}, part, bar);
    const I coarse = replay_.through_coarse;
    for (std::size_t m = 0; m < M; ++m) bar[m] *= part;
    part = replay_.coarse_part;
    for (std::size_t k = replay_.coarse_steps; k-- > 0;) kept += back(system_.coarse, k, coarse, part, bar);
    for (std::size_t m = 0; m < M; ++m) bar[m] = coarse ? bar[m] * part : bar[m];
    linear(bar);
    return kept;
  }

  // Back through the step from point `k` of the tape, of which `part` was taken; `part` becomes that of the step before. Where
  // the spectra mean nothing, so that expected counts had to be kept above zero, the point counts as given: no cotangent goes on.
  std::uint64_t back(const RaySpectra<Real>& s, std::size_t k, I among, V& part, V* bar) {
    const I kept = among & replay_.tape.kept(k) & ~replay_.dead;
    if (!any(kept)) return 0;
    V a[M], ridges[M], change[M];
    for (std::size_t m = 0; m < M; ++m) {
      a[m] = kept ? replay_.tape.point(k, m) : all<Real>(system_.centre[m]);
      ridges[m] = replay_.held ? all<Real>(ridge<Real>(system_.unit[m])) : all<Real>(0);
    }
    expect<Real, M>(s, system_.bins, rays_, a, x_);
    I here = kept;
    for (std::size_t b = 0; b < system_.bins; ++b) here &= x_.lambda[b] > Lanes<Real>::kTiny;
    Normal<Real, M> n = normal<Real, M>(s, system_.bins, rays_, x_);
    add_ridge<Real, M>(n, ridges, a);
    Step<Real, M> taken = settings_.non_negative ? free_step<Real, M>(a, n) : step<Real, M>(n);
    V step_bar[M], v[M], matrix[kPairs<M>];
    for (std::size_t m = 0; m < M; ++m) {
      change[m] = taken.change[m] = here ? taken.change[m] : all<Real>(0);
      bar[m] = kept & ~here ? all<Real>(0) : bar[m];
      step_bar[m] = here ? part * bar[m] : all<Real>(0);
    }
    shorten<Real, M>(system_, change);
    if (settings_.non_negative) through_bound<Real, M>(a, change, step_bar, bar);
    through_shorten<Real, M>(system_, taken.change, step_bar);
    for (std::size_t m = 0; m < M; ++m) step_bar[m] = n.fixed[m] | ~here ? all<Real>(0) : step_bar[m];
    for (std::size_t q = 0; q < kPairs<M>; ++q) matrix[q] = taken.newton ? n.hessian[q] : n.fisher[q];
    Factor<Real, M>(matrix).solve(step_bar, v);
    for (std::size_t m = 0; m < M; ++m) v[m] = here ? v[m] : all<Real>(0);
    through_equations(s, taken, v, bar);
    for (std::size_t m = 0; m < M; ++m) bar[m] -= ridges[m] * v[m];
    part = kept ? replay_.tape.part(k) : part;
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < kLanes; ++i) count += kept[i] != 0;
    return count;
  }

  // The derivative of -v . (g + K p) with v and p held, by the sums and on to the data and to A.
  void through_equations(const RaySpectra<Real>& s, const Step<Real, M>& taken, const V* v, V* bar) {
    const V* p = taken.change;
    V h[kMaxBins][kPairs<M>];
    curvatures<Real, M>(s, system_.bins, rays_, x_.transmitted, h);
    SumCotangents<Real, M> c;
    c.curved = true;
    for (std::size_t i = 0; i < M; ++i)
      for (std::size_t j = i; j < M; ++j) c.shape[pair<M>(i, j)] = static_cast<Real>(0.5) * (v[i] * p[j] + v[j] * p[i]);
    for (std::size_t b = 0; b < system_.bins; ++b) {
      const V inverse = 1 / x_.lambda[b], ratio = rays_.counts[b] * inverse;
      const V jv = dot<Real, M>(x_.slope[b], v), jp = dot<Real, M>(x_.slope[b], p), both = jv * jp * inverse;
      c.trace[b] = contraction<Real, M>(c.shape, h[b]);
      const V curved = taken.newton ? c.trace[b] : all<Real>(0), twice = taken.newton ? both : all<Real>(0);
      counts_bar_[b] += (jv - twice + curved) * inverse;
      c.value[b] = inverse * ((taken.newton ? 2 * ratio : all<Real>(1)) * both - ratio * (jv + curved));
      const V weight = inverse * (taken.newton ? ratio : all<Real>(1));
      for (std::size_t m = 0; m < M; ++m) c.slope[b][m] = -(1 - ratio) * v[m] - weight * (jv * p[m] + jp * v[m]);
      c.curvature[b] = taken.newton ? ratio - 1 : all<Real>(0);
    }
    add_way_to_density<Real, M>(s, system_.bins, rays_, x_, h, c, bar);
    through_sums(s, c);
  }

  void through_sums(const RaySpectra<Real>& s, const SumCotangents<Real, M>& c) {
    for (std::size_t b = 0; b < system_.bins; ++b) {
      background_bar_[b] += c.value[b];
      open_bar_[b] += by_open<Real, M>(rays_, x_, c, b);
    }
    if (thresholds_) thresholds_->add(s, x_.transmitted, c);
  }

  // Through the linear start: N change = sum_b u_b D_b h_b, N = sum_b u_b D_b D_b^T, h_b = ln(open_b P_b / u_b), u_b = y_b - s_b.
  void linear(V* bar) {
    const LinearStart<Real, M> start(system_, rays_, settings_.non_negative, x_);
    V v[M], change[M];
    for (std::size_t m = 0; m < M; ++m) {
      change[m] = start.sane ? start.change[m] : all<Real>(0);
      const I stays = ~start.sane | replay_.dead | (settings_.non_negative ? start.end[m] <= 0 : I{});
      bar[m] = stays ? all<Real>(0) : bar[m];
    }
    Factor<Real, M>(start.matrix).solve(bar, v);
    SumCotangents<Real, M> c;
    for (std::size_t b = 0; b < system_.bins; ++b) {
      const V u = start.primary[b], along = dot<Real, M>(start.slope[b], v);
      const V rest = start.difference[b] - dot<Real, M>(start.slope[b], change), h_bar = u * along;
      const V u_bar = rays_.counts[b] - rays_.background[b] > static_cast<Real>(kLeastPrimary) ? along * rest - along : V{};
      counts_bar_[b] += u_bar;
      background_bar_[b] -= u_bar;
      open_bar_[b] += h_bar;
      // D = S/P: S_bar = D_bar / P, P_bar = (h_bar - D_bar . D) / P. As cotangents of lambda = open P and J = -open S.
      const V per = 1 / (start.transmitted_value[b] * rays_.open[b]);
      V slope_bar[M];
      for (std::size_t m = 0; m < M; ++m) {
        slope_bar[m] = u * (v[m] * rest - along * change[m]);
        c.slope[b][m] = -slope_bar[m] * per;
      }
      c.value[b] = (h_bar - dot<Real, M>(slope_bar, start.slope[b])) * per;
    }
    if (!thresholds_) return;
    if (system_.full.known > 0) thresholds_->add(system_.coarse, x_.transmitted, c);
    else if (!system_.full.move) thresholds_->add(centre_edges(), c);
  }

  Edges<Real, M> centre_edges() const {
    Edges<Real, M> edges;
    for (std::size_t k = 0; k < system_.thresholds; ++k) {
      edges.value[k] = all<Real>(system_.centre_edge[k * (M + 1)]);
      for (std::size_t m = 0; m < M; ++m) edges.slope[k][m] = all<Real>(system_.centre_edge[k * (M + 1) + 1 + m]);
    }
    return edges;
  }

  const RaySystem<Real>& system_;
  const RaySettings<Real>& settings_;
  Replay<Real, M> replay_;
  ThresholdCotangents<Real, M>* thresholds_ = nullptr;  // none wanted
  RayBlock<Real> rays_;
  Expected<Real, M> x_;
  V counts_bar_[kMaxBins], background_bar_[kMaxBins], open_bar_[kMaxBins];
};

template <class Real, std::size_t M>
void unroll_all(const RaySystem<Real>& system, const RaySettings<Real>& settings, const RayData<Real>& data,
                RaySolution<Real>& replayed, const RayCotangents<Real>& out, Real* tape) {
  Unroll<Real, M> unroll(system, settings, tape);
  for (std::size_t i = 0; i < data.rays; i += Lanes<Real>::kCount) unroll.block(data, i, replayed, out);
}

}  // namespace

void unroll_rays(const RaySystem<float>& s, const RaySettings<float>& c, const RayData<float>& x, RaySolution<float>& y,
                 const RayCotangents<float>& bar, float* tape) {
  s.materials == 2 ? unroll_all<float, 2>(s, c, x, y, bar, tape) : unroll_all<float, 3>(s, c, x, y, bar, tape);
}
void unroll_rays(const RaySystem<double>& s, const RaySettings<double>& c, const RayData<double>& x, RaySolution<double>& y,
                 const RayCotangents<double>& bar, double* tape) {
  s.materials == 2 ? unroll_all<double, 2>(s, c, x, y, bar, tape) : unroll_all<double, 3>(s, c, x, y, bar, tape);
}

}  // namespace counterflow::COUNTERFLOW_KERNEL
