// Kernel: maximum-likelihood areal densities of rays, one vector of them at a time.
#include "gadgets/decomposition/bias.h"
#include "gadgets/decomposition/search.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

constexpr double kStartTolerance = 0.1;  // [sigma] of the search on the coarse spectra
constexpr std::size_t kStartIterations = 8;
constexpr double kFarthestStart = 50;  // [attenuation lengths]

template <class Real, std::size_t M>
class Solver {
  using V = Vector<Real>;
  using I = Mask<Real>;

 public:
  Solver(const RaySystem<Real>& system, const RaySettings<Real>& settings) : system_(system), settings_(settings) {}

  std::size_t solve(const RayData<Real>& data, std::size_t at, RaySolution<Real>& out) {
    const I unusable = load_block<Real, M>(system_, data, out.fate, at, rays_);
    V start[M], a[M];
    linear_start(start);
    coarse_start(start, a);
    I done = unusable;
    Problem<Real, M> p{system_, system_.full, rays_, {}, settings_.non_negative, settings_.tolerance, settings_.iterations};
    Outcome<Real> outcome = search<Real, M>(p, a, done, x_);
    I held = {};
    if (const I wanted = ~(done | outcome.lost); any(wanted)) outcome.steps += hold(start, wanted, a, held);
    finish(unusable | ~(done | held), held, at, data.rays, a, out);
    return outcome.steps;
  }

 private:
  // P_b and -d ln P_b / dA at the centre: from the table, or behind known attenuators for each ray on the coarse spectra.
  void at_centre(V* value, V (*slope)[M]) {
    for (std::size_t b = 0; b < system_.bins; ++b) {
      value[b] = all<Real>(system_.centre_value[b]);
      for (std::size_t m = 0; m < M; ++m) slope[b][m] = all<Real>(system_.centre_slope[b * M + m]);
    }
    if (system_.full.known == 0) return;
    V centre[M];
    for (std::size_t m = 0; m < M; ++m) centre[m] = all<Real>(system_.centre[m]);
    expect<Real, M>(system_.coarse, system_.bins, rays_, centre, x_);
    for (std::size_t b = 0; b < system_.bins; ++b) {
      const V primary = x_.lambda[b] - rays_.background[b];
      value[b] = primary / rays_.open[b];
      for (std::size_t m = 0; m < M; ++m) slope[b][m] = -x_.slope[b][m] / primary;
    }
  }

  // Least squares, weighted by counts, of ln(P_b(centre) / P_b measured) against the slope at the centre.
  void linear_start(V* a) {
    V matrix[kPairs<M>] = {}, right[M] = {}, change[M], value[kMaxBins], slope[kMaxBins][M];
    at_centre(value, slope);
    for (std::size_t b = 0; b < system_.bins; ++b) {
      const V primary = larger(rays_.counts[b] - rays_.background[b], all<Real>(static_cast<Real>(0.3)));
      const V h = -log<Real>(primary / (rays_.open[b] * value[b]));
      for (std::size_t i = 0; i < M; ++i) {
        const V u = primary * slope[b][i];
        right[i] += u * h;
        for (std::size_t j = i; j < M; ++j) matrix[pair<M>(i, j)] += u * slope[b][j];
      }
    }
    Factor<Real, M>(matrix).solve(right, change);
    I sane = ~I{};
    for (std::size_t m = 0; m < M; ++m) sane &= magnitude(change[m]) < static_cast<Real>(kFarthestStart) * system_.unit[m];
    for (std::size_t m = 0; m < M; ++m) {
      a[m] = system_.centre[m] + (sane ? change[m] : all<Real>(0));
      if (settings_.non_negative) a[m] = larger(a[m], all<Real>(0));
    }
  }

  void coarse_start(const V* start, V* a) {
    for (std::size_t m = 0; m < M; ++m) a[m] = start[m];
    Problem<Real, M> p{system_,          system_.coarse, rays_, {}, settings_.non_negative, static_cast<Real>(kStartTolerance),
                       kStartIterations, false};
    I done = {};
    search<Real, M>(p, a, done, x_);
    I sane = ~I{};
    for (std::size_t m = 0; m < M; ++m) sane &= magnitude(a[m]) < static_cast<Real>(4 * kFarthestStart) * system_.unit[m];
    for (std::size_t m = 0; m < M; ++m) a[m] = sane ? a[m] : start[m];
  }

  // Where the search ended neither at a safe optimum nor lost, most often because the Hessian is not safely positive there: once
  // more with the ridge.
  std::size_t hold(const V* start, I wanted, V* a, I& held) {
    Problem<Real, M> p{system_, system_.full, rays_, {}, settings_.non_negative, settings_.tolerance, settings_.iterations};
    V b[M];
    for (std::size_t m = 0; m < M; ++m) {
      p.ridge[m] = all<Real>(ridge<Real>(system_.unit[m]));
      b[m] = start[m];
    }
    I done = ~wanted;
    const std::size_t steps = search<Real, M>(p, b, done, x_).steps;
    held = wanted & done;
    for (std::size_t m = 0; m < M; ++m) a[m] = held ? b[m] : a[m];
    return steps;
  }

  void finish(I failed, I held, std::size_t at, std::size_t rays, V* a, RaySolution<Real>& out) {
    for (std::size_t m = 0; m < M; ++m) a[m] = failed ? all<Real>(system_.centre[m]) : a[m];
    if (settings_.bias_correction || out.covariance) {
      expect<Real, M>(system_.full, system_.bins, rays_, a, x_);
      const Normal<Real, M> n = normal<Real, M>(system_.full, system_.bins, rays_, x_);
      if (out.covariance) {
        V inverse[kPairs<M>];
        Factor<Real, M>(n.fisher).inverse(inverse);
        for (std::size_t k = 0; k < kPairs<M>; ++k) store(out.covariance + k * rays + at, failed ? all<Real>(0) : inverse[k]);
      }
      if (settings_.bias_correction) {
        const Bias<Real, M> bias(system_, rays_, x_, n);
        for (std::size_t m = 0; m < M; ++m) a[m] -= held ? all<Real>(0) : bias.bias[m];
      }
    }
    for (std::size_t m = 0; m < M; ++m)
      store(out.areal_density + m * rays + at, failed ? all<Real>(settings_.failed_value[m]) : a[m]);
    for (std::size_t i = 0; i < Lanes<Real>::kCount; ++i) out.fate[at + i] = failed[i] ? kFailed : held[i] ? kHeld : kSolved;
  }

  const RaySystem<Real>& system_;
  const RaySettings<Real>& settings_;
  RayBlock<Real> rays_;
  Expected<Real, M> x_;
};

template <class Real, std::size_t M>
void solve_all(const RaySystem<Real>& system, const RaySettings<Real>& settings, const RayData<Real>& data,
               RaySolution<Real>& out) {
  Solver<Real, M> solver(system, settings);
  for (std::size_t at = 0; at < data.rays; at += Lanes<Real>::kCount)
    out.steps += solver.solve(data, at, out) * Lanes<Real>::kCount;
}

}  // namespace

void solve_rays(const RaySystem<float>& s, const RaySettings<float>& c, const RayData<float>& x, RaySolution<float>& y) {
  s.materials == 2 ? solve_all<float, 2>(s, c, x, y) : solve_all<float, 3>(s, c, x, y);
}
void solve_rays(const RaySystem<double>& s, const RaySettings<double>& c, const RayData<double>& x, RaySolution<double>& y) {
  s.materials == 2 ? solve_all<double, 2>(s, c, x, y) : solve_all<double, 3>(s, c, x, y);
}

}  // namespace counterflow::COUNTERFLOW_KERNEL
