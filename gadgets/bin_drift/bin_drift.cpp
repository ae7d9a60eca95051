#include "gadgets/bin_drift/bin_drift.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace counterflow {
namespace {

std::size_t unsigned_of(std::int64_t value) { return static_cast<std::size_t>(value); }

[[noreturn]] void refuse(const View& view, const std::string& what) {
  throw DataError("BinDrift: view " + std::to_string(view.index) + ": " + what);
}

template <class Shape>
std::string text_of(const Shape& shape) {
  return "[" + std::to_string(shape[0]) + "," + std::to_string(shape[1]) + "," + std::to_string(shape[2]) + "]";
}

// Where a view's time lies between the nodes of a piecewise linear function: from + part (to - from).
struct Between {
  std::size_t from, to;
  double part;
};
Between between_nodes(std::size_t nodes, const View& view, std::size_t views) {
  if (nodes < 2 || views < 2) return {0, 0, 0};
  const double place = static_cast<double>(view.index) / static_cast<double>(views - 1) * static_cast<double>(nodes - 1);
  const std::size_t from = std::min(static_cast<std::size_t>(place), nodes - 2);
  return {from, from + 1, place - static_cast<double>(from)};
}

// visit(factor, node) for what of a block [node,...] counts at that time; none of an empty block.
void each_node(const auto& block, const View& view, std::size_t views, auto&& visit) {
  if (block.empty()) return;
  const Between b = between_nodes(block.extent(0), view, views);
  visit(1 - b.part, b.from);
  if (b.part != 0) visit(b.part, b.to);
}

// The shape of a view's shifts, [threshold, row or 1, module or column], and where in the message's own and in the parameters
// those of a place are found.
template <class Real>
struct Places {
  Places(const ScanHeader& h, const Array<Real, 3>& carried, const Array<Real, 3>& pixel_shift) {
    const ScanGeometry& g = h.geometry;
    own_pixels = !pixel_shift.empty();
    carried_pixels = !carried.empty() && carried.extent(2) == g.columns && g.columns != h.modules;
    carried_rows = carried.empty() ? 1 : carried.extent(1);
    const bool by_pixel = own_pixels || carried_pixels;
    shape = {h.bins(), by_pixel ? g.rows : carried_rows, by_pixel ? g.columns : h.modules};
    for (std::size_t place = 0; place < shape[2]; ++place) module.push_back(by_pixel ? h.module_of(place) : place);
    for (std::size_t c = 0; c < g.columns; ++c) of_column.push_back(by_pixel ? c : h.module_of(c));
  }
  // The message's own shift at a place.
  template <class A>
  auto& carried(A& shift, std::size_t k, std::size_t row, std::size_t place) const {
    return shift(k, carried_rows == 1 ? 0 : row, carried_pixels ? place : module[place]);
  }

  bool own_pixels, carried_pixels;
  std::size_t carried_rows;
  std::array<std::size_t, 3> shape;
  std::vector<std::size_t> module;     // of a place
  std::vector<std::size_t> of_column;  // the place of a detector column
};

}  // namespace

template <class Real>
void BinDrift<Real>::describe(PropertyVisitor& v) {
  v("mode", mode_,
    {.text = "model: writes the shifts into the message; resample: moves counts to nominal thresholds.",
     .choices = {"model", "resample"}});
  v("common", common_, {.text = "Whether a shift of each threshold, the same for all modules, is learned."});
  v("common_nodes", common_nodes_,
    {.unit = "1", .text = "Times, evenly over the scan, at which it is; 1: static.", .min = 1, .max = 10000});
  v("modules", modules_, {.text = "Whether a shift of each threshold and module is learned."});
  v("module_nodes", module_nodes_, {.unit = "1", .text = "Times at which it is; 1: static.", .min = 1, .max = 10000});
  v("pixels", pixels_, {.text = "Whether a static shift of each threshold and pixel is learned."});
  v("reference_water", reference_water_,
    {.unit = "g/cm^2",
     .text = "resample: water behind which the scan's spectrum is the scale of the interpolation.",
     .min = 0,
     .max = 100});
  v("keep_total", keep_total_,
    {.text = "resample: the sum over the bins stays; else counts pass the lowest threshold as they pass the others."});
  v("air_thresholds", air_thresholds_,
    {.text = "resample: thresholds at the air scan: nominal, or shifted like those of the view.",
     .choices = {"nominal", "shifted"}});
}

