// The steps of the estimate for one vector of rays (core/physics/areal_density_estimator.h has the formulas). Kernel sources
// only.
#pragma once
#include "core/symmetric.h"
#include "gadgets/proxy_decomposition/proxy_kernel.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

constexpr std::size_t kBins = ProxyLimits::kBins;
constexpr double kLeastPrimary = 0.5;  // [count]
constexpr double kFarthest = 30;       // ranges from the centre; an answer beyond is none

template <class Real>
Vector<Real> load_some(const Real* p, std::size_t lanes) {
  Vector<Real> v = {};
  if (lanes == Lanes<Real>::kCount) return load(p);
  __builtin_memcpy(&v, p, lanes * sizeof(Real));
  return v;
}
template <class Real>
void store_some(Real* p, Vector<Real> v, std::size_t lanes) {
  __builtin_memcpy(p, &v, (lanes < Lanes<Real>::kCount ? lanes : Lanes<Real>::kCount) * sizeof(Real));
}

template <class Real>
struct RayVector {
  Vector<Real> counts[kBins], open[kBins], background[kBins];
  Mask<Real> usable;  // counts are numbers and not negative, not all zero; open beam above zero

  RayVector(const ProxySystem<Real>& system, const ProxyRays<Real>& rays, std::size_t at, std::size_t lanes) {
    constexpr Real huge = Lanes<Real>::kHuge;
    Vector<Real> total = {};
    usable = ~Mask<Real>{};
    for (std::size_t b = 0; b < system.bins; ++b) {
      counts[b] = load_some(rays.counts + b * rays.plane + at, lanes);
      open[b] = rays.exposure * load_some(rays.open + b * rays.plane + at, lanes);
      background[b] = rays.background ? load_some(rays.background + b * rays.plane + at, lanes) : Vector<Real>{};
      usable &= (counts[b] >= 0) & (counts[b] < huge) & (open[b] > 0) & (open[b] < huge);
      usable &= (background[b] >= 0) & (background[b] < huge);
      total += counts[b];
    }
    usable &= total > 0;
    replace(system, ~usable);
  }
  // Numbers that are no trouble in place of rays that are not used.
  void replace(const ProxySystem<Real>& system, Mask<Real> unused) {
    for (std::size_t b = 0; b < system.bins; ++b) {
      counts[b] = unused ? all<Real>(1000) : counts[b];
      open[b] = unused ? all<Real>(10000) : open[b];
      background[b] = unused ? all<Real>(0) : background[b];
    }
  }
};

// Data of the logarithmic steps.
template <class Real>
struct LogData {
  Vector<Real> primary[kBins], attenuated[kBins], weight[kBins];  // p, ln(p/o), w

  LogData(const ProxySystem<Real>& system, const RayVector<Real>& ray) {
    for (std::size_t b = 0; b < system.bins; ++b) {
      const Vector<Real> u = larger(ray.counts[b] - ray.background[b], all<Real>(0));
      primary[b] = larger(u, all<Real>(static_cast<Real>(kLeastPrimary)));
      attenuated[b] = log<Real>(primary[b] / ray.open[b]);
      weight[b] = u * u / (u + ray.background[b] + 1);
    }
  }
};

// Transmission P of one bin and its slope dP/dA = P D.
template <class Real, std::size_t M>
struct Transmission {
  Vector<Real> sum = {}, slope[M] = {};

  Transmission(const ProxySystem<Real>& s, std::size_t bin, const Vector<Real>* a) {
    for (std::size_t n = s.first[bin]; n < s.first[bin + 1]; ++n) {
      Vector<Real> x = s.log_weight[n] + s.exponent[n * M] * a[0];
      for (std::size_t m = 1; m < M; ++m) x += s.exponent[n * M + m] * a[m];
      const Vector<Real> t = exp2<Real>(x);
      sum += t;
      for (std::size_t m = 0; m < M; ++m) slope[m] -= s.attenuation[n * M + m] * t;
    }
  }
  // The slope of the logarithm in place of P's.
  void of_logarithm() {
    const Vector<Real> per_sum = 1 / sum;
    for (std::size_t m = 0; m < M; ++m) slope[m] *= per_sum;
  }
};

