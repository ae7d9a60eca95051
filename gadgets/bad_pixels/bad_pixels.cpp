#include "gadgets/bad_pixels/bad_pixels.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "core/gadget/export.h"

namespace counterflow {
namespace {

using Shape = std::array<std::size_t, 3>;

Shape shape_of(const ScanHeader& header) { return {header.bins(), header.geometry.rows, header.geometry.columns}; }

void require_shape(const Shape& expected, const Shape& came, const View& view) {
  const auto text = [](const Shape& s) {
    return std::to_string(s[0]) + " bins, " + std::to_string(s[1]) + " rows, " + std::to_string(s[2]) + " columns";
  };
  if (came != expected)
    throw DataError("BadPixels: view " + std::to_string(view.index) + ": expected " + text(expected) + " as in the header, got " +
                    text(came));
}

void list_pixel(Array<Fault, 2>& faults, double row, double column, const std::string& where) {
  const auto fits = [](double v, std::size_t n) { return v >= 0 && v < static_cast<double>(n) && v == std::floor(v); };
  if (!fits(row, faults.extent(0)) || !fits(column, faults.extent(1)))
    throw ConfigError(where + ": expected a row of 0 to " + std::to_string(faults.extent(0) - 1) + " and a column of 0 to " +
                      std::to_string(faults.extent(1) - 1) + ", got " + number_text(row) + " " + number_text(column));
  faults(static_cast<std::size_t>(row), static_cast<std::size_t>(column)) = Fault::listed;
}

// "row column" a line; '#' begins a comment.
void list_file(Array<Fault, 2>& faults, const std::string& content, const std::string& name) {
  std::istringstream in(content);
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    const std::string where = "BadPixels: " + name + ":" + std::to_string(++number);
    line.erase(std::min(line.find('#'), line.size()));
    if (words(line).empty()) continue;
    std::istringstream fields(line);
    double row = 0, column = 0;
    std::string more;
    if (!(fields >> row >> column) || (fields >> more))
      throw ConfigError(where + ": expected 'row column', got '" + joined(words(line), " ") + "'");
    list_pixel(faults, row, column, where);
  }
}

std::size_t number_of(const Array<Fault, 2>& faults, Fault fault) {
  return static_cast<std::size_t>(std::ranges::count(faults, fault));
}

// "row 3 column 17; row 4 column 17; ..."
std::string first_places(const Array<Fault, 2>& faults, Fault fault) {
  constexpr std::size_t kShown = 5;
  std::string text;
  std::size_t shown = 0;
  for (std::size_t p = 0; p < faults.size(); ++p) {
    if (faults[p] != fault) continue;
    if (shown == kShown) return text + "; ...";
    text += (shown++ > 0 ? "; row " : "row ") + std::to_string(p / faults.extent(1)) + " column " +
            std::to_string(p % faults.extent(1));
  }
  return text;
}

void require_few(const Array<Fault, 2>& faults, double largest_share) {
  const std::size_t bad = faults.size() - number_of(faults, Fault::none);
  if (static_cast<double>(bad) <= largest_share * static_cast<double>(faults.size())) return;
  std::string kinds;
  for (std::size_t k = 1; k < kFaults; ++k) {
    const Fault fault = static_cast<Fault>(k);
    if (const std::size_t n = number_of(faults, fault))
      kinds += (kinds.empty() ? "" : ", ") + std::to_string(n) + " " + fault_name(fault);
  }
  throw DataError("BadPixels: " + std::to_string(bad) + " of " + std::to_string(faults.size()) + " pixels are bad (" + kinds +
                  "), more than the largest_share of " + number_text(largest_share) +
                  ": mend the detector, or raise largest_share");
}

}  // namespace

