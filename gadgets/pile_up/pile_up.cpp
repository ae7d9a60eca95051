#include "gadgets/pile_up/pile_up.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

#include "core/chebyshev.h"
#include "core/gadget/export.h"
#include "core/physics/counts_model.h"
#include "core/physics/detector_response.h"
#include "core/physics/pile_up_model.h"

namespace counterflow {
namespace {

constexpr double kNanosecond = 1e-9;  // [s]
constexpr std::size_t kDegrees = 20;  // of ln s_b over m tau

template <class Real>
double sum_over_bins(const Array<Real, 3>& x, std::size_t pixel) {
  const std::size_t pixels = x.extent(1) * x.extent(2);
  double sum = 0;
  for (std::size_t i = pixel; i < x.size(); i += pixels) sum += static_cast<double>(x[i]);
  return sum;
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
  v("spectrum", spectrum_, {.text = "whose distortion is undone: that of air, or none", .choices = {"air", "none"}});
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
  State state{view_time_, {}, std::make_shared<Tally>()};
  if (state.view_time == 0) {
    if (g.rotation_time == 0)
      throw ConfigError("PileUp: the scan's header does not say rotation_time_s: give the property view_time [s]");
    state.view_time = g.rotation_time / static_cast<double>(g.views_per_rotation);
  }
  if (spectrum_ == "air") state.shape = shape_of(header);
  return state;
}

// s_b(m tau) = the share of bin b in the true counts of air over its share in the recorded ones.
template <class Real>
Array<double, 2> PileUp<Real>::shape_of(const ScanHeader& header) const {
  SpectralSystem system = header.system;
  if (system.thresholds.empty())
    throw ConfigError("PileUp: without thresholds nothing is known of the recorded spectrum: set spectrum to none");
  if (!system.bowtie.empty())
    throw ConfigError("PileUp: behind the bowtie '" + system.bowtie +
                      "' air has a spectrum of its own in each column: set spectrum to none");
  if (!system.response) prepare_response(system, {});
  constexpr double kStep = 1;  // [keV]
  const CountsModel model(system, {"water"}, kStep);
  const PileUpModel pile_up(system, model.energies(), kStep, system.thresholds.front(), system.thresholds.back());
  const auto total = [](const auto& v) { return std::accumulate(v.begin(), v.end(), 0.0); };
  std::vector<double> spectrum(pile_up.spectra().extent(0)), truth = model.nominal().total;
  for (std::size_t j = 0; j < spectrum.size(); ++j) spectrum[j] = total(pile_up.spectra().block(j));
  Array<double, 2> shape({truth.size(), kDegrees});
  for (std::size_t k = 0; k < kDegrees; ++k) {
    const double loss = largest_loss_ * (1 + chebyshev_node(k, kDegrees)) / 2;
    std::vector<double> recorded = truth;
    pile_up.record(spectrum, system.thresholds, loss / (1 - loss) / total(truth), recorded);
    for (std::size_t b = 0; b < truth.size(); ++b)
      for (std::size_t j = 0; j < kDegrees; ++j)
        shape(b, j) += chebyshev_weight(j, k, kDegrees) * std::log(truth[b] / total(truth) * total(recorded) / recorded[b]);
  }
  return shape;
}

// What each bin is multiplied by, and its derivative in m tau.
template <class Real>
struct PileUp<Real>::Factors {
  explicit Factors(std::size_t bins) : value(bins), slope(bins) {}
  std::vector<double> value, slope;
  bool saturated = false;
};

template <class Real>
void PileUp<Real>::factors_at(const State& state, double loss, Factors& f) const {
  f.saturated = !(loss <= largest_loss_);
  if (f.saturated) loss = largest_loss_;
  const double gain = 1 / (1 - loss), per_loss = 2 / largest_loss_;
  for (std::size_t b = 0; b < f.value.size(); ++b) {
    double log_shape = 0, slope = 0;
    if (!state.shape.empty()) std::tie(log_shape, slope) = chebyshev_with_slope(state.shape.block(b), per_loss * loss - 1);
    f.value[b] = gain * std::exp(log_shape);
    f.slope[b] = f.saturated ? 0 : f.value[b] * (gain + per_loss * slope);
  }
}

template <class Real>
Footprint PileUp<Real>::footprint(const ScanHeader& header) const {
  const ScanGeometry& g = header.geometry;
  return {.message = Array<Real, 3>::size_of({header.bins(), g.rows, g.columns}) * sizeof(Real),
          .state = sizeof(Tally) + kDegrees * header.bins() * sizeof(double)};
}

template <class Real>
auto PileUp<Real>::forward(const Params& p, const State& state, const In& x) const -> Out {
  check(x);
  Out y = x;
  const std::size_t bins = x.counts.extent(0), pixels = x.counts.extent(1) * x.counts.extent(2);
  std::uint64_t saturated = 0;
  Factors f(bins);
  for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
    const double tau = kNanosecond * static_cast<double>(p.dead_time[by_pixel_ ? pixel : 0]);
    factors_at(state, sum_over_bins(x.counts, pixel) * tau / state.view_time, f);
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

// y_b = x_b F_b(m tau): x_bar_b = F_b y_bar_b + tau/t S with S = sum_b F'_b x_b y_bar_b (background included).
template <class Real>
auto PileUp<Real>::adjoint(const Params& p, const State& state, const In& x, const Out&, const Out& y_bar, Params& p_bar) const
    -> In {
  In x_bar = y_bar;
  const std::size_t bins = x.counts.extent(0), pixels = x.counts.extent(1) * x.counts.extent(2);
  const bool background = !x.background.empty() && !y_bar.background.empty();
  Factors f(bins);
  for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
    const std::size_t own = by_pixel_ ? pixel : 0;
    const double rate = sum_over_bins(x.counts, pixel) / state.view_time;
    const double tau = kNanosecond * static_cast<double>(p.dead_time[own]);
    factors_at(state, rate * tau, f);
    double sum = 0;
    for (std::size_t b = 0, i = pixel; b < bins; ++b, i += pixels) {
      sum += f.slope[b] * static_cast<double>(x.counts[i]) * static_cast<double>(y_bar.counts[i]);
      if (background) sum += f.slope[b] * static_cast<double>(x.background[i]) * static_cast<double>(y_bar.background[i]);
    }
    const Real all = static_cast<Real>(tau / state.view_time * sum);
    for (std::size_t b = 0, i = pixel; b < bins; ++b, i += pixels) {
      x_bar.counts[i] = static_cast<Real>(f.value[b]) * y_bar.counts[i] + all;
      if (background) x_bar.background[i] = static_cast<Real>(f.value[b]) * y_bar.background[i];
    }
    p_bar.dead_time[own] += static_cast<Real>(rate * kNanosecond * sum);
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
