#include "pipelines/counterflow/latencies.h"

#include <algorithm>
#include <cmath>

#include "core/text.h"

namespace counterflow {

double Latencies::percentile(double percent) const {
  if (seconds_.empty()) return 0;
  auto sorted = seconds_;
  const auto rank = std::ceil(percent / 100 * static_cast<double>(sorted.size()));
  const auto at = static_cast<std::ptrdiff_t>(std::clamp(rank, 1.0, static_cast<double>(sorted.size()))) - 1;
  std::nth_element(sorted.begin(), sorted.begin() + at, sorted.end());
  return sorted[static_cast<std::size_t>(at)];
}

std::string Latencies::text() const {
  return "p50 " + milliseconds_text(percentile(50)) + ", p90 " + milliseconds_text(percentile(90)) + ", p99 " +
         milliseconds_text(percentile(99)) + ", max " + milliseconds_text(percentile(100));
}

std::string milliseconds_text(double seconds) { return number_text(std::round(seconds * 1e5) / 100) + " ms"; }

}  // namespace counterflow
