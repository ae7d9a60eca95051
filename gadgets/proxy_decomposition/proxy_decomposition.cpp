#include "gadgets/proxy_decomposition/proxy_decomposition.h"

#include <cmath>

#include "core/kernel.h"

namespace counterflow {
namespace {

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
  asked_.describe_model(v);
  v("range", range_,
    {.unit = "g/cm^2",
     .text =
         "Largest areal density of each material that the fit covers; empty = 10 attenuation lengths of the body, 3 of others.",
     .min = 0});
  asked_.describe_sums(v);
  asked_.describe_results(v, "counts");
}

template <class Real>
void ProxyDecomposition<Real>::check(const ScanHeader& header) const {
  asked_.check(header);
  if (!header.system.bowtie.empty())
    throw ConfigError("ProxyDecomposition: behind the bowtie '" + header.system.bowtie +
                      "' each column has a spectrum of its own, which one set of effective energies does not describe; use "
                      "MaximumLikelihood");
}

template <class Real>
auto ProxyDecomposition<Real>::fit(const ScanHeader& header) const -> std::shared_ptr<const ArealDensityEstimator> {
  check(header);
  const CountsModel model(header.system, asked_.materials, asked_.energy_step);
  return std::make_shared<const ArealDensityEstimator>(
      model, EffectiveSpectra::Settings{.largest = range_, .air_moves = asked_.air_moves()});
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
  return asked_.output_header(header);
}

template <class Real>
auto ProxyDecomposition<Real>::begin(const Params& p, const ScanHeader& header) const -> State {
  asked_.rays(header.geometry);
  State s;
  s.header = header;
  s.estimator = fit(header);
  s.channels = asked_.areal_densities();
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
  const ScanGeometry g = asked_.rays(header.geometry);
  const std::size_t sums = asked_.summing().none() ? 0 : 3 * header.bins();  // while it runs
  return {.message = (asked_.arrays() + sums) * checked_size(g.rows, g.columns) * sizeof(Real),
          .state = 16 * ProxyLimits::kNodes * (1 + asked_.channels()) * sizeof(double)};
}

template <class Real>
void ProxyDecomposition<Real>::check(const State& state, const In& x) const {
  asked_.check(state.header, x, state.estimator->spectra().largest_shift() > 0);
  asked_.check_shifts(state.header, x, "[threshold,row or 1,module]");
}

template <class Real>
ProxyTables<Real> ProxyDecomposition<Real>::tables(const State& state, const RayGroup& group) const {
  const EffectiveSpectra& spectra = state.estimator->spectra();
  return ProxyTables<Real>(*state.estimator, group.shift.empty() ? state.nodes : spectra.shifted(state.nodes, group.shift),
                           asked_.failed_value);
}

template <class Real>
auto ProxyDecomposition<Real>::forward(const Params&, const State& state, const In& x) const -> Out {
  check(state, x);
  const SummedRays<Real> sums(x, asked_.summing());
  const std::size_t channels = asked_.channels(), pairs = pair_count(channels);
  Out y{x.view, Array<Real, 3>({channels, sums.rows(), sums.columns()}), {}, state.channels};
  if (asked_.covariance) y.covariance = Array<Real, 3>({pairs, sums.rows(), sums.columns()});
  ProxyResult<Real> result{.plane = sums.rows() * sums.columns()};
  for (const RayGroup& group : asked_.groups(state.header, x.threshold_shift)) {
    const ProxyTables<Real> spectra = tables(state, group);
    sums.each_run(group, [&](std::size_t at, const ProxyRays<Real>& rays) {
      result.areal_density = y.areal_density.data() + at;
      result.covariance = asked_.covariance ? y.covariance.data() + at : nullptr;
      estimate(spectra.system(), rays, result);
    });
  }
  state.tally->rays += result.plane;
  state.tally->failed += result.failed;
  state.tally->outside += result.outside;
  return y;
}

// Cotangents of the rays of one group into counts_bar and background_bar; returns those of its nodes.
template <class Real>
EffectiveNodes ProxyDecomposition<Real>::adjoin_group(const State& state, const RayGroup& group, const SummedRays<Real>& sums,
                                                      const Array<Real, 3>& density_bar, Array<Real, 3>& counts_bar,
                                                      Array<Real, 3>& background_bar) const {
  const ProxyTables<Real> spectra = tables(state, group);
  ProxyNodeBars bars(*state.estimator);
  ProxyCotangents<Real> out{.density_plane = sums.rows() * sums.columns(), .plane = sums.rows() * sums.columns()};
  bars.point(out);
  sums.each_run(group, [&](std::size_t at, const ProxyRays<Real>& rays) {
    out.density_bar = density_bar.data() + at;
    out.counts_bar = counts_bar.data() + at;
    out.background_bar = background_bar.empty() ? nullptr : background_bar.data() + at;
    adjoin(spectra.system(), rays, out);
  });
  return bars.total(*state.estimator, spectra.nodes());
}

template <class Real>
auto ProxyDecomposition<Real>::adjoint(const Params&, const State& state, const In& x, const Out&, const Out& y_bar,
                                       Params& p_bar) const -> In {
  check(state, x);
  In x_bar = zero_like(x);
  if (y_bar.areal_density.empty()) return x_bar;
  const SummedRays<Real> sums(x, asked_.summing());
  Array<Real, 3> counts_bar({state.header.bins(), sums.rows(), sums.columns()}), background_bar;
  if (!x.background.empty()) background_bar = counts_bar;
  std::vector<double> log_weight_bar(p_bar.log_weight.size()), attenuation_bar(p_bar.log_attenuation.size());
  for (const RayGroup& group : asked_.groups(state.header, x.threshold_shift)) {
    const EffectiveNodes nodes_bar = adjoin_group(state, group, sums, y_bar.areal_density, counts_bar, background_bar);
    for (std::size_t n = 0; n < log_weight_bar.size(); ++n) log_weight_bar[n] += nodes_bar.log_weight[n];
    for (std::size_t n = 0; n < attenuation_bar.size(); ++n) attenuation_bar[n] += nodes_bar.attenuation[n];
    std::vector<double> shift_bar(group.shift.size());
    if (!shift_bar.empty()) state.estimator->spectra().adjoin_shift(group.shift, nodes_bar, shift_bar);
    for (std::size_t k = 0; k < shift_bar.size(); ++k)
      x_bar.threshold_shift(k, group.shift_row, group.module) += static_cast<Real>(shift_bar[k]);
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