template <class Real>
void BadPixels<Real>::describe(PropertyVisitor& v) {
  v("pixels", pixels_, {.text = "known bad pixels: row column, row column, ... from 0", .min = 0});
  v("find", find_, {.text = "whether to look for bad pixels in the air views"});
  v("dead", limits_.dead,
    {.unit = "1", .text = "a bin with less than this share of the median of the pixels around is dead", .min = 0, .max = 1});
  v("hot", limits_.hot,
    {.unit = "1", .text = "a bin with more than this times the median of the pixels around is hot", .min = 1, .max = 1e6});
  v("sigmas", limits_.sigmas,
    {.unit = "1", .text = "a finding is more than this many standard deviations beyond chance", .min = 3, .max = 100});
  v("exposure", exposure_,
    {.unit = "1", .text = "of repaired pixels: 1 states their own noise, less takes their weight", .min = 1e-3, .max = 1});
  v("largest_share", largest_share_, {.unit = "1", .text = "of bad pixels; a detector with more is refused", .min = 0, .max = 1});
}

template <class Real>
auto BadPixels<Real>::begin(const Params&, const ScanHeader& header) const -> State {
  State state;
  state.shape = shape_of(header);
  state.listed = Array<Fault, 2>({header.geometry.rows, header.geometry.columns}, Fault::none);
  if (pixels_.size() % 2 != 0)
    throw ConfigError("BadPixels: property 'pixels': expected pairs of row and column, got " + std::to_string(pixels_.size()) +
                      " numbers");
  for (std::size_t k = 0; k < pixels_.size(); k += 2)
    list_pixel(state.listed, pixels_[k], pixels_[k + 1], "BadPixels: property 'pixels'");
  const std::string& file = header.system.bad_pixels;
  if (!file.empty()) {
    const auto content = header.system.files.find(file);
    if (content == header.system.files.end())
      throw ConfigError("BadPixels: the header names the file '" + file +
                        "' of bad pixels, but it was not read: put it beside "
                        "the scan or give its folder with --data");
    list_file(state.listed, content->second, file);
  }
  return state;
}

template <class Real>
Footprint BadPixels<Real>::footprint(const ScanHeader& header) const {
  const std::size_t values = Array<Real, 3>::size_of(shape_of(header));
  return {.message = values * sizeof(Real), .state = 3 * values * sizeof(double)};
}

template <class Real>
void BadPixels<Real>::calibrate(State& state, const In& air) const {
  require_shape(state.shape, air.counts.shape(), air.view);
  state.air.add(air.counts);
}

template <class Real>
void BadPixels<Real>::calibrated(State& state) const {
  const bool seen = state.air.views > 0;
  if (!seen && exposure_ != 1)
    throw ConfigError("BadPixels: an exposure other than 1 needs air views, for the open beam of repaired pixels to follow");
  state.faults = find_ ? find_faults(state.air, limits_, state.listed) : state.listed;
  require_few(state.faults, largest_share_);
  state.repair = PixelRepair(state.faults, state.air.sum, exposure_);
  state.air = {};  // of no use any more
}

template <class Real>
auto BadPixels<Real>::forward(const Params&, const State& state, const In& x) const -> Out {
  require_shape(state.shape, x.counts.shape(), x.view);
  if (x.open_beam)
    throw DataError(
        "BadPixels stands behind a gadget that took the open beam, bad pixels included: move it before AirCalibration");
  Out y = x;
  state.repair.apply(y.counts);
  state.repair.apply(y.background);
  return y;
}

template <class Real>
auto BadPixels<Real>::adjoint(const Params&, const State& state, const In&, const Out&, const Out& y_bar, Params&) const -> In {
  In x_bar = y_bar;
  state.repair.apply_transposed(x_bar.counts);
  state.repair.apply_transposed(x_bar.background);
  return x_bar;
}

template <class Real>
std::vector<Remark> BadPixels<Real>::report(const State& state) const {
  std::vector<Remark> remarks;
  for (std::size_t k = 1; k < kFaults; ++k) {
    const Fault fault = static_cast<Fault>(k);
    if (const std::size_t n = number_of(state.faults, fault))
      remarks.push_back({std::string(fault_name(fault)) + " pixels, repaired (" + first_places(state.faults, fault) + ")", n,
                         state.faults.size()});
  }
  return remarks;
}

template class BadPixels<float>;
template class BadPixels<double>;

COUNTERFLOW_PLUGIN(COUNTERFLOW_GADGET(BadPixels))

}  // namespace counterflow
