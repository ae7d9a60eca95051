#include "pipelines/simulator/pixel_faults.h"

#include <cmath>
#include <numeric>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/random.h"

namespace counterflow {
namespace {

constexpr std::uint64_t kPlaces = std::uint64_t{4} << 60;  // stream of random numbers, far above those of views

}  // namespace

PixelFaults::PixelFaults(const BadPixelSettings& settings, const ScanGeometry& geometry) : settings_(settings) {
  const std::pair<std::int64_t, PixelFault> kinds[] = {
      {settings.dead, PixelFault::dead}, {settings.hot, PixelFault::hot}, {settings.unstable, PixelFault::unstable}};
  std::vector<std::size_t> pixels(geometry.rows * geometry.columns);
  const auto wanted = static_cast<std::size_t>(settings.dead + settings.hot + settings.unstable);
  if (wanted > pixels.size())
    throw ConfigError("<bad_pixels>: expected at most as many as there are pixels (" + std::to_string(pixels.size()) + "), got " +
                      std::to_string(wanted));
  std::iota(pixels.begin(), pixels.end(), std::size_t{0});
  Philox random(static_cast<std::uint64_t>(settings.seed), kPlaces);
  std::size_t n = 0;
  for (const auto& [count, kind] : kinds)
    for (std::int64_t k = 0; k < count; ++k, ++n) {
      std::swap(pixels[n], pixels[n + random.next() % (pixels.size() - n)]);
      faults_.push_back({pixels[n] / geometry.columns, pixels[n] % geometry.columns, kind});
    }
}

std::vector<double> PixelFaults::table() const {
  std::vector<double> out;
  for (const Fault& f : faults_)
    out.insert(out.end(), {static_cast<double>(f.row), static_cast<double>(f.column), static_cast<double>(f.kind)});
  return out;
}

void PixelFaults::apply(Array<double, 3>& counts, const Array<double, 3>& air, std::uint64_t view) const {
  for (std::size_t n = 0; n < faults_.size(); ++n) {
    const Fault& f = faults_[n];
    Philox random(static_cast<std::uint64_t>(settings_.seed), kPlaces + view + 1, n);
    const double flicker = std::exp(settings_.flicker * random.normal());
    for (std::size_t b = 0; b < counts.extent(0); ++b) {
      double& v = counts(b, f.row, f.column);
      if (f.kind == PixelFault::dead) v = 0;
      if (f.kind == PixelFault::hot) v += settings_.hot_counts * air(b, f.row, f.column);
      if (f.kind == PixelFault::unstable) v *= flicker;
    }
  }
}

}  // namespace counterflow
