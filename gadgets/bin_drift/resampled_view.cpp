#include "gadgets/bin_drift/resampled_view.h"

#include <algorithm>

namespace counterflow {

// Moves of all thresholds and their derivatives in the shifts, in the shape of the shifts.
template <class Real>
struct ViewResampler<Real>::Moves {
  Moves(const EnergyScale& scale, const Array<Real, 3>& shift) : value(shift.shape()), slope(shift.shape()) {
    const std::size_t places = shift.size() / shift.extent(0);
    for (std::size_t i = 0; i < shift.size(); ++i) {
      const auto move = scale.move(i / places, static_cast<double>(shift[i]));
      value[i] = static_cast<Real>(move.value);
      slope[i] = move.slope;
    }
  }
  Array<Real, 3> value;
  Array<double, 3> slope;
};

// Some pixels side by side of one row. Buffers are [bin or threshold + 1, kPixels].
template <class Real>
struct ViewResampler<Real>::Patch {
  static constexpr std::size_t kPixels = Resampling<Real>::kPixels;
  explicit Patch(std::size_t bins)
      : move((bins + 1) * kPixels),
        move_bar(move),
        open(bins * kPixels),
        gain(open),
        bars(open),
        values(open),
        open_bars(open),
        work(bins) {}
  BinRows<Real> rows(std::vector<Real>& buffer) const { return {buffer.data(), kPixels}; }
  BinRows<const Real> rows_of(const Array<Real, 3>& of) const { return {of.data() + at, of.extent(1) * of.extent(2)}; }
  BinRows<Real> rows_of(Array<Real, 3>& of) const { return {of.data() + at, of.extent(1) * of.extent(2)}; }

