// Where the search on the full spectra starts: least squares of the logarithms, then the same search on few energies. For a
// vector of neighbouring rays at a time, handed out one by one. Kernel sources only.
#pragma once
#include "gadgets/decomposition/courses.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

constexpr double kStartTolerance = 0.05;  // [sigma] of the search on the coarse spectra
constexpr double kFarthestStart = 50;     // [attenuation lengths]
constexpr double kLeastPrimary = 0.3;     // [counts] in logarithms

// Least squares, weighted by counts, of ln(P_b(centre) / P_b measured) against the slope at the centre.
template <class Real, std::size_t M>
struct LinearStart {
  using V = Vector<Real>;
  V transmitted_value[kMaxBins], slope[kMaxBins][M];  // P_b and -d ln P_b / dA at the centre
  V primary[kMaxBins], difference[kMaxBins];          // the weight of bin b; the logarithm above
  V matrix[kPairs<M>] = {}, change[M], end[M];
  Mask<Real> sane;

  // `x` is overwritten; behind known attenuators it holds the coarse spectra at the centre.
  LinearStart(const RaySystem<Real>& system, const RayBlock<Real>& rays, bool non_negative, Expected<Real, M>& x) {
    at_centre(system, rays, x);
    V right[M] = {};
    for (std::size_t b = 0; b < system.bins; ++b) {
      primary[b] = larger(rays.counts[b] - rays.background[b], all<Real>(static_cast<Real>(kLeastPrimary)));
      difference[b] = -log<Real>(primary[b] / (rays.open[b] * transmitted_value[b]));
      for (std::size_t i = 0; i < M; ++i) {
        const V u = primary[b] * slope[b][i];
        right[i] += u * difference[b];
        for (std::size_t j = i; j < M; ++j) matrix[pair<M>(i, j)] += u * slope[b][j];
      }
    }
    Factor<Real, M>(matrix).solve(right, change);
    sane = ~Mask<Real>{};
    for (std::size_t m = 0; m < M; ++m) sane &= magnitude(change[m]) < static_cast<Real>(kFarthestStart) * system.unit[m];
    for (std::size_t m = 0; m < M; ++m) {
      end[m] = system.centre[m] + (sane ? change[m] : all<Real>(0));
      if (non_negative) end[m] = larger(end[m], all<Real>(0));
    }
  }

 private:
  // From the table, or behind known attenuators for each ray on the coarse spectra.
  void at_centre(const RaySystem<Real>& system, const RayBlock<Real>& rays, Expected<Real, M>& x) {
    for (std::size_t b = 0; b < system.bins; ++b) {
      transmitted_value[b] = all<Real>(system.centre_value[b]);
      for (std::size_t m = 0; m < M; ++m) slope[b][m] = all<Real>(system.centre_slope[b * M + m]);
    }
    if (system.full.known == 0) return;
    V centre[M];
    for (std::size_t m = 0; m < M; ++m) centre[m] = all<Real>(system.centre[m]);
    expect<Real, M>(system.coarse, system.bins, rays, centre, x);
    for (std::size_t b = 0; b < system.bins; ++b) {
      const V seen = x.lambda[b] - rays.background[b];
      transmitted_value[b] = seen / rays.open[b];
      for (std::size_t m = 0; m < M; ++m) slope[b][m] = -x.slope[b][m] / seen;
    }
  }
};

// The search on the coarse spectra from `linear`.
template <class Real, std::size_t M>
struct CoarseStart {
  Vector<Real> found[M] = {}, rate2 = {};
  Mask<Real> done = {}, sane;  // not `sane`: the linear start stands

  // each(trial, at, tried) is told of each step: the points tried, where the lanes stand after it, which lanes had a part in it.
  CoarseStart(const RaySystem<Real>& system, const RaySettings<Real>& settings, const RayBlock<Real>& rays,
              const Vector<Real>* linear, Expected<Real, M>& x, auto&& each) {
    const Problem<Real, M> p{system, system.coarse, rays, settings.non_negative, static_cast<Real>(kStartTolerance), false};
    Standing<Real, M> at;
    for (std::size_t m = 0; m < M; ++m) at.begin(m, ~Mask<Real>{}, all<Real>(system.centre[m]), linear[m]);
    for (std::size_t steps = 0; steps < settings.start_iterations && any(~done); ++steps) {
      Vector<Real> trial[M], end[M];
      for (std::size_t m = 0; m < M; ++m) trial[m] = at.trial[m];
      const Mask<Real> finished = advance<Real, M>(p, ~done, x, at, end);
      each(trial, at, ~done);
      for (std::size_t m = 0; m < M; ++m) found[m] = finished ? end[m] : done ? found[m] : at.base[m];
      rate2 = done ? rate2 : at.rate2;
      done |= finished;
    }
    sane = ~at.fresh;
    for (std::size_t m = 0; m < M; ++m) sane &= magnitude(found[m]) < static_cast<Real>(4 * kFarthestStart) * system.unit[m];
    for (std::size_t m = 0; m < M; ++m) found[m] = sane ? found[m] : linear[m];
    rate2 = done & sane ? rate2 : all<Real>(Lanes<Real>::kHuge);
  }
};

template <class Real, std::size_t M>
class StartQueue {
  using V = Vector<Real>;
  static constexpr std::size_t kLanes = Lanes<Real>::kCount;

 public:
  StartQueue(const RaySystem<Real>& system, const RaySettings<Real>& settings, const RayData<Real>& data,
             const std::uint8_t* fate)
      : system_(system), settings_(settings), data_(data), fate_(fate) {}

  // Goes to the next ray that can be used; false where there is none.
  bool next() {
    for (++ray_; ray_ < data_.rays + 1; ++ray_) {
      if (ray_ == data_.rays) return false;
      if (ray_ % kLanes == 0) find_starts(ray_);
      if (fate_[ray_] != kFailed) return true;
    }
    return false;
  }
  // Puts that ray into lane `i`; its number.
  std::size_t give(std::size_t i, RayBlock<Real>& rays, Courses<Real, M>& courses) const {
    const std::size_t from = ray_ % kLanes;
    copy_lane<Real>(system_, rays_, from, rays, i);
    courses.begin(i, system_, linear_, found_, from, rate2_[from]);
    return ray_;
  }

 private:
  void find_starts(std::size_t at) {
    load_block<Real, M>(system_, data_, fate_, at, rays_);
    const LinearStart<Real, M> linear(system_, rays_, settings_.non_negative, x_);
    const CoarseStart<Real, M> coarse(system_, settings_, rays_, linear.end, x_, [](auto&&...) {});
    for (std::size_t m = 0; m < M; ++m) {
      linear_[m] = linear.end[m];
      found_[m] = coarse.found[m];
    }
    rate2_ = coarse.rate2;
  }

  const RaySystem<Real>& system_;
  const RaySettings<Real>& settings_;
  const RayData<Real>& data_;
  const std::uint8_t* fate_;
  std::size_t ray_ = static_cast<std::size_t>(-1);
  RayBlock<Real> rays_;
  Expected<Real, M> x_;
  V linear_[M] = {}, found_[M] = {}, rate2_ = {};
};

}  // namespace
}  // namespace counterflow::COUNTERFLOW_KERNEL
