// Kernel: maximum-likelihood areal densities of rays. Starts are found for a vector of neighbours at a time; in the search on the
// full spectra a lane whose ray has arrived takes the next ray, so that no ray waits for its neighbours.
#include "gadgets/decomposition/bias.h"
#include "gadgets/decomposition/deviance.h"
#include "gadgets/decomposition/start.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

template <class Real, std::size_t M>
class Solver {
  using V = Vector<Real>;
  using I = Mask<Real>;
  static constexpr std::size_t kLanes = Lanes<Real>::kCount;

 public:
  Solver(const RaySystem<Real>& system, const RaySettings<Real>& settings, const RayData<Real>& data, RaySolution<Real>& out)
      : system_(system), settings_(settings), data_(data), out_(out), queue_(system, settings, data, out.fate) {}

  void solve() {
    load_idle<Real>(system_, rays_);
    const Problem<Real, M> p{system_, system_.full, rays_, settings_.non_negative, settings_.tolerance};
    for (std::size_t i = 0; i < kLanes; ++i) take_next(i);
    while (any(active_)) {
      V end[M];
      const I finished = advance<Real, M>(p, active_, x_, courses_.at, end);
      for (std::size_t i = 0; i < kLanes; ++i)
        if (active_[i]) settle(i, finished[i] != 0, end);
    }
  }

  // Covariance, residuals and bias where they are wanted, and what stands for rays without an optimum.
  void finish() {
    for (std::size_t at = 0; at < data_.rays; at += kLanes) finish(at);
  }

 private:
  void settle(std::size_t i, bool finished, const V* end) {
    ++out_.steps;
    std::uint8_t& fate = out_.fate[ray_[i]];
    if (!courses_.ended(i, system_, settings_, finished, fate)) return;
    const V* density = fate == kUnfinished ? courses_.at.trial : end;
    for (std::size_t m = 0; m < M; ++m) out_.areal_density[m * data_.rays + ray_[i]] = density[m][i];
    take_next(i);
  }

  void take_next(std::size_t i) {
    active_[i] = queue_.next() ? -1 : 0;
    if (active_[i]) ray_[i] = queue_.give(i, rays_, courses_);
  }

  void finish(std::size_t at) {
    I failed = {}, held = {};
    for (std::size_t i = 0; i < kLanes; ++i) {
      failed[i] = out_.fate[at + i] == kFailed ? -1 : 0;
      held[i] = out_.fate[at + i] == kHeld ? -1 : 0;
    }
    V a[M];
    for (std::size_t m = 0; m < M; ++m)
      a[m] = failed ? all<Real>(system_.centre[m]) : load(out_.areal_density + m * data_.rays + at);
    if (settings_.bias_correction || out_.covariance || out_.residual) correct(at, failed, held, a);
    for (std::size_t m = 0; m < M; ++m)
      store(out_.areal_density + m * data_.rays + at, failed ? all<Real>(settings_.failed_value[m]) : a[m]);
  }

  void correct(std::size_t at, I failed, I held, V* a) {
    load_block<Real, M>(system_, data_, out_.fate, at, rays_);
    expect<Real, M>(system_.full, system_.bins, rays_, a, x_);
    const Normal<Real, M> n = normal<Real, M>(system_.full, system_.bins, rays_, x_);
    if (out_.covariance) {
      V inverse[kPairs<M>];
      Factor<Real, M>(n.fisher).inverse(inverse);
      for (std::size_t k = 0; k < kPairs<M>; ++k)
        store(out_.covariance + k * data_.rays + at, failed ? all<Real>(0) : inverse[k]);
    }
    for (std::size_t b = 0; out_.residual && b < system_.bins; ++b)
      store(out_.residual + b * data_.rays + at, failed ? all<Real>(0) : DevianceRoot<Real>(rays_.counts[b], x_.lambda[b]).value);
    if (!settings_.bias_correction) return;
    const Bias<Real, M> bias(system_, rays_, x_, n);
    for (std::size_t m = 0; m < M; ++m) a[m] -= held ? all<Real>(0) : bias.bias[m];
  }

  const RaySystem<Real>& system_;
  const RaySettings<Real>& settings_;
  const RayData<Real>& data_;
  RaySolution<Real>& out_;
  StartQueue<Real, M> queue_;
  // The lanes: the data of each, where its search stands, which ray it is.
  RayBlock<Real> rays_;
  Courses<Real, M> courses_;
  Expected<Real, M> x_;
  I active_ = {};
  std::size_t ray_[kLanes] = {};
};

template <class Real, std::size_t M>
void solve_all(const RaySystem<Real>& system, const RaySettings<Real>& settings, const RayData<Real>& data,
               RaySolution<Real>& out) {
  Solver<Real, M> solver(system, settings, data, out);
  solver.solve();
  solver.finish();
}

}  // namespace

void solve_rays(const RaySystem<float>& s, const RaySettings<float>& c, const RayData<float>& x, RaySolution<float>& y) {
  s.materials == 2 ? solve_all<float, 2>(s, c, x, y) : solve_all<float, 3>(s, c, x, y);
}
void solve_rays(const RaySystem<double>& s, const RaySettings<double>& c, const RayData<double>& x, RaySolution<double>& y) {
  s.materials == 2 ? solve_all<double, 2>(s, c, x, y) : solve_all<double, 3>(s, c, x, y);
}

}  // namespace counterflow::COUNTERFLOW_KERNEL
