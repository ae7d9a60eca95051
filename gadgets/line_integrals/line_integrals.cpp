#include "gadgets/line_integrals/line_integrals.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <sstream>
#include <string>

#include "core/gadget/export.h"

namespace counterflow {
namespace {

using Shape = Array<double, 3>::Shape;

std::string text_of(const Shape& shape) {
  return std::to_string(shape[0]) + " x " + std::to_string(shape[1]) + " x " + std::to_string(shape[2]);
}

template <class Real>
void require_open_beam(const Counts<Real>& x) {
  const std::string where = "LineIntegrals: view " + std::to_string(x.view.index) + ": ";
  if (!x.open_beam) throw DataError(where + "it has no open beam; put AirCalibration before LineIntegrals");
  if (x.open_beam->shape() != x.counts.shape())
    throw DataError(where + "expected an open beam of " + text_of(x.counts.shape()) +
                    " (bin x row x column) like the counts, got " + text_of(x.open_beam->shape()));
  if (!(x.view.exposure > 0)) throw DataError(where + "expected an exposure above 0, got " + number_text(x.view.exposure));
}

// Counts less background of element i.
template <class Real>
Real primary(const Counts<Real>& x, std::size_t i) {
  return x.background.empty() ? x.counts[i] : x.counts[i] - x.background[i];
}

// The spectra file with the energies and the selected columns only.
std::string selected_columns(const std::string& text, const std::vector<std::size_t>& bins, const std::string& name) {
  std::istringstream lines(text);
  std::string line, out;
  for (std::size_t number = 1; std::getline(lines, line); ++number) {
    std::string content = line.substr(0, line.find('#'));
    std::ranges::replace(content, ',', ' ');
    const std::vector<std::string> columns = words(content);
    if (columns.empty()) continue;
    out += columns[0];
    for (std::size_t b : bins) {
      if (b + 1 >= columns.size())
        throw ConfigError("CountsFromLineIntegrals: " + name + ":" + std::to_string(number) +
                          ": expected an energy and at least " + std::to_string(b + 1) + " bins, got " +
                          std::to_string(columns.size()) + " columns");
      out += " " + columns[b + 1];
    }
    out += "\n";
  }
  return out;
}

}  // namespace

template <class Real>
auto LineIntegrals<Real>::begin(const Params&, const ScanHeader& header) const -> State {
  Channels channels{"line_integral", "1", {}};
  for (std::size_t b = 0; b < header.bins(); ++b) channels.names.push_back("bin " + std::to_string(b));
  return {std::make_shared<const Channels>(std::move(channels)), std::make_shared<std::atomic<std::uint64_t>>(0),
          std::make_shared<std::atomic<std::uint64_t>>(0)};
}

template <class Real>
Footprint LineIntegrals<Real>::footprint(const ScanHeader& header) const {
  return {.message = Array<Real, 3>::size_of({header.bins(), header.geometry.rows, header.geometry.columns}) * sizeof(Real)};
}

template <class Real>
ScanHeader LineIntegrals<Real>::output_header(const ScanHeader& header) const {
  ScanHeader out = header;
  out.quantity = Quantity::line_integrals;
  return out;
}

template <class Real>
auto LineIntegrals<Real>::forward(const Params&, const State& state, const In& x) const -> Out {
  require_open_beam(x);
  Out y;
  y.view = x.view;
  y.channels = state.channels;
  y.areal_density = Array<Real, 3>(x.counts.shape());
  const Real exposure = static_cast<Real>(x.view.exposure), floor = static_cast<Real>(floor_);
  std::uint64_t floored = 0;
  for (std::size_t i = 0; i < x.counts.size(); ++i) {
    const Real open = exposure * (*x.open_beam)[i], counts = primary(x, i);
    if (!(open > 0)) continue;
    floored += counts < floor;
    y.areal_density[i] = -std::log(std::max(counts, floor) / open);
  }
  state.floored->fetch_add(floored, std::memory_order_relaxed);
  state.seen->fetch_add(x.counts.size(), std::memory_order_relaxed);
  return y;
}

// dp/dcounts = -1/(counts - background), dp/dbackground = +1/(counts - background); 0 where floored or dead.
template <class Real>
auto LineIntegrals<Real>::adjoint(const Params&, const State&, const In& x, const Out&, const Out& y_bar, Params&) const -> In {
  In x_bar = zero_like(x);
  const Real floor = static_cast<Real>(floor_);
  for (std::size_t i = 0; i < x.counts.size(); ++i) {
    const Real counts = primary(x, i);
    if (counts < floor || !((*x.open_beam)[i] > 0)) continue;
    x_bar.counts[i] = -y_bar.areal_density[i] / counts;
    if (!x.background.empty()) x_bar.background[i] = y_bar.areal_density[i] / counts;
  }
  return x_bar;
}

template <class Real>
std::vector<Remark> LineIntegrals<Real>::report(const State& state) const {
  if (*state.floored == 0) return {};
  return {{"measurements below " + number_text(floor_) + " counts, set to it before the logarithm", *state.floored, *state.seen}};
}

template <class Real>
std::vector<std::size_t> CountsFromLineIntegrals<Real>::selected(const ScanHeader& header) const {
  std::vector<std::size_t> bins(header.bins());
  std::iota(bins.begin(), bins.end(), std::size_t{0});
  if (bins_.empty()) return bins;
  std::vector<std::size_t> chosen;
  for (double b : bins_) {
    const auto bin = static_cast<std::size_t>(b);
    const bool repeated = std::find(chosen.begin(), chosen.end(), bin) != chosen.end();
    if (static_cast<double>(bin) < b || bin >= header.bins() || repeated)
      throw ConfigError("CountsFromLineIntegrals: property 'bins': expected different whole numbers from 0 to " +
                        std::to_string(header.bins() - 1) + ", got " + number_text(b) + (repeated ? " twice" : ""));
    chosen.push_back(bin);
  }
  return chosen;
}

template <class Real>
auto CountsFromLineIntegrals<Real>::begin(const Params&, const ScanHeader& header) const -> State {
  const std::vector<std::size_t> bins = selected(header);
  const Shape shape{bins.size(), header.geometry.rows, header.geometry.columns};
  return {bins, std::make_shared<const Array<Real, 3>>(shape, static_cast<Real>(open_beam_))};
}

template <class Real>
Footprint CountsFromLineIntegrals<Real>::footprint(const ScanHeader& header) const {
  const std::size_t values = Array<Real, 3>::size_of({selected(header).size(), header.geometry.rows, header.geometry.columns});
  return {.message = values * sizeof(Real), .state = values * sizeof(Real)};
}

template <class Real>
ScanHeader CountsFromLineIntegrals<Real>::output_header(const ScanHeader& header) const {
  const std::vector<std::size_t> bins = selected(header);
  ScanHeader out = header;
  out.quantity = Quantity::counts;
  if (bins_.empty()) return out;
  SpectralSystem& system = out.system;
  if (system.bin_spectra.empty())
    throw ConfigError(
        "CountsFromLineIntegrals: property 'bins' needs a scan with bin_spectra, one spectrum a bin; without "
        "them the bins hang together by their thresholds: leave 'bins' empty");
  const std::string& name = system.bin_spectra;
  const auto file = system.files.find(name);
  if (file == system.files.end()) throw ConfigError("CountsFromLineIntegrals: the spectra of '" + name + "' are not there");
  file->second = selected_columns(file->second, bins, name);
  system.bins = bins.size();
  system.thresholds.clear();  // without meaning beside spectra
  return out;
}

template <class Real>
auto CountsFromLineIntegrals<Real>::forward(const Params&, const State& state, const In& x) const -> Out {
  const Shape& shape = state.open_beam->shape();
  const std::string where = "CountsFromLineIntegrals: view " + std::to_string(x.view.index) + ": ";
  if (!x.channels || x.channels->quantity != "line_integral")
    throw DataError(where + "expected line integrals, got " + (x.channels ? x.channels->quantity : "an unnamed quantity") +
                    "; it belongs first in a chain for a scan of line integrals");
  for (std::size_t b : state.bins)
    if (b >= x.areal_density.extent(0) || x.areal_density.block(b).size() != shape[1] * shape[2])
      throw DataError(where + "expected at least " + std::to_string(b + 1) + " bins of " + std::to_string(shape[1]) + " x " +
                      std::to_string(shape[2]) + " (row x column), got " + text_of(x.areal_density.shape()));
  Out y;
  y.view = x.view;
  y.open_beam = state.open_beam;
  y.counts = Array<Real, 3>(shape);
  const Real open = static_cast<Real>(x.view.exposure * open_beam_);
  for (std::size_t k = 0; k < state.bins.size(); ++k) {
    const auto p = x.areal_density.block(state.bins[k]);
    const auto counts = y.counts.block(k);
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] = open * std::exp(-p[i]);
  }
  return y;
}

// dcounts/dp = -counts.
template <class Real>
auto CountsFromLineIntegrals<Real>::adjoint(const Params&, const State& state, const In& x, const Out& y, const Out& y_bar,
                                            Params&) const -> In {
  In x_bar = zero_like(x);
  for (std::size_t k = 0; k < state.bins.size(); ++k) {
    const auto p_bar = x_bar.areal_density.block(state.bins[k]);
    const auto counts = y.counts.block(k), counts_bar = y_bar.counts.block(k);
    for (std::size_t i = 0; i < p_bar.size(); ++i) p_bar[i] = -counts[i] * counts_bar[i];
  }
  return x_bar;
}

template class LineIntegrals<float>;
template class LineIntegrals<double>;
template class CountsFromLineIntegrals<float>;
template class CountsFromLineIntegrals<double>;

COUNTERFLOW_PLUGIN(COUNTERFLOW_GADGET(LineIntegrals), COUNTERFLOW_GADGET(CountsFromLineIntegrals))

}  // namespace counterflow
