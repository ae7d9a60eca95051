// How long things took: percentiles of a list of times.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

namespace counterflow {

class Latencies {
 public:
  void add(double seconds) { seconds_.push_back(seconds); }
  std::size_t count() const { return seconds_.size(); }
  // The smallest time that so many percent of all do not exceed [s]; 0 where there are none.
  double percentile(double percent) const;
  // "p50 0.31 ms, p90 0.4 ms, p99 1.2 ms, max 3 ms"
  std::string text() const;

 private:
  std::vector<double> seconds_;
};

std::string milliseconds_text(double seconds);

}  // namespace counterflow
