// The decomposition of a vector of rays once more, step by step as solve_rays() takes it, keeping the iterates. Kernel sources
// only.
#pragma once
#include "gadgets/decomposition/start.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

// The points that were kept, in the caller's memory: areal densities, the part of the step before that led there, which lanes.
template <class Real, std::size_t M>
class Tape {
  static constexpr std::size_t kLanes = Lanes<Real>::kCount, kStride = kTapeChannels * kRayBlock;

 public:
  explicit Tape(Real* memory) : memory_(memory) {}
  std::size_t size() const { return size_; }
  void clear() { size_ = 0; }
  void push(const Vector<Real>* point, Vector<Real> part, Mask<Real> kept) {
    for (std::size_t m = 0; m < M; ++m) put(size_, m, point[m]);
    put(size_, M, part);
    put(size_++, M + 1, kept ? all<Real>(1) : all<Real>(0));
  }
  Vector<Real> point(std::size_t step, std::size_t m) const { return load(memory_ + step * kStride + m * kLanes); }
  Vector<Real> part(std::size_t step) const { return point(step, M); }
  Mask<Real> kept(std::size_t step) const { return point(step, M + 1) > 0; }
  // Lane `i` begins anew: what it kept so far led nowhere.
  void forget(std::size_t i) {
    for (std::size_t step = 0; step < size_; ++step) memory_[step * kStride + (M + 1) * kLanes + i] = 0;
  }

 private:
  void put(std::size_t step, std::size_t m, Vector<Real> v) { store(memory_ + step * kStride + m * kLanes, v); }
  Real* memory_;
  std::size_t size_ = 0;
};

template <class Real, std::size_t M>
class Replay {
  using V = Vector<Real>;
  using I = Mask<Real>;
  static constexpr std::size_t kLanes = Lanes<Real>::kCount;

 public:
  Tape<Real, M> tape;
  std::size_t coarse_steps = 0;  // of the tape; those on all energies follow
  V coarse_part = {};            // of the last coarse step
  V last_part = {};              // of the last step, that to `end`
  V end[M] = {};
  I through_coarse = {};  // lanes whose search began where the coarse one ended; others began at the linear start
  I held = {}, dead = {};

  explicit Replay(Real* memory) : tape(memory) {}

  // `fate` [lane]: kFailed on entry where data cannot be used; on return what became of the rays.
  void run(const RaySystem<Real>& system, const RaySettings<Real>& settings, const RayBlock<Real>& rays, std::uint8_t* fate,
           Expected<Real, M>& x) {
    tape.clear();
    const LinearStart<Real, M> linear(system, rays, settings.non_negative, x);
    coarse(system, settings, rays, linear.end, x);
    full(system, settings, rays, linear.end, fate, x);
    for (std::size_t i = 0; i < kLanes; ++i) {
      dead[i] = fate[i] == kFailed ? -1 : 0;
      held[i] = fate[i] == kHeld ? -1 : 0;
    }
    through_coarse &= ~held & ~dead;
  }

 private:
  void coarse(const RaySystem<Real>& system, const RaySettings<Real>& settings, const RayBlock<Real>& rays, const V* linear,
              Expected<Real, M>& x) {
    V part = all<Real>(1);
    const CoarseStart<Real, M> start(system, settings, rays, linear, x,
                                     [&](const V* trial, const auto& at, I tried) { keep(trial, tried, at.accepted, part); });
    for (std::size_t m = 0; m < M; ++m) found_[m] = start.found[m];
    rate2_ = start.rate2;
    through_coarse = start.sane;
    coarse_steps = tape.size();
    coarse_part = start.done ? all<Real>(1) : all<Real>(0);
  }

  void full(const RaySystem<Real>& system, const RaySettings<Real>& settings, const RayBlock<Real>& rays, const V* linear,
            std::uint8_t* fate, Expected<Real, M>& x) {
    const Problem<Real, M> p{system, system.full, rays, settings.non_negative, settings.tolerance};
    Courses<Real, M> courses;
    I active;
    for (std::size_t i = 0; i < kLanes; ++i) {
      active[i] = fate[i] == kFailed ? 0 : -1;
      courses.begin(i, system, linear, found_, i, rate2_[i]);
    }
    V part = all<Real>(1);
    while (any(active)) {
      V trial[M], next[M];
      for (std::size_t m = 0; m < M; ++m) trial[m] = courses.at.trial[m];
      const I finished = advance<Real, M>(p, active, x, courses.at, next);
      keep(trial, active, courses.at.accepted, part);
      for (std::size_t i = 0; i < kLanes; ++i) {
        if (!active[i]) continue;
        const bool was_held = courses.held[i];
        if (courses.ended(i, system, settings, finished[i] != 0, fate[i])) {
          active[i] = 0;
          last_part[i] = part[i];
          for (std::size_t m = 0; m < M; ++m) end[m][i] = fate[i] == kUnfinished ? courses.at.trial[m][i] : next[m][i];
        } else if (courses.held[i] != was_held) {
          tape.forget(i);
          part[i] = 1;
        }
      }
    }
  }

  // A point that was accepted; the next step is whole. One that was not: the step there is halved.
  void keep(const V* trial, I tried, I accepted, V& part) {
    tape.push(trial, part, tried & accepted);
    part = tried ? (accepted ? all<Real>(1) : part / 2) : part;
  }

  V found_[M] = {}, rate2_ = {};
};

}  // namespace
}  // namespace counterflow::COUNTERFLOW_KERNEL
