#include "gadgets/bad_pixels/air_statistics.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/parallel.h"

namespace counterflow {
namespace {

constexpr std::size_t kReach = 4;       // a pixel's surroundings: rows and columns to each side
constexpr std::size_t kFewest = 9;      // good pixels that make a median; the surroundings grow until they hold them
constexpr double kNothing = 1e-3;       // of the detector's median
constexpr double kLeastCounts = 5;      // in a bin of an air view, for its dispersion to follow chi^2
constexpr std::size_t kLeastViews = 8;  // for the dispersion
constexpr double kLeastScale = 0.25;    // of the dispersion around, relative to Poisson's: expected counts have none

double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Mean without the lowest and the highest tenth.
double trimmed_mean(std::vector<double>& values) {
  const auto cut = static_cast<std::ptrdiff_t>(values.size() / 10);
  std::nth_element(values.begin(), values.begin() + cut, values.end());
  std::nth_element(values.begin() + cut, values.end() - cut - 1, values.end());
  double sum = 0;
  for (auto v = values.begin() + cut; v != values.end() - cut; ++v) sum += *v;
  return sum / static_cast<double>(values.end() - values.begin() - 2 * cut);
}

// Median of values(row, column) over the pixels without fault around (row, column).
template <class Values>
double median_around(const Array<Fault, 2>& faults, std::size_t row, std::size_t column, std::vector<double>& scratch,
                     const Values& values) {
  const auto [rows, columns] = faults.shape();
  for (std::size_t reach = kReach;; reach *= 2) {
    const std::size_t r0 = row - std::min(row, reach), r1 = std::min(rows, row + reach + 1);
    const std::size_t c0 = column - std::min(column, reach), c1 = std::min(columns, column + reach + 1);
    scratch.clear();
    for (std::size_t r = r0; r < r1; ++r)
      for (std::size_t c = c0; c < c1; ++c)
        if (faults(r, c) == Fault::none) scratch.push_back(values(r, c));
    const bool all = (r1 - r0) * (c1 - c0) == faults.size();
    if (scratch.size() >= kFewest || (all && !scratch.empty())) return median(scratch);
    if (all) return 0;
  }
}

// Pixels that count nothing would be their own surroundings where they stand in a block.
void mark_silent(const AirStatistics& air, Array<Fault, 2>& faults) {
  const std::size_t pixels = faults.size(), bins = air.sum.extent(0);
  std::vector<double> total(pixels, 0.0), good;
  for (std::size_t b = 0; b < bins; ++b)
    for (std::size_t p = 0; p < pixels; ++p) total[p] += air.sum[b * pixels + p];
  for (std::size_t p = 0; p < pixels; ++p)
    if (std::isfinite(total[p])) good.push_back(total[p]);
  const double limit = good.empty() ? 0 : kNothing * median(good);
  for (std::size_t p = 0; p < pixels; ++p)
    if (faults[p] == Fault::none && !(std::isfinite(total[p]) && total[p] > limit)) faults[p] = Fault::dead;
}

// Wilson and Hilferty: (chi^2 / n)^(1/3) is nearly normal with mean 1 - 2/(9n) and variance 2/(9n).
struct ChiSquare {
  double n, mean = 1 - 2 / (9 * n), sigma = std::sqrt(2 / (9 * n));
  double median() const { return n * mean * mean * mean; }
  double sigmas(double value) const { return (std::cbrt(value / n) - mean) / sigma; }
};

class Search {
 public:
  Search(const AirStatistics& air, const FaultLimits& limits, const Array<Fault, 2>& known)
      : air_(air), limits_(limits), known_(known) {}

  Fault fault_of(std::size_t row, std::size_t column, std::vector<double>& scratch) const {
    for (std::size_t b = 0; b < air_.sum.extent(0); ++b) {
      const double here = air_.sum(b, row, column);
      const double around = median_around(known_, row, column, scratch, [&](auto r, auto c) { return air_.sum(b, r, c); });
      const double low = limits_.dead * around, high = limits_.hot * around;
      if (here + limits_.sigmas * std::sqrt(low) < low) return Fault::dead;
      if (here - limits_.sigmas * std::sqrt(high) > high) return Fault::hot;
      if (is_unstable(b, row, column, scratch)) return Fault::unstable;
    }
    return Fault::none;
  }

 private:
  double dispersion(std::size_t bin, std::size_t row, std::size_t column) const {
    const double sum = air_.sum(bin, row, column);
    return sum > 0 ? air_.square(bin, row, column) * air_.level / sum - sum : 0;
  }

  bool is_unstable(std::size_t bin, std::size_t row, std::size_t column, std::vector<double>& scratch) const {
    if (air_.views < kLeastViews || air_.sum(bin, row, column) < kLeastCounts * static_cast<double>(air_.views)) return false;
    const ChiSquare chi{static_cast<double>(air_.views - 1)};
    const double here = dispersion(bin, row, column);
    if (chi.sigmas(here / kLeastScale) <= limits_.sigmas) return false;  // saves most medians
    const double around = median_around(known_, row, column, scratch, [&](auto r, auto c) { return dispersion(bin, r, c); });
    return chi.sigmas(here / std::max(around / chi.median(), kLeastScale)) > limits_.sigmas;
  }

  const AirStatistics& air_;
  const FaultLimits& limits_;
  const Array<Fault, 2>& known_;
};

}  // namespace

const char* fault_name(Fault fault) {
  constexpr const char* names[] = {"good", "listed", "dead", "hot", "unstable"};
  return names[static_cast<std::size_t>(fault)];
}

template <class Real>
void AirStatistics::add(const Array<Real, 3>& counts) {
  if (sum.empty()) sum = square = Array<double, 3>(counts.shape());
  const std::size_t pixels = counts.extent(1) * counts.extent(2);
  std::vector<double> total(pixels, 0.0);
  for (std::size_t i = 0; i < counts.size(); ++i)
    if (std::isfinite(counts[i])) total[i % pixels] += static_cast<double>(counts[i]);
  const double f = trimmed_mean(total);
  if (!(f > 0)) throw DataError("BadPixels: an air view counts nothing in most pixels: leave it out of the scan");
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double x = static_cast<double>(counts[i]);
    sum[i] += x;
    square[i] += x * x / f;
  }
  level += f;
  ++views;
}

template void AirStatistics::add(const Array<float, 3>&);
template void AirStatistics::add(const Array<double, 3>&);

Array<Fault, 2> find_faults(const AirStatistics& air, const FaultLimits& limits, Array<Fault, 2> known) {
  if (air.views == 0) return known;
  mark_silent(air, known);
  Array<Fault, 2> found = known;
  const Search search(air, limits, known);
  parallel_chunks(known.extent(0), 1, [&](std::size_t from, std::size_t to) {
    std::vector<double> scratch;
    for (std::size_t r = from; r < to; ++r)
      for (std::size_t c = 0; c < known.extent(1); ++c)
        if (known(r, c) == Fault::none) found(r, c) = search.fault_of(r, c, scratch);
  });
  return found;
}

}  // namespace counterflow
