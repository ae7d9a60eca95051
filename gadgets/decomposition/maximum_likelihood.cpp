#include "gadgets/decomposition/maximum_likelihood.h"

#include <algorithm>

#include "core/kernel.h"
#include "core/message/bowtie_rays.h"

namespace counterflow {
namespace {

constexpr double kMovesError = 1e-3;  // relative error of counts that thresholds of each pixel's own may make: 0.01 keV

std::size_t unsigned_of(std::int64_t value) { return static_cast<std::size_t>(value); }

template <class Real>
void solve(const RaySystem<Real>& system, const RaySettings<Real>& settings, const RayData<Real>& data, RaySolution<Real>& out) {
  choose<SolveRays<Real>>(kernel_baseline::solve_rays, kernel_avx2::solve_rays, kernel_avx512::solve_rays)(system, settings, data,
                                                                                                           out);
}
template <class Real>
void adjoin(const RaySystem<Real>& system, const RaySettings<Real>& settings, const RayData<Real>& data,
            const RaySolution<Real>& at, const RayCotangents<Real>& out) {
  choose<AdjointRays<Real>>(kernel_baseline::adjoint_rays, kernel_avx2::adjoint_rays, kernel_avx512::adjoint_rays)(
      system, settings, data, at, out);
}
template <class Real>
void unroll(const RaySystem<Real>& system, const RaySettings<Real>& settings, const RayData<Real>& data,
            RaySolution<Real>& replayed, const RayCotangents<Real>& out) {
  std::vector<Real> tape((kStartIterations + 2 * settings.iterations) * kTapeChannels * kRayBlock);
  choose<UnrollRays<Real>>(kernel_baseline::unroll_rays, kernel_avx2::unroll_rays, kernel_avx512::unroll_rays)(
      system, settings, data, replayed, out, tape.data());
}

}  // namespace

template <class Real>
void MaximumLikelihood<Real>::describe(PropertyVisitor& v) {
  asked_.describe_model(v);
  v("quadrature", quadrature_,
    {.unit = "1",
     .text = "Energies that stand for all of them, chosen and weighted for the bins' spectra; 0 = all.",
     .min = 0,
     .max = static_cast<double>(kMaxEnergies)});
  v("quadrature_error", quadrature_error_,
    {.unit = "1", .text = "Relative error of counts that the quadrature may make.", .min = 1e-12, .max = 0.01});
  v("largest_shift", largest_shift_,
    {.unit = "keV", .text = "Largest threshold shift where each pixel has its own.", .min = 0.01, .max = 8});
  v("tolerance", tolerance_,
    {.unit = "sigma of the Cramer-Rao bound",
     .text = "The search stops after a Newton step shorter than this.",
     .min = 1e-14,
     .max = 0.1});
  v("iterations", iterations_, {.unit = "1", .text = "Steps after which a ray is given up.", .min = 1, .max = 10000});
  v("start_iterations", start_iterations_,
    {.unit = "1",
     .text = "Steps on few energies before those, at most; 0: straight from a straight line through the logarithms.",
     .min = 0,
     .max = static_cast<double>(kStartIterations)});
  v("unfinished", unfinished_,
    {.text =
         "What becomes of a ray after that many steps: sought once more with a ridge, else given up (hold); or left where the "
         "steps led (keep; needs adjoint = unrolled).",
     .choices = {"hold", "keep"}});
  v("adjoint", adjoint_,
    {.text =
         "Derivatives of the optimum, by the implicit function theorem, or of the steps that led there (unrolled; slower, for "
         "comparison).",
     .choices = {"implicit", "unrolled"}});
  v("bias_correction", bias_correction_,
    {.text = "Subtracts the first-order bias of low counts (Cox and Snell, 1968).", .choices = {"none", "cox-snell"}});
  asked_.describe_sums(v);
  v("non_negative", non_negative_, {.text = "Keeps areal densities from going below zero; multiplies the bias of images."});
  v("residual", residual_,
    {.text = "Also gives what it leaves of the counts of each bin: the signed root of the deviance, in sigmas."});
  asked_.describe_results(v, "a finite optimum");
}

template <class Real>
void MaximumLikelihood<Real>::check(const ScanHeader& header) const {
  const auto refuse_setting = [](const std::string& what) { throw ConfigError("MaximumLikelihood: " + what); };
  asked_.check(header);
  if (residual_ && bias_correction_ != "none")
    refuse_setting("residual is that of the optimum itself, which bias_correction moves; choose one of them");
  if (non_negative_ && bias_correction_ != "none")
    refuse_setting("bias_correction does not know the bias that non_negative makes; choose one of them");
  if (unfinished_ == "keep" && adjoint_ == "implicit")
    refuse_setting("rays left unfinished are not at an optimum, where alone the implicit adjoint holds; set adjoint to unrolled");
}

template <class Real>
ScanHeader MaximumLikelihood<Real>::output_header(const ScanHeader& header) const {
  check(header);
  return asked_.output_header(header);
}

template <class Real>
auto MaximumLikelihood<Real>::begin(const Params&, const ScanHeader& header) const -> State {
  check(header);
  const ScanGeometry summed = asked_.rays(header.geometry);
  State s;
  s.header = header;
  s.model = std::make_shared<const CountsModel>(header.system, asked_.materials, asked_.energy_step, BowtieUse::applied);
  if (s.model->bowtie()) s.bowtie = bowtie_densities<Real>(*s.model->bowtie(), summed);
  const BinWeights& nominal = s.model->nominal();
  for (std::size_t b = 0; b < s.model->bins(); ++b)
    if (!(nominal.total[b] > 0))
      throw ConfigError("MaximumLikelihood: bin " + std::to_string(b) +
                        " sees no photons; expected thresholds below the tube voltage");
  std::array<double, kMaxKnown> most_known = {};
  for (std::size_t k = 0; k < s.bowtie.extent(0) && k < kMaxKnown; ++k)
    most_known[k] = static_cast<double>(*std::ranges::max_element(s.bowtie.block(k)));
  s.plan = plan_rays(s.model->attenuation(), nominal, s.model->bowtie_attenuation(), unsigned_of(quadrature_), most_known);
  if (quadrature_ > 0) s.quadrature = quadrature_error(s.plan, nominal);
  if (s.quadrature.counts > quadrature_error_)
    throw ConfigError("MaximumLikelihood: a quadrature of " + std::to_string(quadrature_) + " energies describes counts within " +
                      number_text(s.quadrature.counts) + ", expected " + number_text(quadrature_error_) +
                      "; raise quadrature, or quadrature_error");
  s.nominal = std::make_shared<const RayTables<Real>>(s.plan, nominal, nominal, false);
  if (s.model->has_thresholds()) {
    const ThresholdMoves moves = plan_moves(s.plan, own_shift(header.system), [&](double shift) {
      return s.model->shifted(std::vector<double>(s.model->bins(), shift));
    });
    s.moves_error = moves.error;
    s.own = std::make_shared<const RayTables<Real>>(s.plan, nominal, moves, asked_.air_moves());
  }
  s.channels = asked_.areal_densities();
  s.tally = std::make_shared<Tally>();
  s.last = std::make_shared<LastParts>();
  return s;
}

template <class Real>
Footprint MaximumLikelihood<Real>::footprint(const ScanHeader& header) const {
  const ScanGeometry g = asked_.rays(header.geometry);
  const std::size_t arrays = asked_.arrays() + (residual_ ? header.bins() : 0);
  const auto energies = static_cast<std::size_t>(header.system.tube_voltage / asked_.energy_step) + 1;
  const std::size_t bins = header.bins();
  const std::size_t bowtie = header.system.bowtie.empty()
                                 ? 0
                                 : kMaxKnown * sizeof(Real) * checked_size(g.rows, g.columns) + energies * bins * sizeof(Real);
  return {
      .message = arrays * checked_size(g.rows, g.columns) * sizeof(Real),
      .state = energies * (sizeof(Real) * (2 * asked_.channels() + 2 * bins) + sizeof(double) * (asked_.channels() + 40 * bins)) +
               bowtie};
}

// The largest shift of pixels' own thresholds: short of where the last would pass an upper end that does not move.
template <class Real>
double MaximumLikelihood<Real>::own_shift(const SpectralSystem& system) const {
  const auto& t = system.thresholds;
  return t.size() > system.bins ? std::min(largest_shift_, 0.9 * (t.back() - t[t.size() - 2])) : largest_shift_;
}

template <class Real>
RaySettings<Real> MaximumLikelihood<Real>::settings(bool bias_correction) const {
  RaySettings<Real> s;
  s.tolerance = static_cast<Real>(tolerance_);
  s.iterations = unsigned_of(iterations_);
  s.start_iterations = unsigned_of(start_iterations_);
  s.non_negative = non_negative_;
  s.bias_correction = bias_correction;
  s.keep_unfinished = unfinished_ == "keep";
  for (std::size_t m = 0; m < asked_.channels(); ++m) s.failed_value[m] = static_cast<Real>(asked_.failed_value_of(m));
  return s;
}

template <class Real>
void MaximumLikelihood<Real>::check(const State& state, const In& x) const {
  asked_.check(state.header, x, state.model->has_thresholds());
  if (pixels_have_own_thresholds(state, x)) return check_own_thresholds(state, x);
  asked_.check_shifts(state.header, x, "[threshold,row or 1,module (or row,column)]");
}

template <class Real>
bool MaximumLikelihood<Real>::pixels_have_own_thresholds(const State& state, const In& x) const {
  const ScanGeometry& g = state.header.geometry;
  return !x.threshold_shift.empty() && x.threshold_shift.extent(1) == g.rows && x.threshold_shift.extent(2) == g.columns &&
         g.columns != state.header.modules;
}

template <class Real>
void MaximumLikelihood<Real>::check_own_thresholds(const State& state, const In& x) const {
  const Array<Real, 3>& shift = x.threshold_shift;
  if (shift.extent(0) != state.model->bins())
    asked_.refuse(x.view, "expected a shift for each of " + std::to_string(state.model->bins()) + " thresholds, got " +
                              std::to_string(shift.extent(0)));
  if (!asked_.summing().none())
    asked_.refuse(
        x.view,
        "each pixel has its own threshold shifts, so that pixels cannot be summed exactly; set sum_rows and sum_columns to 1");
  if (state.moves_error > kMovesError)
    asked_.refuse(x.view, "with shifts of up to " + number_text(largest_shift_) +
                              " keV in each pixel counts are described within " + number_text(state.moves_error) + ", expected " +
                              number_text(kMovesError) + "; lower largest_shift");
  const double largest = own_shift(state.header.system);
  const auto& nominal = state.header.system.thresholds;
  const std::size_t pixels = shift.size() / shift.extent(0);
  for (std::size_t i = 0; i < shift.size(); ++i) {
    const std::size_t k = i / pixels;
    if (!(std::abs(static_cast<double>(shift[i])) <= largest))
      asked_.refuse(x.view, "expected shifts within +-" + number_text(largest) + " keV where each pixel has its own, got " +
                                number_text(static_cast<double>(shift[i])) + " keV of threshold " + std::to_string(k) +
                                "; raise largest_shift");
    if (k > 0 && !(nominal[k - 1] + static_cast<double>(shift[i - pixels]) < nominal[k] + static_cast<double>(shift[i])))
      asked_.refuse(x.view, "expected thresholds that ascend, but the shifts of a pixel move number " + std::to_string(k - 1) +
                                " beyond the next");
  }
}

template <class Real>
RayPatch<Real> MaximumLikelihood<Real>::patch(const Part& part, const State& state, const In& x) const {
  RayPatch<Real> patch(x, part.group.range, asked_.summing(), state.bowtie);
  if (part.own) patch.gather_shifts(x.threshold_shift);
  return patch;
}

template <class Real>
auto MaximumLikelihood<Real>::parts(const State& state, const In& x) const -> std::shared_ptr<const std::vector<Part>> {
  using Parts = std::vector<Part>;
  const bool own = pixels_have_own_thresholds(state, x);
  if (own || x.threshold_shift.empty()) {
    const RayGroup all = asked_.groups(state.header, Array<Real, 3>()).front();
    return std::make_shared<const Parts>(Parts{{all, own ? state.own : state.nominal, own}});
  }
  {
    const std::lock_guard lock(state.last->mutex);
    if (state.last->parts && state.last->shift == x.threshold_shift) return state.last->parts;
  }
  auto parts = std::make_shared<const Parts>(module_parts(state, x));
  const std::lock_guard lock(state.last->mutex);
  state.last->shift = x.threshold_shift;
  return state.last->parts = parts;
}

template <class Real>
auto MaximumLikelihood<Real>::module_parts(const State& state, const In& x) const -> std::vector<Part> {
  const BinWeights& nominal = state.model->nominal();
  std::vector<Part> parts;
  for (RayGroup& group : asked_.groups(state.header, x.threshold_shift)) {
    const BinWeights weights = state.model->shifted(group.shift), &air = asked_.air_moves() ? weights : nominal;
    for (double total : air.total)
      if (!(total > 0)) asked_.refuse(x.view, "its threshold shifts leave a bin without photons");
    parts.push_back({std::move(group), std::make_shared<const RayTables<Real>>(state.plan, weights, air, asked_.air_moves())});
  }
  return parts;
}

template <class Real>
auto MaximumLikelihood<Real>::forward(const Params&, const State& state, const In& x) const -> Out {
  check(state, x);
  const Summing summing = asked_.summing();
  const std::size_t rows = state.header.geometry.rows / summing.rows, columns = state.header.geometry.columns / summing.columns;
  const std::size_t channels = asked_.channels(), pairs = pair_count(channels), bins = x.counts.extent(0);
  Out y{x.view, Array<Real, 3>({channels, rows, columns}), {}, state.channels};
  if (asked_.covariance) y.covariance = Array<Real, 3>({pairs, rows, columns});
  if (residual_) y.residual = Array<Real, 3>({bins, rows, columns});
  std::uint64_t failed = 0, held = 0, unfinished = 0, steps = 0;
  for (const auto all = parts(state, x); const Part& part : *all) {
    RayPatch<Real> patch = this->patch(part, state, x);
    std::vector<Real> density(channels * patch.padded()), covariance(asked_.covariance ? pairs * patch.padded() : 0);
    std::vector<Real> residual(residual_ ? bins * patch.padded() : 0);
    RaySolution<Real> solution{density.data(), asked_.covariance ? covariance.data() : nullptr, patch.fate().data(), 0,
                               residual_ ? residual.data() : nullptr};
    solve(part.tables->system(), settings(bias_correction_ != "none"), patch.data(), solution);
    for (std::size_t m = 0; m < channels; ++m) patch.put(density.data() + m * patch.padded(), m, y.areal_density);
    for (std::size_t k = 0; asked_.covariance && k < pairs; ++k)
      patch.put(covariance.data() + k * patch.padded(), k, y.covariance);
    for (std::size_t b = 0; residual_ && b < bins; ++b) patch.put(residual.data() + b * patch.padded(), b, y.residual);
    const auto end = patch.fate().begin() + static_cast<std::ptrdiff_t>(patch.rays());
    failed += static_cast<std::uint64_t>(std::count(patch.fate().begin(), end, kFailed));
    held += static_cast<std::uint64_t>(std::count(patch.fate().begin(), end, kHeld));
    unfinished += static_cast<std::uint64_t>(std::count(patch.fate().begin(), end, kUnfinished));
    steps += solution.steps;
  }
  state.tally->rays += rows * columns;
  state.tally->failed += failed;
  state.tally->held += held;
  state.tally->unfinished += unfinished;
  state.tally->steps += steps;
  return y;
}

template <class Real>
void MaximumLikelihood<Real>::adjoin_part(const Part& part, const State& state, const In& x, const Out& y, const Out& y_bar,
                                          In& x_bar) const {
  const bool corrected = bias_correction_ != "none", shifts = !x.threshold_shift.empty();
  RayPatch<Real> patch = this->patch(part, state, x);
  const std::size_t n = patch.padded(), bins = x.counts.extent(0), thresholds = x.threshold_shift.extent(0);
  std::vector<Real> at(asked_.channels() * n), bar(at.size()), counts_bar(bins * n);
  std::vector<Real> background_bar(x.background.empty() ? 0 : bins * n), shift_bar(part.own ? thresholds * n : 0);
  std::vector<double> threshold_bar(thresholds);
  for (std::size_t m = 0; m < asked_.channels(); ++m) {
    patch.get(y.areal_density, m, at.data() + m * n);
    if (!y_bar.areal_density.empty()) patch.get(y_bar.areal_density, m, bar.data() + m * n);
  }
  const bool residuals = !y_bar.residual.empty();
  std::vector<Real> residual_bar(residuals ? bins * n : 0);
  for (std::size_t b = 0; residuals && b < bins; ++b) patch.get(y_bar.residual, b, residual_bar.data() + b * n);
  RaySolution<Real> solution{at.data(), nullptr, patch.fate().data(), 0, nullptr};
  const RayCotangents<Real> out{bar.data(),
                                counts_bar.data(),
                                x.background.empty() ? nullptr : background_bar.data(),
                                shifts && !part.own ? threshold_bar.data() : nullptr,
                                part.own ? shift_bar.data() : nullptr,
                                residuals ? residual_bar.data() : nullptr};
  const RaySystem<Real> system = part.tables->system();
  if (adjoint_ == "unrolled") {
    unroll(system, settings(corrected), patch.data(), solution, out);
    state.tally->unrolled += solution.steps;
  } else {
    if (corrected) solve(system, settings(false), patch.data(), solution);  // y does not hold the optimum itself
    adjoin(system, settings(corrected), patch.data(), solution, out);
  }
  for (std::size_t b = 0; b < bins; ++b) {
    patch.sums().spread(counts_bar.data() + b * n, b, x_bar.counts);
    if (!x.background.empty()) patch.sums().spread(background_bar.data() + b * n, b, x_bar.background);
  }
  for (std::size_t k = 0; k < thresholds; ++k)
    if (part.own) patch.put(shift_bar.data() + k * n, k, x_bar.threshold_shift);
    else x_bar.threshold_shift(k, part.group.shift_row, part.group.module) += static_cast<Real>(threshold_bar[k]);
}

template <class Real>
auto MaximumLikelihood<Real>::adjoint(const Params&, const State& state, const In& x, const Out& y, const Out& y_bar,
                                      Params&) const -> In {
  check(state, x);
  In x_bar = zero_like(x);
  if (y_bar.areal_density.empty() && y_bar.residual.empty()) return x_bar;
  for (const auto all = parts(state, x); const Part& part : *all) adjoin_part(part, state, x, y, y_bar, x_bar);
  return x_bar;
}

template <class Real>
std::vector<Remark> MaximumLikelihood<Real>::report(const State& state) const {
  std::vector<Remark> remarks = {{"rays without a finite optimum", state.tally->failed, state.tally->rays},
                                 {"rays held by the ridge", state.tally->held, state.tally->rays}};
  if (unfinished_ == "keep") remarks.push_back({"rays left unfinished", state.tally->unfinished, state.tally->rays});
  if (quadrature_ > 0)
    remarks.push_back({"energies stand for all; counts within " + number_text(state.quadrature.counts) + ", bias within " +
                           number_text(1e3 * state.quadrature.sigmas) + " sigma of the bound at 1e6 open-beam counts",
                       state.plan.full.energy.size(), state.model->energies().size()});
  return remarks;
}

template class MaximumLikelihood<float>;
template class MaximumLikelihood<double>;

}  // namespace counterflow
