#include "core/physics/pile_up_model.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/physics/detector_response.h"
#include "core/physics/spectrum_file.h"
#include "core/physics/tube.h"

namespace counterflow {
namespace {

constexpr double kChannel = 0.5;  // [keV]

// How much of [from, from + kChannel] lies above `edge`, of 1.
double share_above(double from, double edge) { return std::clamp((from + kChannel - edge) / kChannel, 0.0, 1.0); }

}  // namespace

PileUpModel::PileUpModel(const SpectralSystem& system, const std::vector<double>& energies, double step, double lowest,
                         double highest) {
  if (!system.bin_spectra.empty()) throw ConfigError("bins given by bin_spectra have no recorded spectrum that could pile up");
  first_ = static_cast<std::size_t>(std::max(1.0, std::floor(lowest / kChannel)));
  const auto channels = static_cast<std::size_t>(std::ceil(highest / kChannel)) + 1 - first_;
  const std::vector<double> source = source_spectrum(system, energies);
  spectra_ = Array<double, 2>({channels + 1, energies.size()});
  for (std::size_t e = 0; e < energies.size(); ++e) {
    const double energy = std::min(energies[e], largest_energy(system)), photons = source[e] * step;
    const auto above = [&](std::size_t channel) {
      return system.response->above(kChannel * static_cast<double>(first_ + channel), energy);
    };
    for (std::size_t j = 0; j <= channels; ++j) spectra_(j, e) = photons * (above(j) - (j < channels ? above(j + 1) : 0));
  }
  for (std::size_t j = 0; j <= channels; ++j) {
    const double middle = kChannel * (static_cast<double>(first_ + j) + 0.5);
    const auto end = system.thresholds.begin() + static_cast<std::ptrdiff_t>(system.bins);
    const auto bin = std::upper_bound(system.thresholds.begin(), end, middle) - system.thresholds.begin();
    bins_.push_back(static_cast<std::size_t>(std::max<std::ptrdiff_t>(bin, 1)) - 1);
  }
}

// [n] probability that a recorded pulse is made of two and more whose sum is n kChannel, up to the end of the channels. Of the
// pulses h that follow the first, Poisson(lost) many, Panjer's recursion (1981) gives the sum: h_n = lost/n sum_i i w_i h_(n-i).
std::vector<double> PileUpModel::several_pulses(std::span<const double> spectrum, double lowest, double all, double lost) const {
  const std::size_t channels = spectrum.size() - 1, end = first_ + channels + 1;
  std::vector<double> single(end, 0.0), following(end, 0.0), sum(end, 0.0);
  for (std::size_t j = 0; j < channels; ++j) {  // half of a channel at either edge: the mean is kept
    const double half = spectrum[j] * share_above(kChannel * static_cast<double>(first_ + j), lowest) / all / 2;
    single[first_ + j] += half;
    single[first_ + j + 1] += half;
  }
  following[0] = std::exp(-lost);
  for (std::size_t n = first_; n < end; ++n) {
    double next = static_cast<double>(n) * single[n] * following[0];
    for (std::size_t i = first_; i + first_ <= n; ++i) {
      next += static_cast<double>(i) * single[i] * following[n - i];
      sum[n] += single[i] * following[n - i];
    }
    following[n] = lost / static_cast<double>(n) * next;
  }
  return sum;
}

double PileUpModel::record(std::span<const double> spectrum, std::span<const double> thresholds, double dead_time,
                           std::span<double> counts) const {
  const std::size_t bins = counts.size(), channels = spectrum.size() - 1;
  double all = spectrum[channels], events = 0;
  for (std::size_t j = 0; j < channels; ++j)
    all += spectrum[j] * share_above(kChannel * static_cast<double>(first_ + j), thresholds[0]);
  for (double v : counts) events += v;
  if (thresholds.size() > bins) {  // what lies above the last bin blinds too
    events += spectrum[channels];
    for (std::size_t j = 0; j < channels; ++j)
      events += spectrum[j] * share_above(kChannel * static_cast<double>(first_ + j), thresholds[bins]);
  }
  if (!(events > 0 && all > 0)) return 1;
  const double lost = events * dead_time, alone = std::exp(-lost);
  const std::vector<double> several = several_pulses(spectrum, thresholds[0], all, lost);
  const auto several_below = [&](double edge) {
    double sum = 0;
    for (std::size_t n = first_; n < several.size(); ++n)
      sum += several[n] * (1 - share_above(kChannel * (static_cast<double>(n) - 0.5), edge));
    return sum;
  };
  double below = several_below(thresholds[0]), recorded = 0;
  for (std::size_t b = 0; b < bins; ++b) {
    const double next = b + 1 < thresholds.size() ? several_below(thresholds[b + 1]) : 1 - alone;
    const double share = alone * counts[b] / events + next - below;
    counts[b] = events / (1 + lost) * share;
    recorded += share;
    below = next;
  }
  return std::sqrt(std::max(0.0, 1 - recorded * (1 - 1 / ((1 + lost) * (1 + lost)))));
}

}  // namespace counterflow
