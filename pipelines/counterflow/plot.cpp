#include "pipelines/counterflow/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/error.h"

namespace counterflow {
namespace {

constexpr Color kPaper{1, 1, 1}, kInk{0.13, 0.15, 0.18}, kFaint{0.9, 0.91, 0.93}, kSoft{0.42, 0.45, 0.5};
// Told apart in print and by the colour-blind (Okabe and Ito, 2008).
constexpr Color kCurves[] = {{0.0, 0.447, 0.698}, {0.835, 0.369, 0.0}, {0.0, 0.62, 0.451},
                             {0.8, 0.475, 0.655}, {0.902, 0.624, 0.0}, {0.337, 0.706, 0.914}};
constexpr double kText = 10, kTitle = 13;

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
  void add(double v) {
    if (!std::isfinite(v)) return;
    low = std::min(low, v);
    high = std::max(high, v);
  }
  // Never empty, with a little air on both sides.
  Range widened(double part) const {
    if (!(low <= high)) return {0, 1};
    const double air = high > low ? part * (high - low) : std::max(0.5 * std::abs(low), 0.5);
    return {low - air, high + air};
  }
};

double step_of(double span, int count) {
  const double raw = span / count;
  const double base = round_below(raw);
  const double lead = base / std::pow(10, std::floor(std::log10(base) + 1e-9));
  const double next = lead > 1.5 && lead < 3 ? 2.5 * base : 2 * base;
  return raw - base > next - raw ? next : base;
}

}  // namespace

double round_below(double value) {
  const double power = std::pow(10, std::floor(std::log10(value) + 1e-9));
  const double lead = value / power + 1e-9;
  return (lead >= 5 ? 5 : lead >= 2 ? 2 : 1) * power;
}

std::vector<double> ticks(double low, double high, int count) {
  std::vector<double> out;
  if (!(high > low)) return {low};
  const double step = step_of(high - low, count);
  const double slack = 1e-6 * step;
  for (double k = std::ceil((low - slack) / step); k * step <= high + slack; ++k) out.push_back(k == 0 ? 0 : k * step);
  return out;
}

std::string tick_text(double value, double step) {
  if (std::abs(value) >= 1e6 || (value != 0 && std::abs(value) < 1e-5)) return fmt::format("{:.3g}", value);
  const int places = std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-6)), 0, 8);
  return fmt::format("{:.{}f}", value, places);
}

// Where the axes stand [pixel] and what they span.
struct Plot::Frame {
  double left, right, top, bottom;
  Range x, y;
  double column(double v) const { return left + (v - x.low) / (x.high - x.low) * (right - left); }
  double row(double v) const { return bottom - (v - y.low) / (y.high - y.low) * (bottom - top); }
};

Plot::Plot(std::string title, std::string x_label, std::string y_label)
    : title_(std::move(title)), x_label_(std::move(x_label)), y_label_(std::move(y_label)) {}

Plot& Plot::add(Curve curve) {
  if (curve.x.size() != curve.y.size())
    throw DataError("plot: curve '" + curve.name + "' has " + std::to_string(curve.x.size()) + " abscissas and " +
                    std::to_string(curve.y.size()) + " values; they belong in pairs");
  curves_.push_back(std::move(curve));
  return *this;
}

Plot& Plot::logarithmic_y() {
  logarithmic_ = true;
  return *this;
}

double Plot::value(double y) const {
  if (!logarithmic_) return y;
  return y > 0 ? std::log10(y) : std::numeric_limits<double>::quiet_NaN();
}

Plot::Frame Plot::frame(std::size_t width, std::size_t height) const {
  Range x, y;
  for (const Curve& curve : curves_)
    for (std::size_t k = 0; k < curve.x.size(); ++k) {
      x.add(curve.x[k]);
      y.add(value(curve.y[k]));
    }
  return {88,
          static_cast<double>(width) - 26,
          title_.empty() ? 24.0 : 50.0,
          static_cast<double>(height) - 62,
          x.widened(0),
          y.widened(0.06)};
}

void Plot::draw_axes(Picture& picture, const Frame& f) const {
  const auto line = [&](Point a, Point b, double width, Color color) { picture.stroke(std::vector<Point>{a, b}, width, color); };
  const std::vector<double> xs = ticks(f.x.low, f.x.high, 8);
  std::vector<double> ys = ticks(f.y.low, f.y.high, 6);
  if (logarithmic_ && f.y.high - f.y.low > 2) std::erase_if(ys, [](double v) { return v != std::round(v); });  // whole decades
  const double x_step = xs.size() > 1 ? xs[1] - xs[0] : 1, y_step = ys.size() > 1 ? ys[1] - ys[0] : 1;
  for (double v : xs) {
    line({f.column(v), f.top}, {f.column(v), f.bottom}, 1, kFaint);
    draw_text(picture, {f.column(v), f.bottom + 20}, tick_text(v, x_step), kText, kSoft, Align::center);
  }
  for (double v : ys) {
    line({f.left, f.row(v)}, {f.right, f.row(v)}, 1, kFaint);
    const std::string text = logarithmic_ ? fmt::format("{:.3g}", std::pow(10, v)) : tick_text(v, y_step);
    draw_text(picture, {f.left - 9, f.row(v) + kText / 2}, text, kText, kSoft, Align::right);
  }
  picture.stroke(std::vector<Point>{{f.left, f.top}, {f.left, f.bottom}, {f.right, f.bottom}}, 1.4, kInk);
  draw_text(picture, {(f.left + f.right) / 2, f.bottom + 46}, x_label_, kText, kInk, Align::center);
  draw_text(picture, {24, (f.top + f.bottom) / 2}, y_label_, kText, kInk, Align::center, Direction::up);
  draw_text(picture, {f.left, 30}, title_, kTitle, kInk);
}

void Plot::draw_curves(Picture& picture, const Frame& f) const {
  double legend = f.right;
  for (std::size_t k = curves_.size(); k-- > 0;) {
    const Color color = kCurves[k % std::size(kCurves)];
    std::vector<Point> points;
    for (std::size_t i = 0; i < curves_[k].x.size(); ++i)
      points.push_back({f.column(curves_[k].x[i]), f.row(value(curves_[k].y[i]))});
    picture.stroke(points, 2, color);
    if (curves_[k].name.empty()) continue;
    legend -= text_width(curves_[k].name, kText);
    draw_text(picture, {legend, f.top - 10}, curves_[k].name, kText, kInk);
    picture.stroke(std::vector<Point>{{legend - 28, f.top - 15}, {legend - 8, f.top - 15}}, 3, color);
    legend -= 46;
  }
}

Picture Plot::draw(std::size_t width, std::size_t height) const {
  Picture picture(width, height, kPaper);
  const Frame f = frame(width, height);
  draw_axes(picture, f);
  draw_curves(picture, f);
  return picture;
}

}  // namespace counterflow
