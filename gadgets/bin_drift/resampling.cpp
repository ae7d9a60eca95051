#include "gadgets/bin_drift/resampling.h"

#include <algorithm>

namespace counterflow {
namespace {

constexpr double kSteepest = 2. / 3;  // largest share of one neighbour, so that slopes stay below 3 densities

// Index of the bin below a threshold; of the lowest, any: nothing of it is used.
std::size_t below_of(std::size_t threshold) { return threshold == 0 ? 0 : threshold - 1; }

}  // namespace

template <class Real>
Resampling<Real>::Work::Work(std::size_t bins)
    : counts(bins * kPixels),
      inverse_width(bins * kPixels),
      density(bins * kPixels),
      slope((bins + 1) * kPixels),
      flux((bins + 1) * kPixels),
      y_bar(bins * kPixels),
      width_bar(bins * kPixels),
      density_bar(bins * kPixels),
      slope_bar((bins + 1) * kPixels) {}

template <class Real>
Resampling<Real>::Resampling(const std::vector<double>& nominal, bool keep_total) : keep_total_(keep_total) {
  for (std::size_t b = 0; b + 1 < nominal.size(); ++b) width_.push_back(static_cast<Real>(nominal[b + 1] - nominal[b]));
  share_.assign(width_.size(), Real(0));
  for (std::size_t k = 1; k < share_.size(); ++k)
    share_[k] = std::clamp(width_[k] / (width_[k - 1] + width_[k]), Real(1 - kSteepest), Real(kSteepest));
}

// Densities of the bins and slopes at the thresholds.
template <class Real>
void Resampling<Real>::spectrum(std::size_t n, BinRows<const Real> x, const Real* move, Work& w) const {
  constexpr Real kTiny = Real(1e-30);  // keeps 0 / 0 out; next to any count it is nothing
  const std::size_t bins = this->bins();
  for (std::size_t b = 0; b < bins; ++b) {
    const auto counts = row(w.counts, b), inverse = row(w.inverse_width, b), density = row(w.density, b);
    const auto lower = move + b * kPixels, upper = lower + kPixels;
    const Real width = width_[b];
    std::copy_n(x[b], n, counts);
#pragma omp simd
    for (std::size_t i = 0; i < kPixels; ++i) {
      inverse[i] = 1 / (width + upper[i] - lower[i]);
      density[i] = (counts[i] > 0 ? counts[i] : Real(0)) * inverse[i] + kTiny;
    }
  }
  std::copy_n(row(w.density, 0), kPixels, row(w.slope, 0));
  std::copy_n(row(w.density, bins - 1), kPixels, row(w.slope, bins));
  for (std::size_t k = 1; k < bins; ++k) {
    const auto p = row(w.density, k - 1), q = row(w.density, k), slope = row(w.slope, k);
    const Real a = share_[k];
#pragma omp simd
    for (std::size_t i = 0; i < kPixels; ++i) slope[i] = 1 / (a / p[i] + (1 - a) / q[i]);
  }
}

template <class Real>
void Resampling<Real>::forward(std::size_t n, BinRows<const Real> x, const Real* move, BinRows<Real> y, Work& w) const {
  const std::size_t bins = this->bins();
  spectrum(n, x, move, w);
  for (std::size_t k = 0; k < bins; ++k) {
    const std::size_t below = below_of(k);
    const auto s = move + k * kPixels;
    const auto d = row(w.slope, k), f_below = row(w.slope, below), f_above = row(w.slope, k + 1);
    const auto mean_below = row(w.density, below), mean_above = row(w.density, k), flux = row(w.flux, k);
    const auto inverse_below = row(w.inverse_width, below), inverse_above = row(w.inverse_width, k);
    const Real inside = k == 0 ? Real(0) : Real(1), passes = k == 0 && keep_total_ ? Real(0) : Real(1);
#pragma omp simd
    for (std::size_t i = 0; i < kPixels; ++i) {
      const bool up = s[i] > 0;  // then the nominal threshold lies in the bin below
      const Real f = up ? f_below[i] : f_above[i], mean = up ? mean_below[i] : mean_above[i];
      const Real t = up ? inside * s[i] * inverse_below[i] : -s[i] * inverse_above[i];
      flux[i] = passes * s[i] * (d[i] + t * (3 * mean - 2 * d[i] - f + t * (d[i] + f - 2 * mean)));
    }
  }
  for (std::size_t b = 0; b < bins; ++b) {
    const auto from = row(w.counts, b), in = row(w.flux, b), out = row(w.flux, b + 1), to = y[b];
#pragma omp simd
    for (std::size_t i = 0; i < n; ++i) {
      const Real moved = from[i] + in[i] - out[i];
      to[i] = moved < 0 && from[i] >= 0 ? Real(0) : moved;  // below 0 by rounding only
    }
  }
}

template <class Real>
void Resampling<Real>::adjoint(std::size_t n, BinRows<const Real> x, const Real* move, BinRows<const Real> y_bar,
                               BinRows<Real> x_bar, Real* move_bar, Work& w) const {
  const std::size_t bins = this->bins();
  spectrum(n, x, move, w);
  for (auto* bars : {&w.width_bar, &w.density_bar, &w.slope_bar}) std::fill(bars->begin(), bars->end(), Real(0));
  for (std::size_t b = 0; b < bins; ++b) std::copy_n(y_bar[b], n, row(w.y_bar, b));
  for (std::size_t k = 0; k < bins; ++k) adjoint_of_flux(k, move + k * kPixels, move_bar + k * kPixels, w);
  adjoint_of_slopes(w);
  for (std::size_t b = 0; b < bins; ++b) {
    const auto inverse = row(w.inverse_width, b), counts = row(w.counts, b), density_bar = row(w.density_bar, b);
    const auto width_bar = row(w.width_bar, b), direct = row(w.y_bar, b), to = x_bar[b];
    const auto lower = move_bar + b * kPixels, upper = lower + kPixels;
#pragma omp simd
    for (std::size_t i = 0; i < n; ++i) {
      const Real by_counts = counts[i] >= 0 ? density_bar[i] * inverse[i] : Real(0);
      const Real by_width = width_bar[i] - by_counts * counts[i] * inverse[i];
      to[i] = direct[i] + by_counts;
      lower[i] -= by_width;
      upper[i] += by_width;
    }
  }
}

// Of m = s [d + t (3 D - 2 d - f) + t^2 (d + f - 2 D)], t = |s| / h.
template <class Real>
void Resampling<Real>::adjoint_of_flux(std::size_t k, const Real* s, Real* s_bar, Work& w) const {
  const std::size_t below = below_of(k);
  const auto d = row(w.slope, k), f_below = row(w.slope, below), f_above = row(w.slope, k + 1);
  const auto mean_below = row(w.density, below), mean_above = row(w.density, k);
  const auto inverse_below = row(w.inverse_width, below), inverse_above = row(w.inverse_width, k);
  const auto gains = row(w.y_bar, k), loses = row(w.y_bar, below), d_bar = row(w.slope_bar, k);
  const auto f_below_bar = row(w.slope_bar, below), f_above_bar = row(w.slope_bar, k + 1);
  const auto mean_below_bar = row(w.density_bar, below), mean_above_bar = row(w.density_bar, k);
  const auto width_below_bar = row(w.width_bar, below), width_above_bar = row(w.width_bar, k);
  const Real inside = k == 0 ? Real(0) : Real(1), passes = k == 0 && keep_total_ ? Real(0) : Real(1);
#pragma omp simd
  for (std::size_t i = 0; i < kPixels; ++i) {
    const bool up = s[i] > 0;
    const Real f = up ? f_below[i] : f_above[i], mean = up ? mean_below[i] : mean_above[i];
    const Real inverse = up ? inside * inverse_below[i] : inverse_above[i], t = up ? s[i] * inverse : -s[i] * inverse;
    const Real bend = 3 * mean - 2 * d[i] - f, twist = d[i] + f - 2 * mean;
    const Real m_bar = passes * (gains[i] - inside * loses[i]), s_part = m_bar * s[i];
    const Real f_part = -s_part * t * (1 - t), mean_part = s_part * t * (3 - 2 * t);
    const Real width_part = -s_part * t * inverse * (bend + 2 * t * twist);
    const Real lower = up ? inside : Real(0), upper = up ? Real(0) : Real(1);
    s_bar[i] += m_bar * (d[i] + t * (2 * bend + 3 * t * twist));
    d_bar[i] += s_part * (1 - t) * (1 - t);
    f_below_bar[i] += lower * f_part;
    f_above_bar[i] += upper * f_part;
    mean_below_bar[i] += lower * mean_part;
    mean_above_bar[i] += upper * mean_part;
    width_below_bar[i] += lower * width_part;
    width_above_bar[i] += upper * width_part;
  }
}

template <class Real>
void Resampling<Real>::adjoint_of_slopes(Work& w) const {
  const std::size_t bins = this->bins();
  for (const auto& [bin, end] : {std::pair{std::size_t{0}, std::size_t{0}}, std::pair{bins - 1, bins}}) {
    const auto density_bar = row(w.density_bar, bin), slope_bar = row(w.slope_bar, end);
    for (std::size_t i = 0; i < kPixels; ++i) density_bar[i] += slope_bar[i];
  }
  for (std::size_t k = 1; k < bins; ++k) {
    const auto p = row(w.density, k - 1), q = row(w.density, k), slope = row(w.slope, k);
    const auto p_bar = row(w.density_bar, k - 1), q_bar = row(w.density_bar, k), slope_bar = row(w.slope_bar, k);
    const Real a = share_[k];
#pragma omp simd
    for (std::size_t i = 0; i < kPixels; ++i) {
      const Real to_p = slope[i] / p[i], to_q = slope[i] / q[i];
      p_bar[i] += slope_bar[i] * a * to_p * to_p;
      q_bar[i] += slope_bar[i] * (1 - a) * to_q * to_q;
    }
  }
}

template class Resampling<float>;
template class Resampling<double>;

}  // namespace counterflow
