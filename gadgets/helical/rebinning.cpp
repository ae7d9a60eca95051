#include "gadgets/helical/rebinning.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace counterflow::helical {
namespace {

// Keys' cubic (1981, a = -1/2) for the samples at -1, 0, 1, 2 around a place f in [0, 1).
std::array<double, kTaps> cubic(double f) {
  return {((-0.5 * f + 1) * f - 0.5) * f, (1.5 * f - 2.5) * f * f + 1, ((-1.5 * f + 2) * f + 0.5) * f, (0.5 * f - 0.5) * f * f};
}

template <class Real>
std::array<Real, kTaps> rounded(const std::array<double, kTaps>& weights) {
  std::array<Real, kTaps> out;
  std::ranges::transform(weights, out.begin(), [](double w) { return static_cast<Real>(w); });
  return out;
}

// Cosine of the angle between a ray and the plane.
double cone_cosine(const ScanGeometry& g, double row, double column) {
  const double z = (row - (static_cast<double>(g.rows) - 1) / 2 - g.row_offset) * g.row_pitch;
  const double reach = g.source_to_detector / (g.is_arc() ? 1 : std::cos(g.fan_angle(column)));
  return reach / std::hypot(reach, z);
}

}  // namespace

template <class Real>
Rebinning<Real>::Rebinning(const ScanGeometry& g)
    : views_(g.views),
      rows_(g.rows),
      fan_columns_(g.columns),
      radius_(g.source_to_isocenter),
      spacing_(g.column_pitch * g.source_to_isocenter / g.source_to_detector),
      ray_weight_({g.rows, g.columns}) {
  const double edge = static_cast<double>(g.columns) - 1;
  const double low = radius_ * std::sin(g.fan_angle(0)), high = radius_ * std::sin(g.fan_angle(edge));
  const auto n = static_cast<std::size_t>((high - low) / spacing_ + 1e-9) + 1;
  centre_ = (static_cast<double>(n) - 1) / 2 - (low + high) / 2 / spacing_;
  for (std::size_t i = 0; i < n; ++i) {
    const double fan = fan_angle(static_cast<double>(i)), turned = -fan / g.angle_step;
    const double along = (g.is_arc() ? fan : std::tan(fan)) * g.source_to_detector / g.column_pitch;
    const double at = std::clamp(along + edge / 2 + g.column_offset, 0.0, edge);
    shift_.push_back(static_cast<long>(std::floor(turned)));
    view_weight_.push_back(rounded<Real>(cubic(turned - std::floor(turned))));
    column_weight_.push_back(rounded<Real>(cubic(at - std::floor(at))));
    auto& taps = column_.emplace_back();
    for (std::size_t k = 0; k < kTaps; ++k)
      taps[k] = static_cast<std::size_t>(std::clamp(std::floor(at) - 1 + static_cast<double>(k), 0.0, edge));
  }
  least_ = *std::ranges::min_element(shift_), most_ = *std::ranges::max_element(shift_);
  for (std::size_t r = 0; r < g.rows; ++r)
    for (std::size_t k = 0; k < g.columns; ++k)
      ray_weight_(r, k) = static_cast<Real>(cone_cosine(g, static_cast<double>(r), static_cast<double>(k)));
  if (first() > last())
    throw ConfigError("expected views over at least the fan angle, got " + std::to_string(g.views) + " views; scan longer");
}

template <class Real>
double Rebinning<Real>::fan_angle(double column) const {
  return std::asin(std::clamp((column - centre_) * spacing_ / radius_, -1.0, 1.0));
}

template <class Real>
void Rebinning<Real>::interpolate(const Array<Real, 3>& view, Real* out) const {
  const std::size_t n = columns();
  std::vector<Real> weighted(fan_columns_);
  for (std::size_t s = 0; s < view.extent(0) * rows_; ++s, out += n) {
    const Real* from = view.data() + s * fan_columns_;
    const auto weight = ray_weight_.block(s % rows_);
    for (std::size_t k = 0; k < fan_columns_; ++k) weighted[k] = weight[k] * from[k];
    for (std::size_t i = 0; i < n; ++i) {
      Real sum = 0;
      for (std::size_t k = 0; k < kTaps; ++k) sum += column_weight_[i][k] * weighted[column_[i][k]];
      out[i] = sum;
    }
  }
}

template <class Real>
void Rebinning<Real>::transpose(const Real* bar, Array<Real, 3>& view_bar) const {
  const std::size_t n = columns();
  for (std::size_t s = 0; s < view_bar.extent(0) * rows_; ++s, bar += n) {
    Real* to = view_bar.data() + s * fan_columns_;
    const auto weight = ray_weight_.block(s % rows_);
    std::fill(to, to + fan_columns_, Real(0));
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t k = 0; k < kTaps; ++k) to[column_[i][k]] += column_weight_[i][k] * bar[i];
    for (std::size_t k = 0; k < fan_columns_; ++k) to[k] *= weight[k];
  }
}

template class Rebinning<float>;
template class Rebinning<double>;

}  // namespace counterflow::helical
