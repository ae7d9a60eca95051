#include "gadgets/proxy_decomposition/proxy_tables.h"

#include <numbers>

namespace counterflow {

template <class Real>
ProxyTables<Real>::ProxyTables(const ArealDensityEstimator& estimator, EffectiveNodes nodes,
                               const std::vector<double>& failed_value)
    : nodes_(std::move(nodes)) {
  const auto convert = [](const auto& from, double factor) {
    std::vector<Real> to;
    for (double v : from) to.push_back(static_cast<Real>(v * factor));
    return to;
  };
  log_weight_ = convert(nodes_.log_weight, 1 / std::numbers::ln2);
  exponent_ = convert(nodes_.attenuation, -1 / std::numbers::ln2);
  attenuation_ = convert(nodes_.attenuation, 1);
  const LogTransmission centre = estimator.at(nodes_, estimator.centre());
  centre_value_ = convert(centre.value, 1);
  centre_slope_ = convert(centre.slope, 1);
  const EffectiveSpectra& spectra = estimator.spectra();
  system_ = {spectra.bins(),   spectra.materials(), spectra.first().data(), log_weight_.data(),
             exponent_.data(), attenuation_.data(), centre_value_.data(),   centre_slope_.data()};
  for (std::size_t m = 0; m < spectra.materials(); ++m) {
    system_.centre[m] = static_cast<Real>(estimator.centre()[m]);
    system_.prior[m] = static_cast<Real>(estimator.prior()[m]);
    system_.range[m] = static_cast<Real>(spectra.range()[m]);
    system_.failed_value[m] = static_cast<Real>(failed_value[failed_value.size() == 1 ? 0 : m]);
  }
}

ProxyNodeBars::ProxyNodeBars(const ArealDensityEstimator& estimator) {
  const EffectiveSpectra& s = estimator.spectra();
  nodes_ = {std::vector<double>(s.nodes()), Array<double, 2>({s.nodes(), s.materials()})};
  centre_ = {std::vector<double>(s.bins()), Array<double, 2>({s.bins(), s.materials()})};
}

EffectiveNodes ProxyNodeBars::total(const ArealDensityEstimator& estimator, const EffectiveNodes& nodes) const {
  EffectiveNodes out = nodes_;
  estimator.adjoin(nodes, estimator.centre(), centre_, out);
  return out;
}

template class ProxyTables<float>;
template class ProxyTables<double>;

}  // namespace counterflow
