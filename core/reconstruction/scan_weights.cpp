#include "core/reconstruction/scan_weights.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/text.h"

namespace counterflow::fbp {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr double kCmInMm = 10;

double sin2(double x) { return std::sin(x) * std::sin(x); }
std::string degrees(double angle) { return number_text(std::round(angle * 180 / kPi * 1000) / 1000) + " degrees"; }

double largest_fan_angle(const ScanGeometry& g) {
  return std::max(std::abs(g.fan_angle(0)), std::abs(g.fan_angle(static_cast<double>(g.columns) - 1)));
}

}  // namespace

Redundancy::Redundancy(const ScanGeometry& g) : range_(static_cast<double>(g.views) * std::abs(g.angle_step)) {
  const double slack = std::abs(g.angle_step) / 2;
  const double period = g.beam == Beam::parallel ? kPi : 2 * kPi;
  const double needed = kPi + 2 * largest_fan_angle(g);
  if (range_ < needed - 2 * slack)
    throw ConfigError("expected views over at least " + degrees(needed) + " (180 + the fan), got " + std::to_string(g.views) +
                      " views over " + degrees(range_) + "; scan further, or crop the detector");
  periods_ = std::floor((range_ + slack) / period);
  excess_ = range_ - periods_ * period;
  if (std::abs(excess_) <= slack) excess_ = 0;
  if (periods_ > 0) share_ = kPi / (period * periods_);
  half_fan_ = (range_ - kPi) / 2;
}

double Redundancy::operator()(double alpha, double g) const {
  const double left = std::max(alpha, 0.0), right = std::max(range_ - alpha, 0.0);
  if (uniform()) return share_;
  if (periods_ > 0) return share_ * sin2(kPi / 2 * std::min(1.0, std::min(left, right) / excess_));
  // Twice measured: the lines of alpha < 2 (D - g) at the start meet those of range - alpha < 2 (D + g) at the end.
  if (left < 2 * (half_fan_ - g)) return sin2(kPi / 4 * left / (half_fan_ - g));
  if (right < 2 * (half_fan_ + g)) return sin2(kPi / 4 * right / (half_fan_ + g));
  return 1;
}

ScanWeights::ScanWeights(const ScanGeometry& g)
    : redundancy_(g), first_angle_(g.first_angle), step_(g.angle_step), fan_angle_(g.columns), column_weight_(g.columns) {
  for (std::size_t k = 0; k < g.columns; ++k) {
    fan_angle_[k] = g.fan_angle(static_cast<double>(k));
    double w = kCmInMm * std::abs(step_) * std::cos(fan_angle_[k]) / g.column_pitch;  // parallel: cos 0
    if (g.is_arc()) w *= g.source_to_isocenter * g.source_to_detector;
    else if (g.beam != Beam::parallel) w *= g.source_to_detector / g.source_to_isocenter;
    column_weight_[k] = w;
  }
}

void ScanWeights::of_view(double angle, std::span<double> weights) const {
  const double sense = step_ > 0 ? 1 : -1, step = std::abs(step_);
  const double alpha = sense * (angle - first_angle_) + step / 2;
  const bool inside = alpha > -step && alpha < redundancy_.range() + step;
  if (!std::isfinite(angle) || (!redundancy_.uniform() && !inside))
    throw DataError("expected a view between " + number_text(first_angle_) + " and " +
                    number_text(first_angle_ + sense * redundancy_.range()) + " rad, got one at " + number_text(angle) +
                    "; first_angle_rad and angle_step_rad of the header must describe the scan");
  for (std::size_t k = 0; k < weights.size(); ++k) weights[k] = column_weight_[k] * redundancy_(alpha, sense * fan_angle_[k]);
}

}  // namespace counterflow::fbp
