#include "pipelines/simulator/transmission_kernel.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

// exp(x) for x <= 0, below -700 like -700: 2^k exp(r), |r| <= ln 2 / 2, Taylor to degree 12 (relative error 3e-16).
inline double exp_of_negative(double x) {
  constexpr double kLog2e = 1.4426950408889634, kLn2High = 6.93147180369123816490e-01, kLn2Low = 1.90821492927058770002e-10;
  constexpr double kShift = 0x1.8p52;  // adding it rounds to an integer, found in the low bits
  x = x < -700 ? -700 : x;
  const double shifted = x * kLog2e + kShift, k = shifted - kShift;
  const double r = (x - k * kLn2High) - k * kLn2Low;
  double p = 1.0 / 479001600;
  p = p * r + 1.0 / 39916800;
  p = p * r + 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r + 1;
  p = p * r + 1;
  // The low bits of `shifted` hold k; moved into the exponent field and added to that of p.
  const unsigned long long power = __builtin_bit_cast(unsigned long long, shifted) << 52;
  return __builtin_bit_cast(double, __builtin_bit_cast(unsigned long long, p) + power);
}

}  // namespace

void add_transmission(const double* attenuation, std::size_t energies, const double* areal, const std::size_t* present,
                      std::size_t count, double weight, double* exponent, double* sum) {
#pragma omp simd
  for (std::size_t e = 0; e < energies; ++e) exponent[e] = 0;
  for (std::size_t m = 0; m < count; ++m) {
    const double* mu = attenuation + present[m] * energies;
    const double a = areal[present[m]];
#pragma omp simd
    for (std::size_t e = 0; e < energies; ++e) exponent[e] -= mu[e] * a;
  }
#pragma omp simd
  for (std::size_t e = 0; e < energies; ++e) sum[e] += weight * exp_of_negative(exponent[e]);
}

void detect(const double* spectra, std::size_t rows, std::size_t energies, const double* transmission, double* out) {
  for (std::size_t r = 0; r < rows; ++r) {
    const double* spectrum = spectra + r * energies;
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::size_t e = 0; e < energies; ++e) sum += spectrum[e] * transmission[e];
    out[r] = sum;
  }
}

}  // namespace counterflow::COUNTERFLOW_KERNEL
