// The hot loops of the simulator: exponentials over energies, and sums over energies.
#pragma once
#include <cstddef>

namespace counterflow {

// sum[e] += weight exp(-sum_m attenuation[m][e] areal[m]) over the `count` materials m listed in `present`; `exponent` is room
// for [energies] numbers.
using AddTransmission = void(const double* attenuation, std::size_t energies, const double* areal, const std::size_t* present,
                             std::size_t count, double weight, double* exponent, double* sum);
// out[r] = sum_e spectra[r][e] transmission[e].
using Detect = void(const double* spectra, std::size_t rows, std::size_t energies, const double* transmission, double* out);

namespace kernel_baseline {
AddTransmission add_transmission;
Detect detect;
}  // namespace kernel_baseline
namespace kernel_avx2 {
AddTransmission add_transmission;
Detect detect;
}  // namespace kernel_avx2
namespace kernel_avx512 {
AddTransmission add_transmission;
Detect detect;
}  // namespace kernel_avx512

}  // namespace counterflow
