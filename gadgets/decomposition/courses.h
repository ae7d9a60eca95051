// What the searches of a vector of rays on the full spectra come to, lane by lane. Kernel sources only.
#pragma once
#include "gadgets/decomposition/search.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

template <class Real, std::size_t M>
struct Courses {
  static constexpr std::size_t kLanes = Lanes<Real>::kCount;
  Standing<Real, M> at;
  Vector<Real> linear[M] = {};  // where a search that is held begins
  std::size_t steps[kLanes] = {};
  bool held[kLanes] = {};

  // A new ray in lane `i`, its starts in lane `from`.
  void begin(std::size_t i, const RaySystem<Real>& system, const Vector<Real>* linear_start, const Vector<Real>* found,
             std::size_t from, Real rate2) {
    for (std::size_t m = 0; m < M; ++m) linear[m][i] = linear_start[m][from];
    at.restart(i, system, found, from, rate2);
    held[i] = false;
    steps[i] = 0;
  }

  // Counts a step of lane `i`; true where its search has ended, with its `fate`. Where it ended neither at a safe optimum nor
  // lost, most often because the Hessian is not safely positive there: once more with the ridge, or left where it goes next.
  bool ended(std::size_t i, const RaySystem<Real>& system, const RaySettings<Real>& settings, bool finished, std::uint8_t& fate) {
    ++steps[i];
    const bool lost = at.lost[i] != 0, over = !finished && !lost && steps[i] >= settings.iterations;
    if (!finished && !lost && !over) return false;
    fate = !finished ? kFailed : held[i] ? kHeld : kSolved;
    if (over && settings.keep_unfinished && !at.fresh[i]) fate = kUnfinished;
    if (!over || held[i] || settings.keep_unfinished) return true;
    hold(i, system);
    return false;
  }

 private:
  void hold(std::size_t i, const RaySystem<Real>& system) {
    held[i] = true;
    steps[i] = 0;
    at.restart(i, system, linear, i, Lanes<Real>::kHuge);
    for (std::size_t m = 0; m < M; ++m) at.ridge[m][i] = ridge<Real>(system.unit[m]);
  }
};

}  // namespace
}  // namespace counterflow::COUNTERFLOW_KERNEL
