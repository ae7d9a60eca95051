#include "gadgets/pile_up/pile_up.h"

#include <algorithm>
#include <cmath>

#include "core/gadget/export.h"

namespace counterflow {
namespace {

constexpr double kNanosecond = 1e-9;  // [s]

template <class Real>
double sum_over_bins(const Array<Real, 3>& x, std::size_t pixel) {
  const std::size_t pixels = x.extent(1) * x.extent(2);
  double sum = 0;
  for (std::size_t i = pixel; i < x.size(); i += pixels) sum += static_cast<double>(x[i]);
  return sum;
}

// 1 / (1 - m tau) of a pixel, and its derivative in m tau.
struct Factor {
  double value, slope;
  bool saturated;
};
Factor factor_of(double loss, double largest) {
  if (!(loss <= largest)) return {1 / (1 - largest), 0, true};
  const double value = 1 / (1 - loss);
  return {value, value * value, false};
}

template <class Real>
void check(const Counts<Real>& x) {
  if (x.open_beam)
    throw DataError(
        "PileUp stands behind a gadget that took the open beam from uncorrected counts: move it before AirCalibration");
  if (!x.background.empty() && x.background.shape() != x.counts.shape())
    throw DataError("PileUp: view " + std::to_string(x.view.index) + ": counts and background have different shapes");
}

}  // namespace

template <class Real>
void PileUp<Real>::describe(PropertyVisitor& v) {
  v("dead_time", dead_time_, {.unit = "ns", .text = "of a pixel after each count; must be given", .min = 0, .max = 1e6});
  v("view_time", view_time_,
    {.unit = "s", .text = "during which a view counts; 0: from the scan's header", .min = 0, .max = 1e4});
  v("by_pixel", by_pixel_, {.text = "whether each pixel learns a dead time of its own"});
  v("largest_loss", largest_loss_,
    {.unit = "1", .text = "largest m tau that is corrected; pixels above are scaled as at it", .min = 0.01, .max = 0.999});
}

template <class Real>
auto PileUp<Real>::initial(const ScanHeader& header) const -> Params {
  const std::size_t n = by_pixel_ ? header.geometry.rows * header.geometry.columns : 1;
  return {std::vector<Real>(n, static_cast<Real>(dead_time_))};
}

template <class Real>
auto PileUp<Real>::begin(const Params&, const ScanHeader& header) const -> State {
  if (!(dead_time_ > 0)) throw ConfigError("PileUp: expected a dead_time above 0 ns: it is a property of the detector");
  const ScanGeometry& g = header.geometry;
  State state{view_time_, std::make_shared<Tally>()};
  if (state.view_time == 0) {
    if (g.rotation_time == 0)
      throw ConfigError("PileUp: the scan's header does not say rotation_time_s: give the property view_time [s]");
    state.view_time = g.rotation_time / static_cast<double>(g.views_per_rotation);
  }
  return state;
}

template <class Real>
Footprint PileUp<Real>::footprint(const ScanHeader& header) const {
  const ScanGeometry& g = header.geometry;
  return {.message = Array<Real, 3>::size_of({header.bins(), g.rows, g.columns}) * sizeof(Real), .state = sizeof(Tally)};
}

template <class Real>
auto PileUp<Real>::forward(const Params& p, const State& state, const In& x) const -> Out {
  check(x);
  Out y = x;
  const std::size_t pixels = x.counts.extent(1) * x.counts.extent(2);
  std::uint64_t saturated = 0;
  for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
    const double tau = kNanosecond * static_cast<double>(p.dead_time[by_pixel_ ? pixel : 0]);
    const Factor f = factor_of(sum_over_bins(x.counts, pixel) * tau / state.view_time, largest_loss_);
    saturated += f.saturated;
    for (std::size_t i = pixel; i < x.counts.size(); i += pixels) {
      y.counts[i] *= static_cast<Real>(f.value);
      if (!y.background.empty()) y.background[i] *= static_cast<Real>(f.value);
    }
  }
  state.tally->pixels += pixels;
  state.tally->saturated += saturated;
  return y;
}

// y_b = x_b f(m): x_bar_b = f y_bar_b + f' dm/dx S with S = sum_b x_b y_bar_b (background included).
template <class Real>
auto PileUp<Real>::adjoint(const Params& p, const State& state, const In& x, const Out&, const Out& y_bar, Params& p_bar) const
    -> In {
  In x_bar = y_bar;
  const std::size_t pixels = x.counts.extent(1) * x.counts.extent(2);
  const bool background = !x.background.empty() && !y_bar.background.empty();
  for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
    const std::size_t own = by_pixel_ ? pixel : 0;
    const double rate = sum_over_bins(x.counts, pixel) / state.view_time;
    const double tau = kNanosecond * static_cast<double>(p.dead_time[own]);
    const Factor f = factor_of(rate * tau, largest_loss_);
    double sum = 0;
    for (std::size_t i = pixel; i < x.counts.size(); i += pixels) {
      sum += static_cast<double>(x.counts[i]) * static_cast<double>(y_bar.counts[i]);
      if (background) sum += static_cast<double>(x.background[i]) * static_cast<double>(y_bar.background[i]);
    }
    const Real all = static_cast<Real>(f.slope * tau / state.view_time * sum);
    for (std::size_t i = pixel; i < x.counts.size(); i += pixels) {
      x_bar.counts[i] = static_cast<Real>(f.value) * y_bar.counts[i] + all;
      if (background) x_bar.background[i] = static_cast<Real>(f.value) * y_bar.background[i];
    }
    p_bar.dead_time[own] += static_cast<Real>(f.slope * rate * kNanosecond * sum);
  }
  return x_bar;
}

template <class Real>
std::vector<Remark> PileUp<Real>::report(const State& state) const {
  if (state.tally->saturated == 0) return {};
  return {{"pixels of views with a dead time beyond largest_loss, scaled as at it", state.tally->saturated, state.tally->pixels}};
}

template class PileUp<float>;
template class PileUp<double>;

COUNTERFLOW_PLUGIN(COUNTERFLOW_GADGET(PileUp))

}  // namespace counterflow
