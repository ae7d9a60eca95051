// Which pixels are bad, told from the air views: mean and dispersion of each pixel and bin against its surroundings.
#pragma once
#include <cstdint>
#include <vector>

#include "core/array.h"

namespace counterflow {

enum class Fault : std::uint8_t { none, listed, dead, hot, unstable };
inline constexpr std::size_t kFaults = 5;
const char* fault_name(Fault fault);

struct FaultLimits {
  double dead = 0.5;  // of the median around a pixel
  double hot = 2;     // of the median around a pixel
  double sigmas = 6;  // of chance
};

// Sums over the air views. The level f_v of a view is the mean of its pixels' counts without their lowest and highest tenth, so
// that a tube that flickers makes no pixel unstable.
struct AirStatistics {
  Array<double, 3> sum;     // [bin,row,column] sum_v x_v, count
  Array<double, 3> square;  // [bin,row,column] sum_v x_v^2 / f_v, count
  double level = 0;         // sum_v f_v, count
  std::size_t views = 0;

  template <class Real>
  void add(const Array<Real, 3>& counts);
};

// Faults of the pixels [row,column]; those of `known` stay and are no measure for others. With M the median, over good pixels
// around, of the counts N of a bin over all air views, a pixel is in any bin
//   dead      N + sigmas sqrt(dead M) < dead M
//   hot       N - sigmas sqrt(hot M) > hot M
//   unstable  D = sum_v (x_v - f_v mu)^2 / (f_v mu) above its median around by more than `sigmas` of the chi^2 distribution of
//             views - 1 degrees (Wilson and Hilferty, 1931); asked of bins with 5 counts a view, from 8 views on.
// Counts that are not numbers are dead. Every pixel with less than a thousandth of the detector's median is dead.
Array<Fault, 2> find_faults(const AirStatistics& air, const FaultLimits& limits, Array<Fault, 2> known);

}  // namespace counterflow