// (sum_b f D D^T + tau) change = sum_b r D - tau (A - centre).
template <class Real, std::size_t M>
struct Equations {
  Vector<Real> matrix[kPairs<M>] = {}, right[M];

  Equations(const ProxySystem<Real>& s, const Vector<Real>* a) {
    for (std::size_t m = 0; m < M; ++m) {
      matrix[pair<M>(m, m)] += s.prior[m];
      right[m] = s.prior[m] * (s.centre[m] - a[m]);
    }
  }
  void add(const Vector<Real>* slope, Vector<Real> f, Vector<Real> r) {
    for (std::size_t i = 0; i < M; ++i) {
      const Vector<Real> u = f * slope[i];
      for (std::size_t j = i; j < M; ++j) matrix[pair<M>(i, j)] += u * slope[j];
      right[i] += r * slope[i];
    }
  }
};

template <class Real, std::size_t M>
Equations<Real, M> linear_equations(const ProxySystem<Real>& s, const LogData<Real>& data, const Vector<Real>* centre) {
  Equations<Real, M> e(s, centre);
  for (std::size_t b = 0; b < s.bins; ++b) {
    Vector<Real> slope[M];
    for (std::size_t m = 0; m < M; ++m) slope[m] = all(s.centre_slope[b * M + m]);
    e.add(slope, data.weight[b], data.weight[b] * (data.attenuated[b] - s.centre_value[b]));
  }
  return e;
}

template <class Real, std::size_t M>
Equations<Real, M> log_equations(const ProxySystem<Real>& s, const LogData<Real>& data, const Vector<Real>* a) {
  Equations<Real, M> e(s, a);
  for (std::size_t b = 0; b < s.bins; ++b) {
    Transmission<Real, M> p(s, b, a);
    p.of_logarithm();
    e.add(p.slope, data.weight[b], data.weight[b] * (data.attenuated[b] - log<Real>(p.sum)));
  }
  return e;
}

template <class Real, std::size_t M>
Equations<Real, M> score_equations(const ProxySystem<Real>& s, const RayVector<Real>& ray, const Vector<Real>* a) {
  Equations<Real, M> e(s, a);
  for (std::size_t b = 0; b < s.bins; ++b) {
    const Transmission<Real, M> p(s, b, a);
    const Vector<Real> lambda = ray.open[b] * p.sum + ray.background[b], per_lambda = ray.open[b] / lambda;
    e.add(p.slope, ray.open[b] * per_lambda, (ray.counts[b] - lambda) * per_lambda);
  }
  return e;
}

// Where the steps start from: the centre, after the linear one, after each logarithmic one, the answer.
template <class Real, std::size_t M>
struct Path {
  static constexpr std::size_t kLength = M + 2;
  Vector<Real> a[kLength][M], change[kLength][M];  // change from there
  Mask<Real> found;

  Path(const ProxySystem<Real>& s, const RayVector<Real>& ray, const LogData<Real>& data) {
    for (std::size_t m = 0; m < M; ++m) a[0][m] = all(s.centre[m]);
    go(0, linear_equations<Real, M>(s, data, a[0]));
    for (std::size_t k = 1; k < M; ++k) go(k, log_equations<Real, M>(s, data, a[k]));
    go(M, score_equations<Real, M>(s, ray, a[M]));
    found = ray.usable;
    for (std::size_t m = 0; m < M; ++m)
      found &= magnitude(a[M + 1][m] - s.centre[m]) < static_cast<Real>(kFarthest) * s.range[m];  // false where not a number
  }
  const Vector<Real>* answer() const { return a[M + 1]; }

 private:
  void go(std::size_t k, const Equations<Real, M>& e) {
    Factor<Real, M>(e.matrix).solve(e.right, change[k]);
    for (std::size_t m = 0; m < M; ++m) a[k + 1][m] = a[k][m] + change[k][m];
  }
};

}  // namespace
}  // namespace counterflow::COUNTERFLOW_KERNEL
