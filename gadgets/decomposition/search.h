// The search for the optimum of a vector of rays. Each lane goes its own way: a step that raised the objective is halved while
// its neighbours go on, and what a lane computes never depends on them. Kernel sources only.
#pragma once
#include "gadgets/decomposition/newton.h"
#include "gadgets/decomposition/ray_block.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

constexpr double kLongestStep = 10;  // [attenuation lengths], sum over materials
constexpr double kFarthest = 1000;   // [attenuation lengths] beyond this a lane is lost
constexpr double kTrusted = 0.05;    // [sigma] shorter steps need no check of the objective
constexpr double kFlat = 0.1;        // [sigma] where steps are this short, the data must say something in every direction
constexpr double kQuadratic = 1;     // [sigma] steps shorter than this show how fast Newton's method converges
constexpr double kCautious = 8;      // so many times the length that the next step is expected to have

template <class Real, std::size_t M>
struct Problem {
  const RaySystem<Real>& system;
  const RaySpectra<Real>& spectra;
  const RayBlock<Real>& rays;
  bool non_negative = false;
  Real tolerance = 0;
  bool must_inform = true;  // give up lanes that drift to where the data say next to nothing: no finite optimum
};

// Where the lanes stand: the best point of each and the step tried from it.
template <class Real, std::size_t M>
struct Standing {
  Vector<Real> base[M] = {}, base_lambda[kMaxBins] = {}, change[M] = {}, trial[M] = {};
  Vector<Real> ridge[M] = {};  // its second derivative
  Vector<Real> length2 = {};   // of the step from `base` [sigma^2]
  // Newton's method squares the error: (length of a step / square of the one before it)^2 [1/sigma^2]; huge where not yet seen.
  Vector<Real> rate2 = all<Real>(Lanes<Real>::kHuge);
  Mask<Real> fresh = ~Mask<Real>{};  // nothing was evaluated yet
  Mask<Real> accepted = {};          // the last trial became the base
  Mask<Real> newton = {};            // the step from `base` is a whole one of Newton's method
  Mask<Real> lost = {};              // no finite optimum

  // A first trial, halved towards `anchor` where the spectra mean nothing.
  void begin(std::size_t m, Mask<Real> where, Vector<Real> anchor, Vector<Real> start) {
    base[m] = where ? anchor : base[m];
    change[m] = where ? start - anchor : change[m];
    trial[m] = where ? start : trial[m];
  }
  // A new ray in lane `i`, its start in lane `from` of `start`.
  void restart(std::size_t i, const RaySystem<Real>& system, const Vector<Real>* start, std::size_t from, Real new_rate2) {
    for (std::size_t m = 0; m < M; ++m) {
      base[m][i] = system.centre[m];
      trial[m][i] = start[m][from];
      change[m][i] = start[m][from] - system.centre[m];
      ridge[m][i] = 0;
    }
    rate2[i] = new_rate2;
    fresh[i] = -1;
    newton[i] = lost[i] = 0;
  }
};

// Change of the objective from (a, lambda) to (b, lambda_b), within rounding, at most zero. The terms
// (1 - y/lambda) d + y (x - ln(1+x)), x = d/lambda, do not cancel.
template <class Real, std::size_t M>
Mask<Real> not_worse(const Problem<Real, M>& p, const Standing<Real, M>& at, const Vector<Real>* lambda_to) {
  Vector<Real> change = {}, slack = all<Real>(Lanes<Real>::kTiny);
  for (std::size_t b = 0; b < p.system.bins; ++b) {
    const Vector<Real> from = at.base_lambda[b], y = p.rays.counts[b], d = lambda_to[b] - from, x = d / from;
    change += (1 - y / from) * d + y * x_minus_log1p<Real>(x);
    slack += magnitude(from - y) + magnitude(d);
  }
  for (std::size_t m = 0; m < M; ++m) {
    const Vector<Real> r = static_cast<Real>(0.5) * at.ridge[m] * (at.trial[m] - at.base[m]) * (at.trial[m] + at.base[m]);
    change += r;
    slack += magnitude(r);
  }
  return (change <= 8 * Lanes<Real>::kEpsilon * slack) & (change < Lanes<Real>::kHuge);
}

// Which trials become the new base.
template <class Real, std::size_t M>
Mask<Real> acceptable(const Problem<Real, M>& p, const Standing<Real, M>& at, const Expected<Real, M>& x, Mask<Real> active) {
  Mask<Real> accepted = at.fresh | (at.length2 < static_cast<Real>(kTrusted * kTrusted));
  if (any(active & ~accepted)) accepted |= not_worse<Real, M>(p, at, x.lambda);
  for (std::size_t b = 0; b < p.system.bins; ++b) accepted &= x.lambda[b] > 0;
  return accepted;
}

