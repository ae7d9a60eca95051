#include "pipelines/counterflow/import_center.h"

#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "core/error.h"
#include "core/parallel.h"
#include "core/text.h"

namespace counterflow {
namespace {

// Blurred along the columns (sigma 1.5), so that interpolation between columns does not favour some fractions: where it averages
// two noisy values, they would agree better.
Array<float, 2> blurred(const Array<float, 2>& in) {
  constexpr int kReach = 5;
  double weight[kReach + 1], sum = 0;
  for (int k = 0; k <= kReach; ++k) sum += (k == 0 ? 1 : 2) * (weight[k] = std::exp(-k * k / (2 * 1.5 * 1.5)));
  Array<float, 2> out(in.shape());
  const auto columns = static_cast<int>(in.extent(1));
  parallel_chunks(in.extent(0), 16, [&](std::size_t begin, std::size_t end) {
    for (std::size_t v = begin; v < end; ++v)
      for (int c = 0; c < columns; ++c) {
        double value = 0;
        for (int k = -kReach; k <= kReach; ++k)
          value += weight[std::abs(k)] *
                   static_cast<double>(in(v, static_cast<std::size_t>(std::min(std::max(c + k, 0), columns - 1))));
        out(v, static_cast<std::size_t>(c)) = static_cast<float>(value / sum);
      }
  });
  return out;
}

struct Sums {
  double difference = 0, square = 0;
  std::size_t pairs = 0;
};

class Consistency {
 public:
  Consistency(Array<float, 2> sinogram, const ScanGeometry& geometry) : p_(std::move(sinogram)), g_(geometry) {
    turn_ = 2 * std::numbers::pi / std::abs(g_.angle_step);
    full_ = static_cast<double>(g_.views) >= turn_ - 0.5;
  }

  // The disagreement at an offset, from every `stride`-th view; infinite without opposite rays.
  double operator()(double offset, std::size_t stride) const {
    ScanGeometry g = g_;
    g.column_offset = offset;
    std::vector<double> turn(g.columns);  // from the view of a ray to that of its conjugate [view]
    for (std::size_t c = 0; c < g.columns; ++c)
      turn[c] = (std::numbers::pi + 2 * g.fan_angle(static_cast<double>(c))) / g.angle_step;
    const std::size_t views = (g.views + stride - 1) / stride;
    std::vector<Sums> parts(views);
    parallel_chunks(views, 8, [&](std::size_t begin, std::size_t end) {
      for (std::size_t k = begin; k < end; ++k) parts[k] = of_view(g, turn, k * stride);
    });
    Sums sums;
    for (const Sums& part : parts) {
      sums.difference += part.difference;
      sums.square += part.square;
      sums.pairs += part.pairs;
    }
    return sums.pairs < g.columns / 2 - 2 ? std::numeric_limits<double>::infinity() : sums.difference / sums.square;
  }

 private:
  Sums of_view(const ScanGeometry& g, const std::vector<double>& turn, std::size_t view) const {
    Sums sums;
    const double middle = (static_cast<double>(g.columns) - 1) / 2 + g.column_offset;
    for (std::size_t c = 0; c < g.columns; ++c) {
      const double opposite = 2 * middle - static_cast<double>(c);
      double at = static_cast<double>(view) + turn[c];
      if (full_) at -= std::floor(at / turn_) * turn_;
      if (opposite < 0 || opposite > static_cast<double>(g.columns) - 1 || at < 0 || at > static_cast<double>(g.views)) continue;
      const double a = static_cast<double>(p_(view, c)), b = interpolated(at, opposite);
      sums.difference += (a - b) * (a - b);
      sums.square += a * a + b * b;
      ++sums.pairs;
    }
    return sums;
  }

  // Linear between views and columns; behind the last view comes the first of a full turn, else the last again.
  double interpolated(double view, double column) const {
    const std::size_t columns = p_.extent(1), views = p_.extent(0);
    const auto v = std::min(static_cast<std::size_t>(view), views - 1),
               c = std::min(static_cast<std::size_t>(column), columns - 2);
    const std::size_t next = v + 1 < views ? v + 1 : full_ ? 0 : v;
    const double fv = std::min(view - static_cast<double>(v), 1.0), fc = column - static_cast<double>(c);
    const auto at = [&](std::size_t i) {
      return (1 - fc) * static_cast<double>(p_(i, c)) + fc * static_cast<double>(p_(i, c + 1));
    };
    return (1 - fv) * at(v) + fv * at(next);
  }

  Array<float, 2> p_;
  ScanGeometry g_;
  double turn_ = 0;  // views of a full turn
  bool full_ = false;
};

// The best of offsets from `low` to `high` in steps.
double best(const Consistency& disagreement, double low, double high, double step, std::size_t stride) {
  double at = low, least = std::numeric_limits<double>::infinity();
  for (int k = 0; low + k * step <= high + 1e-9; ++k)
    if (const double d = disagreement(low + k * step, stride); d < least) {
      least = d;
      at = low + k * step;
    }
  return at;
}

}  // namespace

Center find_center(const Array<float, 2>& sinogram, const ScanGeometry& geometry) {
  if (geometry.columns < 8)
    throw DataError("finding the centre needs at least 8 columns, got " + std::to_string(geometry.columns));
  const Consistency disagreement(blurred(sinogram), geometry);
  const double range = static_cast<double>(geometry.columns) / 4;
  const std::size_t stride = std::max<std::size_t>(1, geometry.views / 120);
  const double coarse = best(disagreement, -std::floor(range), std::floor(range), 1, stride);
  if (!std::isfinite(disagreement(coarse, stride)))
    throw DataError(
        "the centre cannot be found: the views have no opposite rays; it needs more than half a turn. Give --column-offset");
  if (std::abs(coarse) >= std::floor(range))
    throw DataError("the centre cannot be found within a quarter of the columns; check the geometry, or give --column-offset");
  const double fine = best(disagreement, coarse - 1, coarse + 1, 0.125, 1);
  constexpr double kStep = 0.125;  // of the parabola through three values
  const double left = disagreement(fine - kStep, 1), middle = disagreement(fine, 1), right = disagreement(fine + kStep, 1);
  const double bend = left - 2 * middle + right;
  const double shift = bend > 0 && std::isfinite(bend) ? 0.5 * kStep * (left - right) / bend : 0;
  const double offset = fine + std::min(std::max(shift, -kStep), kStep);
  return {offset, disagreement(offset, 1)};
}

}  // namespace counterflow
