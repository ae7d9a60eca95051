// Where the search on the full spectra starts: least squares of the logarithms, then the same search on few energies. For a
// vector of neighbouring rays at a time, handed out one by one. Kernel sources only.
#pragma once
#include "gadgets/decomposition/search.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

constexpr double kStartTolerance = 0.05;  // [sigma] of the search on the coarse spectra
constexpr std::size_t kStartIterations = 8;
constexpr double kFarthestStart = 50;  // [attenuation lengths]

template <class Real, std::size_t M>
class StartQueue {
  using V = Vector<Real>;
  using I = Mask<Real>;
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
  std::size_t give(std::size_t i, RayBlock<Real>& rays, V* start, Standing<Real, M>& at) const {
    const std::size_t from = ray_ % kLanes;
    copy_lane<Real>(system_, rays_, from, rays, i);
    for (std::size_t m = 0; m < M; ++m) start[m][i] = linear_[m][from];
    at.restart(i, system_, found_, from, rate2_[from]);
    return ray_;
  }

 private:
  void find_starts(std::size_t at) {
    load_block<Real, M>(system_, data_, fate_, at, rays_);
    linear_start(linear_);
    coarse_start();
  }

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

  void coarse_start() {
    const Problem<Real, M> p{system_, system_.coarse, rays_, settings_.non_negative, static_cast<Real>(kStartTolerance), false};
    Standing<Real, M> at;
    for (std::size_t m = 0; m < M; ++m) at.begin(m, ~I{}, all<Real>(system_.centre[m]), linear_[m]);
    I done = {};
    for (std::size_t steps = 0; steps < kStartIterations && any(~done); ++steps) {
      V end[M];
      const I finished = advance<Real, M>(p, ~done, x_, at, end);
      for (std::size_t m = 0; m < M; ++m) found_[m] = finished ? end[m] : done ? found_[m] : at.base[m];
      rate2_ = done ? rate2_ : at.rate2;
      done |= finished;
    }
    I sane = ~at.fresh;
    for (std::size_t m = 0; m < M; ++m) sane &= magnitude(found_[m]) < static_cast<Real>(4 * kFarthestStart) * system_.unit[m];
    for (std::size_t m = 0; m < M; ++m) found_[m] = sane ? found_[m] : linear_[m];
    rate2_ = done & sane ? rate2_ : all<Real>(Lanes<Real>::kHuge);
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
