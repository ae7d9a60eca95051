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

// sum_E channel_c(E) behind the known attenuators of the rays and nothing else; `channel` [energy, c].
template <class Real, std::size_t M>
void sum_behind_known(const RaySpectra<Real>& s, const RayBlock<Real>& rays, const Real* channel, std::size_t channels,
                      Vector<Real>* sum) {
  const Vector<Real> nothing[M] = {};
  Vector<Real> transmitted[kMaxEnergies];
  transmit<Real, M>(s, rays, nothing, transmitted);
  for (std::size_t c = 0; c < channels; ++c) sum[c] = Vector<Real>{};
  for (std::size_t e = 0; e < s.energies; ++e)
    for (std::size_t c = 0; c < channels; ++c) sum[c] += channel[e * channels + c] * transmitted[e];
}

// Lanes whose data cannot be used (the mask returned) get the counts of the centre, so that they do no harm.
template <class Real, std::size_t M>
Mask<Real> load_block(const RaySystem<Real>& system, const RayData<Real>& data, const std::uint8_t* fate, std::size_t at,
                      RayBlock<Real>& rays) {
  Mask<Real> unusable = {};
  for (std::size_t i = 0; i < Lanes<Real>::kCount; ++i) unusable[i] = fate[at + i] == kFailed ? -1 : 0;
  for (std::size_t b = 0; b < system.bins; ++b) {
    const std::size_t from = b * data.rays + at;
    rays.counts[b] = unusable ? all<Real>(1) : load(data.counts + from);
    rays.open[b] = unusable ? all<Real>(1 / system.centre_value[b]) : load(data.open + from);
    rays.background[b] = all<Real>(0);
    if (data.background) rays.background[b] = unusable ? all<Real>(0) : load(data.background + from);
  }
  if (const std::size_t known = system.full.known; known > 0) {
    for (std::size_t k = 0; k < known; ++k) rays.known[k] = unusable ? all<Real>(0) : load(data.known + k * data.rays + at);
    Vector<Real> air[kMaxBins];
    sum_behind_known<Real, M>(system.full, rays, system.air_weight, system.bins, air);
    for (std::size_t b = 0; b < system.bins; ++b) rays.open[b] /= air[b];
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
}

}  // namespace
}  // namespace counterflow::COUNTERFLOW_KERNEL
