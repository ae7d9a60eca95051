#include "gadgets/maps/effective_z.h"

#include <cmath>

#include "core/physics/material.h"

namespace counterflow {
namespace {

// use(voxel, Z, slope[channel]) in every voxel.
template <class Real, class Use>
void over_voxels(const PowerLaw& law, const Image<Real>& x, Use&& use) {
  const std::size_t n = x.value.extent(0), voxels = n > 0 ? x.value.size() / n : 0;
  std::vector<double> density(n), slope(n);
  for (std::size_t i = 0; i < voxels; ++i) {
    for (std::size_t m = 0; m < n; ++m) density[m] = static_cast<double>(x.value[m * voxels + i]);
    const double z = law.value(density.data(), slope.data());
    use(i, z, slope);
  }
}

// slope^T C slope in one voxel.
template <class Real>
Real variance(const Array<Real, 4>& covariance, std::size_t voxels, std::size_t i, const std::vector<double>& slope) {
  double sum = 0;
  const std::size_t n = slope.size();
  for (std::size_t a = 0; a < n; ++a)
    for (std::size_t b = a; b < n; ++b)
      sum += (a == b ? 1 : 2) * slope[a] * slope[b] * static_cast<double>(covariance[pair_index(a, b, n) * voxels + i]);
  return static_cast<Real>(std::max(sum, 0.0));
}

}  // namespace

PowerLaw::PowerLaw(const std::vector<std::string>& materials, double n, double least) : exponent(n), threshold(least) {
  const double water = electron_moment(find_material("water"), 0);
  for (const std::string& name : materials) {
    const Material material = find_material(name);
    electrons.push_back(electron_moment(material, 0) / water);
    moment.push_back(electron_moment(material, exponent) / water);
  }
}

double PowerLaw::value(const double* densities, double* slope) const {
  const std::size_t materials = electrons.size();
  double n = 0, m = 0;
  for (std::size_t k = 0; k < materials; ++k) n += densities[k] * electrons[k], m += densities[k] * moment[k];
  const bool empty = !(n >= threshold), least = !(m > n);
  const double z = empty ? 0 : least ? 1 : std::pow(m / n, 1 / exponent);
  for (std::size_t k = 0; slope && k < materials; ++k)
    slope[k] = empty || least ? 0 : z / exponent * (moment[k] / m - electrons[k] / n);
  return z;
}

template <class Real>
auto EffectiveZ<Real>::forward(const Params&, const State&, const In& x) const -> Out {
  const PowerLaw law(materials_of(x, "EffectiveZ"), exponent_, threshold_);
  Out y = image_like(x, {"effective_z", "1", {"effective Z"}}, 0);
  const std::size_t voxels = y.value.size();
  over_voxels(law, x, [&](std::size_t i, double z, const std::vector<double>& slope) {
    y.value[i] = static_cast<Real>(z);
    if (!x.covariance.empty()) y.covariance[i] = variance(x.covariance, voxels, i, slope);
  });
  return y;
}

template <class Real>
auto EffectiveZ<Real>::adjoint(const Params&, const State&, const In& x, const Out&, const Out& y_bar, Params&) const -> In {
  const PowerLaw law(materials_of(x, "EffectiveZ"), exponent_, threshold_);
  In x_bar = zero_like(x);
  const std::size_t voxels = y_bar.value.size();
  over_voxels(law, x, [&](std::size_t i, double, const std::vector<double>& slope) {
    for (std::size_t m = 0; m < slope.size(); ++m) x_bar.value[m * voxels + i] = static_cast<Real>(slope[m]) * y_bar.value[i];
  });
  return x_bar;
}

template class EffectiveZ<float>;
template class EffectiveZ<double>;

}  // namespace counterflow
