// The search for the optimum of a vector of rays. Each lane goes its own way: a step that raised the objective is halved while
// its neighbours go on. Kernel sources only.
#pragma once
#include "gadgets/decomposition/newton.h"
#include "gadgets/decomposition/ray_block.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

constexpr double kLongestStep = 10;  // [attenuation lengths], sum over materials
constexpr double kFarthest = 1000;   // [attenuation lengths] beyond this a lane is lost
constexpr double kTrusted = 0.05;    // [sigma] shorter steps need no check of the objective
constexpr double kFlat = 0.1;        // [sigma] where steps are this short, the data must say something in every direction

template <class Real, std::size_t M>
struct Problem {
  const RaySystem<Real>& system;
  const RaySpectra<Real>& spectra;
  const RayBlock<Real>& rays;
  Vector<Real> ridge[M] = {};  // second derivative of the ridge, by lane
  bool non_negative = false;
  Real tolerance = 0;
  std::size_t iterations = 0;
  bool must_inform = true;  // give up lanes that drift to where the data say next to nothing: no finite optimum
};

// Change of the objective from (a, lambda) to (b, lambda_b), within rounding, at most zero. The terms
// (1 - y/lambda) d + y (x - ln(1+x)), x = d/lambda, do not cancel.
template <class Real, std::size_t M>
Mask<Real> not_worse(const Problem<Real, M>& p, const Vector<Real>* from, const Vector<Real>* lambda_from, const Vector<Real>* to,
                     const Vector<Real>* lambda_to) {
  Vector<Real> change = {}, slack = all<Real>(Lanes<Real>::kTiny);
  for (std::size_t b = 0; b < p.system.bins; ++b) {
    const Vector<Real> y = p.rays.counts[b], d = lambda_to[b] - lambda_from[b], x = d / lambda_from[b];
    change += (1 - y / lambda_from[b]) * d + y * x_minus_log1p<Real>(x);
    slack += magnitude(lambda_from[b] - y) + magnitude(d);
  }
  for (std::size_t m = 0; m < M; ++m) {
    const Vector<Real> r = static_cast<Real>(0.5) * p.ridge[m] * (to[m] - from[m]) * (to[m] + from[m]);
    change += r;
    slack += magnitude(r);
  }
  return (change <= 8 * Lanes<Real>::kEpsilon * slack) & (change < Lanes<Real>::kHuge);
}

template <class Real, std::size_t M>
void shorten(const RaySystem<Real>& system, Vector<Real>* change) {
  Vector<Real> lengths = all<Real>(Lanes<Real>::kTiny);
  for (std::size_t m = 0; m < M; ++m) lengths += magnitude(change[m]) / system.unit[m];
  const Vector<Real> factor = smaller(static_cast<Real>(kLongestStep) / lengths, all<Real>(1));
  for (std::size_t m = 0; m < M; ++m) change[m] *= factor;
}

// Stops the step at the first bound A = 0 that it meets; true where it did.
template <class Real, std::size_t M>
Mask<Real> stop_at_bound(const Vector<Real>* a, Vector<Real>* change) {
  Vector<Real> fraction = all<Real>(1), allowed[M];
  for (std::size_t m = 0; m < M; ++m) {
    const Mask<Real> out = (a[m] > 0) & (a[m] + change[m] < 0);
    allowed[m] = out ? -a[m] / change[m] : all<Real>(2);
    fraction = smaller(fraction, allowed[m]);
  }
  for (std::size_t m = 0; m < M; ++m) change[m] = allowed[m] <= fraction ? -a[m] : fraction * change[m];
  return fraction < 1;
}

// A step on the materials that are free: those off their bound, or pushed off it.
template <class Real, std::size_t M>
Step<Real, M> free_step(const Vector<Real>* a, const Normal<Real, M>& n) {
  Normal<Real, M> reduced = n;
  for (std::size_t m = 0; m < M; ++m) fix<Real, M>(reduced, m, (a[m] <= 0) & (n.gradient[m] > 0));
  Step<Real, M> s = step<Real, M>(reduced);
  for (std::size_t pass = 0; pass < M; ++pass) {
    Mask<Real> outward = {};
    for (std::size_t m = 0; m < M; ++m) {
      const Mask<Real> out = (a[m] <= 0) & (s.change[m] < 0);
      fix<Real, M>(reduced, m, out);
      outward |= out;
    }
    if (!any(outward)) break;
    s = step<Real, M>(reduced);
  }
  return s;
}

