#include "gadgets/pile_up/pile_up.h"

#include <algorithm>
#include <array>
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

template <class Real>
void check(const Counts<Real>& x, const std::array<std::size_t, 3>& expected) {
  const auto text = [](const std::array<std::size_t, 3>& s) {
    return std::to_string(s[0]) + " bins, " + std::to_string(s[1]) + " rows, " + std::to_string(s[2]) + " columns";
  };
  if (x.counts.shape() != expected)
    throw DataError("PileUp: view " + std::to_string(x.view.index) + ": expected " + text(expected) + " as in the header, got " +
                    text(x.counts.shape()));
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
  v("spectrum", spectrum_,
    {.text = "whose distortion is undone: that behind as much water as lets as much through, or none",
     .choices = {"water", "none"}});
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
  State state{view_time_, {header.bins(), g.rows, g.columns}, {}, {}, false, 0, std::make_shared<Tally>()};
  if (state.view_time == 0) {
    if (g.rotation_time == 0)
      throw ConfigError("PileUp: the scan's header does not say rotation_time_s: give the property view_time [s]");
    state.view_time = g.rotation_time / static_cast<double>(g.views_per_rotation);
  }
  if (spectrum_ == "none") return state;
  state.shape = PulseShape(header, largest_loss_);
  state.open.assign(g.rows * g.columns, 0.0);
  if (header.system.open_beam_counts) {
    std::ranges::fill(state.open, *header.system.open_beam_counts);
    state.open_is_true = true;
  }
  return state;
}

template <class Real>
void PileUp<Real>::calibrate(State& state, const In& air) const {
  if (state.shape.empty()) return;
  if (state.exposure == 0) std::ranges::fill(state.open, 0.0);
  state.open_is_true = false;
  state.exposure += air.view.exposure;
  check(air, state.shape_of_counts);
  for (std::size_t p = 0; p < state.open.size(); ++p) state.open[p] += sum_over_bins(air.counts, p);
}

template <class Real>
void PileUp<Real>::calibrated(State& state) const {
  if (state.exposure == 0) return;
  for (double& v : state.open) v /= state.exposure;
  state.exposure = 0;
}

// What each bin is multiplied by, F_b, and its derivatives in the recorded counts and in tau [s].
template <class Real>
struct PileUp<Real>::Factors {
  explicit Factors(std::size_t bins) : value(bins), by_counts(bins), by_tau(bins), shape(bins) {}
  std::vector<double> value, by_counts, by_tau;
  PulseShape::Values shape;
  bool saturated = false;
};

// With M counts in the view time t: loss = M tau/t, true counts M/(1 - loss), and the same of the open beam.
template <class Real>
void PileUp<Real>::factors_at(const State& state, const In& x, std::size_t pixel, double tau, Factors& f) const {
  const double counts = sum_over_bins(x.counts, pixel), k = 1 / state.view_time;
  double loss = counts * tau * k;
  f.saturated = !(loss <= largest_loss_);
  if (f.saturated) loss = largest_loss_;
  const double gain = 1 / (1 - loss);
  double log_transmission = 0, by_counts = 0, by_tau = 0;
  const bool shaped = !state.shape.empty();
  if (shaped && !f.saturated && counts > 0 && state.open[pixel] > 0) {
    const double open = state.open[pixel];
    const double open_loss = state.open_is_true ? 0 : open * tau * k;
    const double open_gain = open_loss <= largest_loss_ ? 1 / (1 - open_loss) : 1 / (1 - largest_loss_);
    log_transmission = std::log(counts * gain / (open * open_gain * x.view.exposure));
    by_counts = 1 / counts + tau * k * gain;
    by_tau = counts * k * gain - (open_loss > 0 && open_loss <= largest_loss_ ? open * k * open_gain : 0);
    if (!state.shape.bowtie().empty() && !state.open_is_true) log_transmission += state.shape.bowtie()[pixel];
  }
  if (shaped) state.shape.at(loss, log_transmission, f.shape);
  for (std::size_t b = 0; b < f.value.size(); ++b) {
    f.value[b] = gain * (shaped ? std::exp(f.shape.log_shape[b]) : 1);
    const double by_loss = gain + f.shape.by_loss[b], by_transmission = f.shape.by_transmission[b];
    f.by_counts[b] = f.saturated ? 0 : f.value[b] * (tau * k * by_loss + by_transmission * by_counts);
    f.by_tau[b] = f.saturated ? 0 : f.value[b] * (counts * k * by_loss + by_transmission * by_tau);
  }
}

template <class Real>
Footprint PileUp<Real>::footprint(const ScanHeader& header) const {
  const ScanGeometry& g = header.geometry;
  return {.message = Array<Real, 3>::size_of({header.bins(), g.rows, g.columns}) * sizeof(Real),
          .state = 2 * g.rows * g.columns * sizeof(double)};
}

template <class Real>
auto PileUp<Real>::forward(const Params& p, const State& state, const In& x) const -> Out {
  check(x, state.shape_of_counts);
  Out y = x;
  const std::size_t bins = x.counts.extent(0), pixels = x.counts.extent(1) * x.counts.extent(2);
  std::uint64_t saturated = 0;
  Factors f(bins);
  for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
    const double tau = kNanosecond * static_cast<double>(p.dead_time[by_pixel_ ? pixel : 0]);
    factors_at(state, x, pixel, tau, f);
    saturated += f.saturated;
    for (std::size_t b = 0, i = pixel; b < bins; ++b, i += pixels) {
      y.counts[i] *= static_cast<Real>(f.value[b]);
      if (!y.background.empty()) y.background[i] *= static_cast<Real>(f.value[b]);
    }
  }
  state.tally->pixels += pixels;
  state.tally->saturated += saturated;
  return y;
}

// y_b = x_b F_b(M, tau): x_bar_b = F_b y_bar_b + S with S = sum_c dF_c/dM x_c y_bar_c (background included).
template <class Real>
auto PileUp<Real>::adjoint(const Params& p, const State& state, const In& x, const Out&, const Out& y_bar, Params& p_bar) const
    -> In {
  In x_bar = y_bar;
  const std::size_t bins = x.counts.extent(0), pixels = x.counts.extent(1) * x.counts.extent(2);
  const bool background = !x.background.empty() && !y_bar.background.empty();
  Factors f(bins);
  for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
    const std::size_t own = by_pixel_ ? pixel : 0;
    factors_at(state, x, pixel, kNanosecond * static_cast<double>(p.dead_time[own]), f);
    double by_counts = 0, by_tau = 0;
    for (std::size_t b = 0, i = pixel; b < bins; ++b, i += pixels) {
      double term = static_cast<double>(x.counts[i]) * static_cast<double>(y_bar.counts[i]);
      if (background) term += static_cast<double>(x.background[i]) * static_cast<double>(y_bar.background[i]);
      by_counts += f.by_counts[b] * term;
      by_tau += f.by_tau[b] * term;
    }
    for (std::size_t b = 0, i = pixel; b < bins; ++b, i += pixels) {
      x_bar.counts[i] = static_cast<Real>(f.value[b] * static_cast<double>(y_bar.counts[i]) + by_counts);
      if (background) x_bar.background[i] = static_cast<Real>(f.value[b]) * y_bar.background[i];
    }
    p_bar.dead_time[own] += static_cast<Real>(kNanosecond * by_tau);
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
