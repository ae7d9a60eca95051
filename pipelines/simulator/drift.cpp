#include "pipelines/simulator/drift.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/random.h"
#include "core/text.h"

namespace counterflow {
namespace {

// Streams of random numbers; views count from 0 and stay far below.
constexpr std::uint64_t kModuleStream = std::uint64_t{1} << 60, kPixelStream = std::uint64_t{2} << 60,
                        kDispersionStream = std::uint64_t{3} << 60;

template <std::size_t N>
Array<double, N> normal_numbers(typename Array<double, N>::Shape shape, double sigma, std::int64_t seed, std::uint64_t stream) {
  if (sigma == 0 && N == 3) return {};
  Array<double, N> out(shape);
  Philox random(static_cast<std::uint64_t>(seed), stream);
  for (auto& v : out) v = sigma * random.normal();
  return out;
}

}  // namespace

ThresholdDrift::ThresholdDrift(const Scenario& scenario, double largest) : settings_(scenario.drift) {
  const ScanHeader& h = scenario.header;
  const std::int64_t seed = settings_.seed >= 0 ? settings_.seed : scenario.acquisition.seed;
  const std::size_t bins = h.bins(), rows = h.geometry.rows, columns = h.geometry.columns;
  module_ = normal_numbers<2>({bins, h.modules}, settings_.module_sigma, seed, kModuleStream);
  pixel_ = normal_numbers<3>({bins, rows, columns}, settings_.pixel_sigma, seed, kPixelStream);
  dispersion_ = normal_numbers<3>({bins, rows, columns}, settings_.dispersion, seed, kDispersionStream);
  by_pixel_ = !pixel_.empty() || !dispersion_.empty();
  any_ = by_pixel_ || settings_.common != 0 || settings_.slow != 0 || settings_.module_sigma > 0;
  air_drifted_ = settings_.air == "drifted";
  if (!any_) return;
  find_range(scenario);
  if (std::max(-range_.first, range_.second) > largest)
    throw ConfigError("<drift>: thresholds would move by " + number_text(range_.first) + " to " + number_text(range_.second) +
                      " keV, but at most " + number_text(largest) + " keV can be simulated: choose smaller values");
  check_order(scenario);
}

double ThresholdDrift::module_shift(std::size_t threshold, std::size_t module, double t, bool air) const {
  if (air && !air_drifted_) return 0;
  return settings_.common + module_(threshold, module) + (air ? 0 : settings_.slow * t);
}

double ThresholdDrift::pixel_shift(std::size_t threshold, std::size_t row, std::size_t column, bool air) const {
  double shift = dispersion_.empty() ? 0 : dispersion_(threshold, row, column);
  if (!pixel_.empty() && (!air || air_drifted_)) shift += pixel_(threshold, row, column);
  return shift;
}

void ThresholdDrift::find_range(const Scenario& scenario) {
  const ScanGeometry& g = scenario.header.geometry;
  for (std::size_t k = 0; k < thresholds(); ++k)
    for (std::size_t r = 0; r < (by_pixel_ ? g.rows : 1); ++r)
      for (std::size_t c = 0; c < g.columns; ++c)
        for (bool air : {false, true})
          for (double t : {0.0, 1.0}) {
            const double shift =
                module_shift(k, scenario.header.module_of(c), t, air) + (by_pixel_ ? pixel_shift(k, r, c, air) : 0);
            range_ = {std::min(range_.first, shift), std::max(range_.second, shift)};
          }
}

void ThresholdDrift::check_order(const Scenario& scenario) const {
  const auto& nominal = scenario.header.system.thresholds;
  const ScanGeometry& g = scenario.header.geometry;
  for (std::size_t k = 0; k + 1 < nominal.size(); ++k)
    for (std::size_t r = 0; r < (by_pixel_ ? g.rows : 1); ++r)
      for (std::size_t c = 0; c < g.columns; ++c) {
        // `common` and `slow` move all lower edges alike; the upper end of the last bin stays.
        const auto shift = [&](std::size_t threshold, double t) {
          if (threshold >= thresholds()) return 0.0;
          return module_shift(threshold, scenario.header.module_of(c), t, false) +
                 (by_pixel_ ? pixel_shift(threshold, r, c, false) : 0);
        };
        for (double t : {0.0, 1.0})
          if (nominal[k] + shift(k, t) >= nominal[k + 1] + shift(k + 1, t))
            throw ConfigError("<drift>: thresholds " + std::to_string(k) + " and " + std::to_string(k + 1) + " of column " +
                              std::to_string(c) + ", row " + std::to_string(r) + " would cross: choose smaller values");
      }
}

}  // namespace counterflow
