// Reads a vector of rays; and the ridge. Kernel sources only.
#pragma once
#include "gadgets/decomposition/moments.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

// Second derivative of the ridge: that of a prior with a standard deviation of 30 attenuation lengths.
template <class Real>
Real ridge(Real unit) {
  return static_cast<Real>(1. / 900) / (unit * unit);
}

// exp(-sum_k nu_k a_k) of the known attenuators of the rays and nothing else.
template <class Real, std::size_t M>
struct BehindKnown {
  Vector<Real> transmitted[kMaxEnergies];
  BehindKnown(const RaySpectra<Real>& s, const RayBlock<Real>& rays) {
    const Vector<Real> nothing[M] = {};
    transmit<Real, M>(s, rays, nothing, transmitted);
  }
  // sum_E channel_c(E) behind them; `channel` [energy, c].
  void sum(const RaySpectra<Real>& s, const Real* channel, std::size_t channels, Vector<Real>* out) const {
    for (std::size_t c = 0; c < channels; ++c) out[c] = Vector<Real>{};
    for (std::size_t e = 0; e < s.energies; ++e)
      for (std::size_t c = 0; c < channels; ++c) out[c] += channel[e * channels + c] * transmitted[e];
  }
};

// P_b of each ray at the air scan, behind its known attenuators alone.
template <class Real, std::size_t M>
void at_air_scan(const RaySystem<Real>& system, const RayBlock<Real>& rays, Vector<Real>* air) {
  const RaySpectra<Real>& s = system.full;
  const bool own = s.move != nullptr, moves = system.edge_total != nullptr;
  for (std::size_t b = 0; b < system.bins; ++b) air[b] = all<Real>(own ? 1 / system.per_total[b] : 1);
  if (s.known == 0 && !(own && moves)) return;
  const BehindKnown<Real, M> behind(s, rays);
  behind.sum(s, s.known > 0 ? system.air_weight : s.weight, system.bins, air);
  if (!(own && moves)) return;
  Vector<Real> value[kMaxBins], slope[kMaxBins][M];
  sum_moved<Real, M>(s, system.bins, rays.power, behind.transmitted, value, slope);
  for (std::size_t b = 0; b < system.bins; ++b) air[b] += b + 1 < system.bins ? value[b] - value[b + 1] : value[b];
}

// Lanes whose data cannot be used (the mask returned) get the counts of the centre, so that they do no harm.
template <class Real, std::size_t M>
Mask<Real> load_block(const RaySystem<Real>& system, const RayData<Real>& data, const std::uint8_t* fate, std::size_t at,
                      RayBlock<Real>& rays) {
  Mask<Real> unusable = {};
  for (std::size_t i = 0; i < Lanes<Real>::kCount; ++i) unusable[i] = fate[at + i] == kFailed ? -1 : 0;
  const auto take = [&](const Real* from, std::size_t row, Vector<Real> instead) {
    return unusable ? instead : load(from + row * data.rays + at);
  };
  for (std::size_t k = 0; k < system.full.known; ++k) rays.known[k] = take(data.known, k, all<Real>(0));
  for (std::size_t k = 0; system.full.move && k < system.bins; ++k) {
    rays.power[k][0] = take(data.shift, k, all<Real>(0)) / system.largest_shift;
    for (std::size_t n = 1; n < kMovePowers; ++n) rays.power[k][n] = rays.power[k][n - 1] * rays.power[k][0];
  }
  Vector<Real> air[kMaxBins];
  at_air_scan<Real, M>(system, rays, air);
  for (std::size_t b = 0; b < system.bins; ++b) {
    rays.counts[b] = take(data.counts, b, all<Real>(1));
    rays.open[b] = take(data.open, b, air[b] / system.centre_value[b]) / air[b];
    rays.background[b] = all<Real>(0);
    if (data.background) rays.background[b] = take(data.background, b, all<Real>(0));
  }
  return unusable;
}

// Rays that do no harm.
template <class Real>
void load_idle(const RaySystem<Real>& system, RayBlock<Real>& rays) {
  for (std::size_t b = 0; b < system.bins; ++b) {
    rays.counts[b] = all<Real>(1);
    rays.open[b] = all<Real>(1 / system.centre_value[b]);
    rays.background[b] = all<Real>(0);
  }
}

template <class Real>
void copy_lane(const RaySystem<Real>& system, const RayBlock<Real>& from, std::size_t i, RayBlock<Real>& to, std::size_t j) {
  for (std::size_t b = 0; b < system.bins; ++b) {
    to.counts[b][j] = from.counts[b][i];
    to.open[b][j] = from.open[b][i];
    to.background[b][j] = from.background[b][i];
  }
  for (std::size_t k = 0; k < system.full.known; ++k) to.known[k][j] = from.known[k][i];
  for (std::size_t k = 0; system.full.move && k < system.bins; ++k)
    for (std::size_t n = 0; n < kMovePowers; ++n) to.power[k][n][j] = from.power[k][n][i];
}

}  // namespace
}  // namespace counterflow::COUNTERFLOW_KERNEL
