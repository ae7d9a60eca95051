// The steps of core/physics/areal_density_estimator.h over rays side by side, and their adjoint.
#pragma once
#include <cstddef>
#include <cstdint>

namespace counterflow {

struct ProxyLimits {
  static constexpr std::size_t kBins = 8, kMaterials = 3, kNodes = 64;
};

// P_b(A) = sum_n 2^(log_weight_n + sum_m exponent_nm A_m), n = first_b .. first_b+1 - 1.
template <class Real>
struct ProxySystem {
  std::size_t bins = 0, materials = 0;
  const std::size_t* first = nullptr;  // [bin + 1]
  const Real* log_weight = nullptr;    // [node] base 2
  const Real* exponent = nullptr;      // [node, material] -mu / ln 2
  const Real* attenuation = nullptr;   // [node, material] mu, cm^2/g
  const Real* centre_value = nullptr;  // [bin] ln P_b at the centre
  const Real* centre_slope = nullptr;  // [bin, material] its slope
  Real centre[ProxyLimits::kMaterials] = {}, prior[ProxyLimits::kMaterials] = {}, range[ProxyLimits::kMaterials] = {};
  Real failed_value[ProxyLimits::kMaterials] = {};
};

// Consecutive rays. Each array holds one plane a bin, `plane` apart.
template <class Real>
struct ProxyRays {
  std::size_t rays = 0, plane = 0;
  const Real* counts = nullptr;
  const Real* open = nullptr;        // at exposure 1
  const Real* background = nullptr;  // or null
  Real exposure = 1;
};

template <class Real>
struct ProxyResult {
  std::size_t plane = 0;
  Real* areal_density = nullptr;  // one plane a material
  Real* covariance = nullptr;     // one plane a pair (upper triangle by rows), or null
  std::uint64_t failed = 0, outside = 0;
};

// `density_bar` like areal_density. Bars of the nodes and of the centre are summed over the rays and added to.
template <class Real>
struct ProxyCotangents {
  std::size_t density_plane = 0, plane = 0;
  const Real* density_bar = nullptr;
  Real* counts_bar = nullptr;
  Real* background_bar = nullptr;      // or null
  double* log_weight_bar = nullptr;    // [node], natural logarithm
  double* attenuation_bar = nullptr;   // [node, material]
  double* centre_value_bar = nullptr;  // [bin]
  double* centre_slope_bar = nullptr;  // [bin, material]
};

template <class Real>
using EstimateRays = void(const ProxySystem<Real>&, const ProxyRays<Real>&, ProxyResult<Real>&);
template <class Real>
using AdjoinRays = void(const ProxySystem<Real>&, const ProxyRays<Real>&, const ProxyCotangents<Real>&);

}  // namespace counterflow

namespace counterflow::kernel_baseline {
EstimateRays<float> estimate_rays;
EstimateRays<double> estimate_rays;
AdjoinRays<float> adjoin_rays;
AdjoinRays<double> adjoin_rays;
}  // namespace counterflow::kernel_baseline

namespace counterflow::kernel_avx2 {
EstimateRays<float> estimate_rays;
EstimateRays<double> estimate_rays;
AdjoinRays<float> adjoin_rays;
AdjoinRays<double> adjoin_rays;
}  // namespace counterflow::kernel_avx2

namespace counterflow::kernel_avx512 {
EstimateRays<float> estimate_rays;
EstimateRays<double> estimate_rays;
AdjoinRays<float> adjoin_rays;
AdjoinRays<double> adjoin_rays;
}  // namespace counterflow::kernel_avx512