template <class Real>
auto BinDrift<Real>::initial(const ScanHeader& header) const -> Params {
  const std::size_t bins = header.bins();
  Params p;
  if (common_) p.common = Array<Real, 2>({unsigned_of(common_nodes_), bins});
  if (modules_) p.module_shift = Array<Real, 3>({unsigned_of(module_nodes_), bins, header.modules});
  if (pixels_) p.pixel_shift = Array<Real, 3>({bins, header.geometry.rows, header.geometry.columns});
  return p;
}

template <class Real>
ParameterDoc BinDrift<Real>::parameter(const std::string& name, const ScanHeader& header) const {
  const double largest = largest_shift(header.system);
  ParameterDoc doc{"keV", 1, -largest, largest, {}, {}};
  const Params p = initial(header);
  const auto shaped = [&](const auto& block, std::vector<std::string> axes) {
    doc.axes = std::move(axes);
    doc.shape.assign(block.shape().begin(), block.shape().end());
  };
  if (name == "module_shift" && modules_ && common_ && header.modules < 2)
    throw ConfigError("BinDrift: the scan's header knows no modules (one of " + std::to_string(header.geometry.columns) +
                      " columns), so that shifts of modules are those in common; set the property modules to false, or give the "
                      "header modules");
  if (name == "common") shaped(p.common, {"node", "threshold"});
  else if (name == "module_shift") shaped(p.module_shift, {"node", "threshold", "module"});
  else shaped(p.pixel_shift, {"threshold", "row", "column"});
  return doc;
}

template <class Real>
auto BinDrift<Real>::begin(const Params&, const ScanHeader& header) const -> State {
  const SpectralSystem& system = header.system;
  if (!common_ && !modules_ && !pixels_)
    throw ConfigError("BinDrift: expected at least one of the properties common, modules and pixels to be true");
  if (header.quantity != Quantity::counts) throw ConfigError("BinDrift: expected counts, the scan holds line integrals");
  if (system.thresholds.size() < system.bins)
    throw ConfigError(
        "BinDrift: the spectra of the scan's bins come from a file and do not know their thresholds, which so cannot move");
  State state{header, largest_shift(system), nullptr};
  if (mode_ == "resample")
    state.resampler = std::make_shared<const ViewResampler<Real>>(EnergyScale(reference_water_, system), keep_total_,
                                                                  air_thresholds_ == "shifted");
  return state;
}

template <class Real>
Footprint BinDrift<Real>::footprint(const ScanHeader& header) const {
  const ScanGeometry& g = header.geometry;
  const std::size_t view = Array<Real, 3>::size_of({header.bins(), g.rows, g.columns});
  return {.message = view * sizeof(Real) + (pixels_ ? view : header.bins() * header.modules) * sizeof(Real)};
}

template <class Real>
void BinDrift<Real>::check(const State& state, const In& x) const {
  const ScanGeometry& g = state.header.geometry;
  const std::array<std::size_t, 3> shape = {state.header.bins(), g.rows, g.columns};
  const auto require = [&](const char* what, const Array<Real, 3>& array) {
    if (array.shape() != shape)
      refuse(x.view, std::string("expected ") + what + " of shape " + text_of(shape) + " as in the header, got " +
                         text_of(array.shape()));
  };
  require("counts [bin,row,column]", x.counts);
  if (!x.background.empty()) require("background [bin,row,column]", x.background);
  if (x.view.index >= std::max<std::size_t>(g.views, 1))
    refuse(x.view,
           "expected views below " + std::to_string(g.views) + " as in the header, which the time of the scan is counted by");
  if (mode_ == "resample" && air_thresholds_ == "shifted") {
    if (!x.open_beam)
      refuse(x.view, "it has no open beam to resample; put AirCalibration before BinDrift, or set air_thresholds to nominal");
    require("open beam [bin,row,column]", *x.open_beam);
  }
  if (x.threshold_shift.empty()) return;
  const auto& s = x.threshold_shift.shape();
  const bool rows = s[1] == 1 || s[1] == g.rows, pixels = s[1] == g.rows && s[2] == g.columns;
  if (s[0] != shape[0] || !(pixels || (rows && s[2] == state.header.modules)))
    refuse(x.view, "expected threshold shifts [threshold,row or 1,module] or [threshold,row,column] of " +
                       std::to_string(shape[0]) + " thresholds, " + std::to_string(g.rows) + " rows, " +
                       std::to_string(state.header.modules) + " modules and " + std::to_string(g.columns) + " columns, got " +
                       text_of(s));
}