// Where a step is cut short.
template <class Real, std::size_t M>
Mask<Real> shorten(const RaySystem<Real>& system, Vector<Real>* change) {
  Vector<Real> lengths = all<Real>(Lanes<Real>::kTiny);
  for (std::size_t m = 0; m < M; ++m) lengths += magnitude(change[m]) / system.unit[m];
  const Vector<Real> factor = smaller(static_cast<Real>(kLongestStep) / lengths, all<Real>(1));
  for (std::size_t m = 0; m < M; ++m) change[m] *= factor;
  return factor < 1;
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

// A step on the materials that are free: those off their bound, or pushed off it. `reduced`: the equations, of which the others
// are taken out.
template <class Real, std::size_t M>
Step<Real, M> free_step(const Vector<Real>* a, Normal<Real, M>& reduced) {
  for (std::size_t m = 0; m < M; ++m) fix<Real, M>(reduced, m, (a[m] <= 0) & (reduced.gradient[m] > 0));
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
Mask<Real> informed(const Problem<Real, M>& p, const Standing<Real, M>& at, const Normal<Real, M>& n) {
  Vector<Real> matrix[kPairs<M>];
  for (std::size_t k = 0; k < kPairs<M>; ++k) matrix[k] = n.fisher[k];
  for (std::size_t m = 0; m < M; ++m)
    matrix[pair<M>(m, m)] -= at.ridge[m] + static_cast<Real>(0.01) * ridge<Real>(p.system.unit[m]);
  return Factor<Real, M>(matrix).positive;
}

// Whether a step, or else the step that would follow it, is shorter than what means anything.
template <class Real, std::size_t M>
Mask<Real> converged(const Problem<Real, M>& p, const Standing<Real, M>& at, const Step<Real, M>& s, Vector<Real> counts) {
  const Vector<Real> least2 = shortest2<Real>(p.tolerance, counts);
  const Vector<Real> next2 = static_cast<Real>(kCautious * kCautious) * at.rate2 * s.length2 * s.length2;
  return s.newton & ((s.length2 < least2) | ((s.length2 < static_cast<Real>(kFlat * kFlat)) & (next2 < least2)));
}

// Evaluates the trials of the `active` lanes, takes those that are acceptable and sets out the next ones. True where a lane has
// arrived; `end` is the optimum there.
template <class Real, std::size_t M>
Mask<Real> advance(const Problem<Real, M>& p, Mask<Real> active, Expected<Real, M>& x, Standing<Real, M>& at, Vector<Real>* end) {
  expect<Real, M>(p.spectra, p.system.bins, p.rays, at.trial, x);
  const Mask<Real> accepted = acceptable<Real, M>(p, at, x, active);
  Normal<Real, M> n = normal<Real, M>(p.spectra, p.system.bins, p.rays, x);
  add_ridge<Real, M>(n, at.ridge, at.trial);
  Normal<Real, M> reduced = n;
  Step<Real, M> s = p.non_negative ? free_step<Real, M>(at.trial, reduced) : step<Real, M>(n);
  const Mask<Real> shows = accepted & at.newton & s.newton & (at.length2 < static_cast<Real>(kQuadratic * kQuadratic));
  at.rate2 = shows ? s.length2 / larger(at.length2 * at.length2, all<Real>(Lanes<Real>::kTiny)) : at.rate2;
  const Mask<Real> cut = shorten<Real, M>(p.system, s.change);
  Mask<Real> finished = active & accepted & converged<Real, M>(p, at, s, n.counts);
  const Mask<Real> flat = active & accepted & (s.length2 < static_cast<Real>(kFlat * kFlat));
  if (p.must_inform && any(flat)) {
    at.lost |= flat & ~informed<Real, M>(p, at, n);
    finished &= ~at.lost;
  }
  Mask<Real> stopped = {};
  if (p.non_negative) stopped = stop_at_bound<Real, M>(at.trial, s.change);
  finished &= ~stopped;
  for (std::size_t m = 0; m < M; ++m) {
    end[m] = at.trial[m] + s.change[m];
    at.base[m] = accepted ? at.trial[m] : at.base[m];
    at.change[m] = accepted ? s.change[m] : at.change[m] / 2;
    at.trial[m] = at.base[m] + at.change[m];
    at.lost |= active & (magnitude(at.base[m]) > static_cast<Real>(kFarthest) * p.system.unit[m]);
  }
  at.newton = accepted & s.newton & ~cut & ~stopped;
  at.length2 = accepted ? s.length2 : at.length2;
  at.accepted = accepted;
  at.fresh &= ~accepted;
  for (std::size_t b = 0; b < p.system.bins; ++b) at.base_lambda[b] = accepted ? x.lambda[b] : at.base_lambda[b];
  return finished;
}

}  // namespace
}  // namespace counterflow::COUNTERFLOW_KERNEL
