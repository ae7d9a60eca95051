#include "gadgets/proxy_decomposition/proxy_decomposition.h"

#include <cmath>

#include "core/kernel.h"

namespace counterflow {
namespace {

using Shape = std::array<std::size_t, 3>;

[[noreturn]] void refuse(const View& view, const std::string& what) {
  throw DataError("ProxyDecomposition: view " + std::to_string(view.index) + ": " + what);
}
void require_shape(const View& view, const char* what, const Shape& got, const Shape& want) {
  const auto text = [](const Shape& s) {
    return "[" + std::to_string(s[0]) + "," + std::to_string(s[1]) + "," + std::to_string(s[2]) + "]";
  };
  if (got != want)
    refuse(view, std::string("expected ") + what + " of shape " + text(want) + ", got " + text(got) +
                     "; the header and the data describe different detectors");
}
std::size_t unsigned_of(std::int64_t value) { return static_cast<std::size_t>(value); }

template <class Real>
void estimate(const ProxySystem<Real>& system, const ProxyRays<Real>& rays, ProxyResult<Real>& out) {
  choose<EstimateRays<Real>>(kernel_baseline::estimate_rays, kernel_avx2::estimate_rays, kernel_avx512::estimate_rays)(system,
                                                                                                                       rays, out);
}
template <class Real>
void adjoin(const ProxySystem<Real>& system, const ProxyRays<Real>& rays, const ProxyCotangents<Real>& out) {
  choose<AdjoinRays<Real>>(kernel_baseline::adjoin_rays, kernel_avx2::adjoin_rays, kernel_avx512::adjoin_rays)(system, rays, out);
}

}  // namespace

template <class Real>
void ProxyDecomposition<Real>::describe(PropertyVisitor& v) {
  v("materials", materials_, {.text = "Two or three basis materials: elements, compounds, mixtures, ready names."});
  v("energy_step", energy_step_,
    {.unit = "keV", .text = "Width of the cells of the energy integral that is fitted to.", .min = 0.05, .max = 10});
  v("range", range_,
    {.unit = "g/cm^2",
     .text =
         "Largest areal density of each material that the fit covers; empty = 10 attenuation lengths of the body, 3 of others.",
     .min = 0});
  v("sum_rows", sum_rows_, {.unit = "1", .text = "Detector rows summed into one ray before it.", .min = 1});
  v("sum_columns", sum_columns_, {.unit = "1", .text = "Detector columns summed into one ray before it.", .min = 1});
  v("covariance", covariance_, {.text = "Also gives the Cramer-Rao bound of each ray."});
  v("failed_value", failed_value_, {.unit = "g/cm^2", .text = "Value of rays without counts: one number, or one a material."});
  v("air_thresholds", air_thresholds_,
    {.text = "Thresholds at the air scan: nominal, or shifted like those of the view.", .choices = {"nominal", "shifted"}});
}

template <class Real>
void ProxyDecomposition<Real>::check(const ScanHeader& header) const {
  const auto refuse_setting = [](const std::string& what) { throw ConfigError("ProxyDecomposition: " + what); };
  if (channels() < 2 || channels() > ProxyLimits::kMaterials)
    refuse_setting("expected two or three materials, got '" + joined(materials_, " ") + "'");
  if (header.quantity != Quantity::counts) refuse_setting("expected counts, the scan holds line integrals");
  if (!header.system.bowtie.empty())
    refuse_setting("behind the bowtie '" + header.system.bowtie +
                   "' each column has a spectrum of its own, which one set of "
                   "effective energies does not describe; use MaximumLikelihood");
  if (header.bins() < channels() || header.bins() > ProxyLimits::kBins)
    refuse_setting("expected " + std::to_string(channels()) + " to 8 bins for " + std::to_string(channels()) +
                   " materials, got " + std::to_string(header.bins()));
  if (failed_value_.size() != 1 && failed_value_.size() != channels())
    refuse_setting("expected one failed_value or one a material, got " + std::to_string(failed_value_.size()));
  for (std::size_t c = 0; sum_columns_ > 1 && c < header.geometry.columns; ++c)
    if (header.module_of(c) != header.module_of(c / unsigned_of(sum_columns_) * unsigned_of(sum_columns_)))
      refuse_setting("sum_columns = " + std::to_string(sum_columns_) +
                     " would sum columns of two detector modules; expected a divisor of " +
                     std::to_string(header.geometry.columns / header.modules) + " columns a module");
}

template <class Real>
auto ProxyDecomposition<Real>::fit(const ScanHeader& header) const -> std::shared_ptr<const ArealDensityEstimator> {
  check(header);
  const CountsModel model(header.system, materials_, energy_step_);
  return std::make_shared<const ArealDensityEstimator>(
      model, EffectiveSpectra::Settings{.largest = range_, .air_moves = air_thresholds_ == "shifted"});
}

template <class Real>
auto ProxyDecomposition<Real>::initial(const ScanHeader& header) const -> Params {
  const EffectiveNodes nodes = fit(header)->spectra().nominal();
  Params p{{nodes.log_weight.begin(), nodes.log_weight.end()}, {}};
  for (double mu : nodes.attenuation) p.log_attenuation.push_back(static_cast<Real>(std::log(mu)));
  return p;
}

template <class Real>
ScanHeader ProxyDecomposition<Real>::output_header(const ScanHeader& header) const {
  check(header);
  ScanHeader out = header;
  out.geometry = header.geometry.summed(unsigned_of(sum_rows_), unsigned_of(sum_columns_));
  if (out.system.pixel_columns == 0) out.system.pixel_columns = header.geometry.column_pitch;
  if (out.system.pixel_rows == 0) out.system.pixel_rows = header.geometry.row_pitch;
  if (header.grid.nz == header.geometry.rows && sum_rows_ > 1) {  // one slice a row, before and after
    out.grid.nz = out.geometry.rows;
    out.grid.voxel_z = header.grid.voxel_z * static_cast<double>(sum_rows_);
  }
  return out;
}

template <class Real>
auto ProxyDecomposition<Real>::begin(const Params& p, const ScanHeader& header) const -> State {
  header.geometry.summed(unsigned_of(sum_rows_), unsigned_of(sum_columns_));
  State s;
  s.header = header;
  s.estimator = fit(header);
  s.channels = std::make_shared<Channels>(Channels{"areal_density", "g/cm^2", materials_});
  s.tally = std::make_shared<Tally>();
  set_nodes(p, s);
  return s;
}

template <class Real>
void ProxyDecomposition<Real>::set_nodes(const Params& p, State& s) {
  s.nodes = s.estimator->spectra().nominal();
  if (p.log_weight.size() != s.nodes.log_weight.size() || p.log_attenuation.size() != s.nodes.attenuation.size())
    throw ConfigError("ProxyDecomposition: expected parameters of " + std::to_string(s.nodes.log_weight.size()) + " nodes, got " +
                      std::to_string(p.log_weight.size()) + "; they were trained on another detector, materials or range");
  for (std::size_t n = 0; n < p.log_weight.size(); ++n) s.nodes.log_weight[n] = static_cast<double>(p.log_weight[n]);
  for (std::size_t n = 0; n < p.log_attenuation.size(); ++n)
    s.nodes.attenuation[n] = std::exp(static_cast<double>(p.log_attenuation[n]));
}

template <class Real>
Footprint ProxyDecomposition<Real>::footprint(const ScanHeader& header) const {
  const ScanGeometry g = header.geometry.summed(unsigned_of(sum_rows_), unsigned_of(sum_columns_));
  const std::size_t arrays = channels() + (covariance_ ? channels() * (channels() + 1) / 2 : 0);
  const std::size_t sums = sum_rows_ * sum_columns_ > 1 ? 3 * header.bins() : 0;  // while it runs
  return {.message = (arrays + sums) * checked_size(g.rows, g.columns) * sizeof(Real),
          .state = 16 * ProxyLimits::kNodes * (1 + channels()) * sizeof(double)};
}

template <class Real>
void ProxyDecomposition<Real>::check(const State& state, const In& x) const {
  const ScanGeometry& g = state.header.geometry;
  const Shape shape = {state.header.bins(), g.rows, g.columns};
  require_shape(x.view, "counts [bin,row,column]", x.counts.shape(), shape);
  if (!x.open_beam) refuse(x.view, "it has no open beam; put AirCalibration before ProxyDecomposition");
  require_shape(x.view, "open beam [bin,row,column]", x.open_beam->shape(), shape);
  if (!x.background.empty()) require_shape(x.view, "background [bin,row,column]", x.background.shape(), shape);
  if (!(x.view.exposure > 0)) refuse(x.view, "expected an exposure above 0, got " + number_text(x.view.exposure));
  if (x.threshold_shift.empty()) return;
  if (state.estimator->spectra().largest_shift() == 0)
    refuse(x.view, "it has threshold shifts, but the spectra come from a file and do not know their thresholds");
  const std::size_t rows = x.threshold_shift.extent(1) == 1 ? 1 : g.rows;
  require_shape(x.view, "threshold shift [threshold,row or 1,module]", x.threshold_shift.shape(),
                {state.header.bins(), rows, state.header.modules});
  if (rows > 1 && sum_rows_ > 1)
    refuse(x.view, "each detector row has its own threshold shifts, so that rows cannot be summed exactly; set sum_rows to 1");
}

template <class Real>
auto ProxyDecomposition<Real>::parts(const State& state, const In& x) const -> std::vector<Part> {
  const ScanGeometry& g = state.header.geometry;
  const std::size_t rows = g.rows / unsigned_of(sum_rows_), columns = g.columns / unsigned_of(sum_columns_);
  if (x.threshold_shift.empty()) return {{0, 1, 0, rows * columns, 0, 0, {}}};
  std::vector<Part> parts;
  const std::size_t shift_rows = x.threshold_shift.extent(1);
  for (std::size_t r = 0; r < shift_rows; ++r)
    for (std::size_t c = 0; c < columns;) {
      Part part{r, shift_rows > 1 ? 1 : rows, c, 0, r, state.header.module_of(c * unsigned_of(sum_columns_)), {}};
      while (c < columns && state.header.module_of(c * unsigned_of(sum_columns_)) == part.module) ++c;
      part.rays = c - part.column;
      for (std::size_t k = 0; k < x.threshold_shift.extent(0); ++k)
        part.shift.push_back(static_cast<double>(x.threshold_shift(k, r, part.module)));
      parts.push_back(std::move(part));
    }
  return parts;
}

template <class Real>
ProxyTables<Real> ProxyDecomposition<Real>::tables(const State& state, const Part& part) const {
  const bool shifted = !part.shift.empty();
  return ProxyTables<Real>(*state.estimator, shifted ? state.estimator->spectra().shifted(state.nodes, part.shift) : state.nodes,
                           failed_value_);
}

template <class Real>
auto ProxyDecomposition<Real>::forward(const Params&, const State& state, const In& x) const -> Out {
  check(state, x);
  const SummedRays<Real> sums(x, unsigned_of(sum_rows_), unsigned_of(sum_columns_));
  const std::size_t pairs = channels() * (channels() + 1) / 2;
  Out y{x.view, Array<Real, 3>({channels(), sums.rows(), sums.columns()}), {}, state.channels};
  if (covariance_) y.covariance = Array<Real, 3>({pairs, sums.rows(), sums.columns()});
  ProxyResult<Real> result{.plane = sums.rows() * sums.columns()};
  for (const Part& part : parts(state, x)) {
    const ProxyTables<Real> spectra = tables(state, part);
    for (std::size_t r = part.row; r < part.row + part.rows; ++r) {
      const std::size_t at = r * sums.columns() + part.column;
      result.areal_density = y.areal_density.data() + at;
      result.covariance = covariance_ ? y.covariance.data() + at : nullptr;
      estimate(spectra.system(), sums.rays(r, part.column, part.rays), result);
    }
  }
  state.tally->rays += result.plane;
  state.tally->failed += result.failed;
  state.tally->outside += result.outside;
  return y;
}

// Cotangents of the rays of one part into counts_bar and background_bar; returns those of its nodes.
template <class Real>
EffectiveNodes ProxyDecomposition<Real>::adjoin_part(const State& state, const Part& part, const SummedRays<Real>& sums,
                                                     const Array<Real, 3>& density_bar, Array<Real, 3>& counts_bar,
                                                     Array<Real, 3>& background_bar) const {
  const ProxyTables<Real> spectra = tables(state, part);
  ProxyNodeBars bars(*state.estimator);
  ProxyCotangents<Real> out{.density_plane = sums.rows() * sums.columns(), .plane = sums.rows() * sums.columns()};
  bars.point(out);
  for (std::size_t r = part.row; r < part.row + part.rows; ++r) {
    const std::size_t at = r * sums.columns() + part.column;
    out.density_bar = density_bar.data() + at;
    out.counts_bar = counts_bar.data() + at;
    out.background_bar = background_bar.empty() ? nullptr : background_bar.data() + at;
    adjoin(spectra.system(), sums.rays(r, part.column, part.rays), out);
  }
  return bars.total(*state.estimator, spectra.nodes());
}

template <class Real>
auto ProxyDecomposition<Real>::adjoint(const Params&, const State& state, const In& x, const Out&, const Out& y_bar,
                                       Params& p_bar) const -> In {
  check(state, x);
  In x_bar = zero_like(x);
  if (y_bar.areal_density.empty()) return x_bar;
  const SummedRays<Real> sums(x, unsigned_of(sum_rows_), unsigned_of(sum_columns_));
  Array<Real, 3> counts_bar({state.header.bins(), sums.rows(), sums.columns()}), background_bar;
  if (!x.background.empty()) background_bar = counts_bar;
  std::vector<double> log_weight_bar(p_bar.log_weight.size()), attenuation_bar(p_bar.log_attenuation.size());
  for (const Part& part : parts(state, x)) {
    const EffectiveNodes nodes_bar = adjoin_part(state, part, sums, y_bar.areal_density, counts_bar, background_bar);
    for (std::size_t n = 0; n < log_weight_bar.size(); ++n) log_weight_bar[n] += nodes_bar.log_weight[n];
    for (std::size_t n = 0; n < attenuation_bar.size(); ++n) attenuation_bar[n] += nodes_bar.attenuation[n];
    std::vector<double> shift_bar(part.shift.size());
    if (!shift_bar.empty()) state.estimator->spectra().adjoin_shift(part.shift, nodes_bar, shift_bar);
    for (std::size_t k = 0; k < shift_bar.size(); ++k)
      x_bar.threshold_shift(k, part.shift_row, part.module) += static_cast<Real>(shift_bar[k]);
  }
  for (std::size_t n = 0; n < log_weight_bar.size(); ++n) p_bar.log_weight[n] += static_cast<Real>(log_weight_bar[n]);
  for (std::size_t n = 0; n < attenuation_bar.size(); ++n)
    p_bar.log_attenuation[n] += static_cast<Real>(attenuation_bar[n] * state.nodes.attenuation[n]);
  x_bar.counts = sums.spread(std::move(counts_bar));
  x_bar.background = sums.spread(std::move(background_bar));
  return x_bar;
}

template <class Real>
std::vector<Remark> ProxyDecomposition<Real>::report(const State& state) const {
  return {{"rays without an estimate", state.tally->failed, state.tally->rays},
          {"rays estimated outside the range of the fit", state.tally->outside, state.tally->rays}};
}

template class ProxyDecomposition<float>;
template class ProxyDecomposition<double>;

}  // namespace counterflow