// What the message carries and the parameters, summed.
template <class Real>
Array<Real, 3> BinDrift<Real>::shifts(const Params& p, const State& state, const In& x) const {
  const Places<Real> places(state.header, x.threshold_shift, p.pixel_shift);
  const std::size_t views = state.header.geometry.views;
  Array<Real, 3> out(places.shape);
  for (std::size_t k = 0; k < out.extent(0); ++k) {
    double common = 0;
    each_node(p.common, x.view, views, [&](double f, std::size_t n) { common += f * static_cast<double>(p.common(n, k)); });
    std::vector<double> module(state.header.modules, common);
    each_node(p.module_shift, x.view, views, [&](double f, std::size_t n) {
      for (std::size_t j = 0; j < module.size(); ++j) module[j] += f * static_cast<double>(p.module_shift(n, k, j));
    });
    for (std::size_t r = 0; r < out.extent(1); ++r)
      for (std::size_t c = 0; c < out.extent(2); ++c) {
        double shift = module[places.module[c]];
        if (!x.threshold_shift.empty()) shift += static_cast<double>(places.carried(x.threshold_shift, k, r, c));
        if (places.own_pixels) shift += static_cast<double>(p.pixel_shift(k, r, c));
        out(k, r, c) = static_cast<Real>(shift);
      }
  }
  return out;
}

// The transpose of the sum; `bar` in the shape of shifts().
template <class Real>
void BinDrift<Real>::spread(const auto& bar, const State& state, const View& view, In& x_bar, Params& p_bar) const {
  const Places<Real> places(state.header, x_bar.threshold_shift, p_bar.pixel_shift);
  const std::size_t views = state.header.geometry.views;
  for (std::size_t k = 0; k < bar.extent(0); ++k) {
    std::vector<double> module(state.header.modules);
    for (std::size_t r = 0; r < bar.extent(1); ++r)
      for (std::size_t c = 0; c < bar.extent(2); ++c) {
        const auto b = static_cast<Real>(bar(k, r, c));
        module[places.module[c]] += static_cast<double>(bar(k, r, c));
        if (!x_bar.threshold_shift.empty()) places.carried(x_bar.threshold_shift, k, r, c) += b;
        if (places.own_pixels) p_bar.pixel_shift(k, r, c) += b;
      }
    double common = 0;
    for (double m : module) common += m;
    each_node(p_bar.common, view, views, [&](double f, std::size_t n) { p_bar.common(n, k) += static_cast<Real>(f * common); });
    each_node(p_bar.module_shift, view, views, [&](double f, std::size_t n) {
      for (std::size_t j = 0; j < module.size(); ++j) p_bar.module_shift(n, k, j) += static_cast<Real>(f * module[j]);
    });
  }
}

template <class Real>
void BinDrift<Real>::check_shifts(const State& state, const View& view, const Array<Real, 3>& shifts) const {
  const std::size_t places = shifts.size() / shifts.extent(0);
  for (std::size_t i = 0; i < shifts.size(); ++i) {
    const double shift = static_cast<double>(shifts[i]);
    if (std::abs(shift) <= (state.resampler ? state.largest : std::numeric_limits<double>::max())) continue;
    refuse(view, (state.resampler ? "expected shifts within +-" + number_text(state.largest) +
                                        " keV, short of half of the way between two thresholds"
                                  : std::string("expected finite shifts")) +
                     ", got " + number_text(shift) + " keV of threshold " + std::to_string(i / places) +
                     "; bound the parameters");
  }
}

template <class Real>
auto BinDrift<Real>::forward(const Params& p, const State& state, const In& x) const -> Out {
  Out y = x;
  if (x.view.air) return y;
  check(state, x);
  const Array<Real, 3> shift = shifts(p, state, x);
  check_shifts(state, x.view, shift);
  if (!state.resampler) {
    y.threshold_shift = shift;
    return y;
  }
  state.resampler->forward(x, shift, Places<Real>(state.header, x.threshold_shift, p.pixel_shift).of_column, y);
  y.threshold_shift = {};
  return y;
}

template <class Real>
auto BinDrift<Real>::adjoint(const Params& p, const State& state, const In& x, const Out&, const Out& y_bar, Params& p_bar) const
    -> In {
  if (x.view.air) return y_bar;
  if (!state.resampler) {
    In x_bar = y_bar;
    x_bar.threshold_shift = Array<Real, 3>(x.threshold_shift.shape());
    if (!y_bar.threshold_shift.empty()) spread(y_bar.threshold_shift, state, x.view, x_bar, p_bar);
    return x_bar;
  }
  In x_bar = zero_like(x);
  const Array<double, 3> shift_bar = state.resampler->adjoint(
      x, shifts(p, state, x), Places<Real>(state.header, x.threshold_shift, p.pixel_shift).of_column, y_bar, x_bar);
  spread(shift_bar, state, x.view, x_bar, p_bar);
  return x_bar;
}

template class BinDrift<float>;
template class BinDrift<double>;

}  // namespace counterflow