// Whether the data know every direction to better than 300 attenuation lengths, a tenth of the ridge's weight in sigmas.
template <class Real, std::size_t M>
Mask<Real> informed(const Problem<Real, M>& p, const Normal<Real, M>& n) {
  Vector<Real> matrix[kPairs<M>];
  for (std::size_t k = 0; k < kPairs<M>; ++k) matrix[k] = n.fisher[k];
  for (std::size_t m = 0; m < M; ++m)
    matrix[pair<M>(m, m)] -= p.ridge[m] + static_cast<Real>(0.01) * ridge<Real>(p.system.unit[m]);
  return Factor<Real, M>(matrix).positive;
}

// Where one search stands: the best point of each lane and the step tried from it.
template <class Real, std::size_t M>
struct Standing {
  Vector<Real> base[M], base_lambda[kMaxBins] = {}, change[M] = {}, trial[M], length2 = {};
  Mask<Real> lost = {};
};

// Takes the trial point where it is `accepted`, then sets out the next trial. True where the search has ended.
template <class Real, std::size_t M>
Mask<Real> advance(const Problem<Real, M>& p, const Expected<Real, M>& x, Mask<Real> accepted, Mask<Real> done,
                   Standing<Real, M>& at, Vector<Real>* end) {
  Normal<Real, M> n = normal<Real, M>(p.spectra, p.system.bins, p.rays, x);
  add_ridge<Real, M>(n, p.ridge, at.trial);
  Step<Real, M> s = p.non_negative ? free_step<Real, M>(at.trial, n) : step<Real, M>(n);
  shorten<Real, M>(p.system, s.change);
  Mask<Real> finished = accepted & s.newton & (s.length2 < shortest2<Real>(p.tolerance, n.counts)) & ~done;
  const Mask<Real> flat = accepted & ~done & (s.length2 < static_cast<Real>(kFlat * kFlat));
  if (p.must_inform && any(flat)) {
    at.lost |= flat & ~informed<Real, M>(p, n);
    finished &= ~at.lost;
  }
  if (p.non_negative) finished &= ~stop_at_bound<Real, M>(at.trial, s.change);
  for (std::size_t m = 0; m < M; ++m) {
    end[m] = at.trial[m] + s.change[m];
    at.base[m] = accepted ? at.trial[m] : at.base[m];
    at.change[m] = accepted ? s.change[m] : at.change[m] / 2;
    at.change[m] = done | finished ? all<Real>(0) : at.change[m];
    at.trial[m] = at.base[m] + at.change[m];
    at.lost |= magnitude(at.base[m]) > static_cast<Real>(kFarthest) * p.system.unit[m];
  }
  at.length2 = accepted ? s.length2 : at.length2;
  for (std::size_t b = 0; b < p.system.bins; ++b) at.base_lambda[b] = accepted ? x.lambda[b] : at.base_lambda[b];
  return finished;
}

template <class Real>
struct Outcome {
  std::size_t steps = 0;
  Mask<Real> lost = {};  // no finite optimum
};

// Moves `a` to the optimum; adds to `done` the lanes that got there, leaves the others at their best point and does not touch
// those that were done before.
template <class Real, std::size_t M>
Outcome<Real> search(const Problem<Real, M>& p, Vector<Real>* a, Mask<Real>& done, Expected<Real, M>& x) {
  Standing<Real, M> at;
  for (std::size_t m = 0; m < M; ++m) at.trial[m] = at.base[m] = a[m];
  std::size_t steps = 0;
  while (steps < p.iterations && any(~(done | at.lost))) {
    expect<Real, M>(p.spectra, p.system.bins, p.rays, at.trial, x);
    Mask<Real> accepted = ~Mask<Real>{};
    if (steps > 0) accepted = at.length2 < static_cast<Real>(kTrusted * kTrusted);
    if (any(~(accepted | done))) accepted |= not_worse<Real, M>(p, at.base, at.base_lambda, at.trial, x.lambda);
    Vector<Real> end[M];
    const Mask<Real> finished = advance<Real, M>(p, x, accepted, done, at, end);
    for (std::size_t m = 0; m < M; ++m) a[m] = finished ? end[m] : a[m];
    done |= finished;
    ++steps;
  }
  for (std::size_t m = 0; m < M; ++m) a[m] = done ? a[m] : at.base[m];
  return {steps, at.lost & ~done};
}

}  // namespace
}  // namespace counterflow::COUNTERFLOW_KERNEL
