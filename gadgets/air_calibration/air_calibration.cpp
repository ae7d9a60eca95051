#include "gadgets/air_calibration/air_calibration.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "core/gadget/export.h"
#include "core/physics/counts_model.h"

namespace counterflow {
namespace {

using Shape = Array<double, 3>::Shape;

Shape shape_of(const ScanHeader& header) { return {header.bins(), header.geometry.rows, header.geometry.columns}; }

std::string text_of(const Shape& shape) {
  return std::to_string(shape[0]) + " bins, " + std::to_string(shape[1]) + " rows, " + std::to_string(shape[2]) + " columns";
}

void require_shape(const char* what, const View& view, const Shape& expected, const Shape& came) {
  if (came != expected)
    throw DataError("AirCalibration: " + std::string(what) + " " + std::to_string(view.index) + ": expected " +
                    text_of(expected) + " as in the header, got " + text_of(came));
}

// Counts of each bin without object where only their sum over the bins is known.
std::vector<double> shared_over_bins(const SpectralSystem& system, double counts) {
  if (!system.bowtie.empty())
    throw DataError(
        "AirCalibration: open_beam_counts is one number, but behind a bowtie each column has its own open beam; "
        "record air views");
  const std::vector<double> total = CountsModel(system, {"water"}).nominal().total;
  const double sum = std::accumulate(total.begin(), total.end(), 0.0);
  std::vector<double> open;
  for (double t : total) open.push_back(counts * t / sum);
  return open;
}

}  // namespace

template <class Real>
auto AirCalibration<Real>::begin(const Params&, const ScanHeader& header) const -> State {
  State state{Array<double, 3>(shape_of(header)), 0, nullptr};
  if (!header.system.open_beam_counts) return state;
  const std::vector<double> open = shared_over_bins(header.system, *header.system.open_beam_counts);
  auto open_beam = std::make_shared<Array<Real, 3>>(shape_of(header));
  for (std::size_t b = 0; b < open.size(); ++b) std::ranges::fill(open_beam->block(b), static_cast<Real>(open[b]));
  state.open_beam = std::move(open_beam);
  return state;
}

template <class Real>
Footprint AirCalibration<Real>::footprint(const ScanHeader& header) const {
  const std::size_t values = Array<double, 3>::size_of(shape_of(header));
  return {.message = values * sizeof(Real), .state = values * (sizeof(double) + sizeof(Real))};
}

template <class Real>
void AirCalibration<Real>::calibrate(State& state, const In& air) const {
  require_shape("air view", air.view, state.sum.shape(), air.counts.shape());
  if (!(air.view.exposure > 0))
    throw DataError("AirCalibration: air view " + std::to_string(air.view.index) + ": expected an exposure above 0, got " +
                    number_text(air.view.exposure));
  state.exposure += air.view.exposure;
  const bool has_background = !air.background.empty();
  for (std::size_t i = 0; i < state.sum.size(); ++i)
    state.sum[i] += static_cast<double>(air.counts[i]) - (has_background ? static_cast<double>(air.background[i]) : 0.0);
}

template <class Real>
void AirCalibration<Real>::calibrated(State& state) const {
  if (state.exposure == 0) return;
  auto open_beam = std::make_shared<Array<Real, 3>>(state.sum.shape());
  for (std::size_t i = 0; i < open_beam->size(); ++i) (*open_beam)[i] = static_cast<Real>(state.sum[i] / state.exposure);
  state.open_beam = std::move(open_beam);
}

template <class Real>
auto AirCalibration<Real>::forward(const Params&, const State& state, const In& x) const -> Out {
  require_shape("view", x.view, state.sum.shape(), x.counts.shape());
  Out y = x;
  if (x.view.air) return y;  // on its way to a later gadget that calibrates; the mean is not complete
  if (!state.open_beam)
    throw DataError(
        "AirCalibration: no air view came before the first object view and the header has no open_beam_counts; "
        "record air views first, or give the header the counts of a pixel without object as open_beam_counts");
  y.open_beam = state.open_beam;
  return y;
}

template <class Real>
std::vector<Remark> AirCalibration<Real>::report(const State& state) const {
  if (!state.open_beam) return {};
  const auto dead = std::ranges::count_if(*state.open_beam, [](Real open) { return !(open > 0); });
  if (dead == 0) return {};
  return {{"detector elements (bin, row, column) that counted nothing without object", static_cast<std::uint64_t>(dead),
           state.open_beam->size()}};
}

template class AirCalibration<float>;
template class AirCalibration<double>;

COUNTERFLOW_PLUGIN(COUNTERFLOW_GADGET(AirCalibration))

}  // namespace counterflow