  std::size_t row = 0, first = 0, n = 0, at = 0;  // at: of the first pixel in a plane of pixels
  std::vector<Real> move, move_bar;
  std::vector<Real> open, gain;               // R(o) and o / R(o), where the air scan was shifted
  std::vector<Real> bars, values, open_bars;  // of the adjoint
  typename Resampling<Real>::Work work;
};

template <class Real>
ViewResampler<Real>::ViewResampler(EnergyScale scale, bool keep_total, bool air_shifted)
    : scale_(std::move(scale)), resampling_(scale_.nominal(), keep_total), air_shifted_(air_shifted) {}

// body(patch, index) with the moves, and the gain where there is one, in place; index(threshold, pixel) finds a pixel's shift.
template <class Real>
void ViewResampler<Real>::each_patch(const Counts<Real>& x, const Moves& moves, const std::vector<std::size_t>& place,
                                     auto&& body) const {
  const auto [bins, rows, columns] = x.counts.shape();
  const auto [thresholds, shift_rows, places] = moves.value.shape();
  constexpr std::size_t kPixels = Patch::kPixels;
  Patch patch(bins);
  for (patch.row = 0; patch.row < rows; ++patch.row)
    for (patch.first = 0; patch.first < columns; patch.first += patch.n) {
      patch.n = std::min(kPixels, columns - patch.first);
      patch.at = patch.row * columns + patch.first;
      const auto index = [&, shift_row = shift_rows == 1 ? 0 : patch.row, all = shift_rows, width = places](
                             std::size_t k, std::size_t i) { return (k * all + shift_row) * width + place[patch.first + i]; };
      for (std::size_t k = 0; k < bins; ++k)
        for (std::size_t i = 0; i < patch.n; ++i) patch.move[k * kPixels + i] = moves.value[index(k, i)];
      if (air_shifted_) {
        const auto recorded = patch.rows_of(*x.open_beam);
        resampling_.forward(patch.n, recorded, patch.move.data(), patch.rows(patch.open), patch.work);
        for (std::size_t b = 0; b < bins; ++b)
          for (std::size_t i = 0; i < patch.n; ++i) {
            const Real open = patch.open[b * kPixels + i];
            patch.gain[b * kPixels + i] = open > 0 ? recorded[b][i] / open : Real(1);
          }
      }
      body(patch, index);
    }
}

template <class Real>
void ViewResampler<Real>::forward(const Counts<Real>& x, const Array<Real, 3>& shift, const std::vector<std::size_t>& place,
                                  Counts<Real>& y) const {
  const auto resample = [&](Patch& patch, const Array<Real, 3>& from, Array<Real, 3>& to) {
    if (from.empty()) return;
    const BinRows<Real> out = patch.rows_of(to);
    resampling_.forward(patch.n, patch.rows_of(from), patch.move.data(), out, patch.work);
    for (std::size_t b = 0; air_shifted_ && b < from.extent(0); ++b)
      for (std::size_t i = 0; i < patch.n; ++i) out[b][i] *= patch.gain[b * Patch::kPixels + i];
  };
  each_patch(x, Moves(scale_, shift), place, [&](Patch& patch, auto&&) {
    resample(patch, x.counts, y.counts);
    resample(patch, x.background, y.background);
  });
}

template <class Real>
Array<double, 3> ViewResampler<Real>::adjoint(const Counts<Real>& x, const Array<Real, 3>& shift,
                                              const std::vector<std::size_t>& place, const Counts<Real>& y_bar,
                                              Counts<Real>& x_bar) const {
  const Moves moves(scale_, shift);
  Array<double, 3> shift_bar(shift.shape());
  each_patch(x, moves, place, [&](Patch& patch, auto&& index) {
    adjoin_patch(x, y_bar, patch, x_bar);
    for (std::size_t k = 0; k < shift.extent(0); ++k)
      for (std::size_t i = 0; i < patch.n; ++i) {
        const std::size_t at = index(k, i);
        shift_bar[at] += moves.slope[at] * static_cast<double>(patch.move_bar[k * Patch::kPixels + i]);
      }
  });
  return shift_bar;
}

// With the gain g = o / R(o): R(x)_bar = g y_bar and R(o)_bar = -R(x) y_bar g / R(o).
template <class Real>
void ViewResampler<Real>::adjoin_patch(const Counts<Real>& x, const Counts<Real>& y_bar, Patch& patch,
                                       Counts<Real>& x_bar) const {
  const std::size_t bins = x.counts.extent(0);
  const Real* move = patch.move.data();
  std::fill(patch.move_bar.begin(), patch.move_bar.end(), Real(0));
  std::fill(patch.open_bars.begin(), patch.open_bars.end(), Real(0));
  const auto adjoin = [&](const Array<Real, 3>& from, const Array<Real, 3>& bar, Array<Real, 3>& from_bar) {
    if (from.empty() || bar.empty()) return;
    const auto given = patch.rows_of(bar);
    if (air_shifted_) resampling_.forward(patch.n, patch.rows_of(from), move, patch.rows(patch.values), patch.work);
    for (std::size_t b = 0; b < bins; ++b)
      for (std::size_t i = 0; i < patch.n; ++i) {
        const std::size_t at = b * Patch::kPixels + i;
        const Real gain = air_shifted_ ? patch.gain[at] : Real(1), open = air_shifted_ ? patch.open[at] : Real(0);
        patch.bars[at] = gain * given[b][i];
        if (open > 0) patch.open_bars[at] -= patch.values[at] * patch.bars[at] / open;
      }
    resampling_.adjoint(patch.n, patch.rows_of(from), move, {patch.bars.data(), Patch::kPixels}, patch.rows_of(from_bar),
                        patch.move_bar.data(), patch.work);
  };
  adjoin(x.counts, y_bar.counts, x_bar.counts);
  adjoin(x.background, y_bar.background, x_bar.background);
  if (air_shifted_)
    resampling_.adjoint(patch.n, patch.rows_of(*x.open_beam), move, {patch.open_bars.data(), Patch::kPixels},
                        patch.rows(patch.values), patch.move_bar.data(), patch.work);
}

template class ViewResampler<float>;
template class ViewResampler<double>;

}  // namespace counterflow
