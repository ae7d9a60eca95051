// Rays a second of the simulator's kernels in double, one core, beside the multiply-add peak (of float: twice what double could
// reach) of the same run: transmission behind some materials at 181 energies, and its sums over the spectra of 5 bins. Names:
//   transmission/materials:3
#include <benchmark/benchmark.h>

#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "core/kernel.h"
#include "core/testing/machine_peak.h"
#include "pipelines/simulator/transmission_kernel.h"

namespace counterflow {
namespace {

constexpr std::size_t kEnergies = 181, kBins = 5;

void transmission(benchmark::State& state, std::size_t materials) {
  std::vector<double> attenuation(materials * kEnergies), spectra(kBins * kEnergies), exponent(kEnergies), sum(kEnergies),
      out(kBins);
  for (std::size_t i = 0; i < attenuation.size(); ++i) attenuation[i] = 0.2 + 0.01 * static_cast<double>(i % 97);
  for (std::size_t i = 0; i < spectra.size(); ++i) spectra[i] = 1 + std::sin(static_cast<double>(i));
  const std::vector<double> areal(materials, 10.);
  std::vector<std::size_t> present(materials);
  std::iota(present.begin(), present.end(), std::size_t{0});
  auto* const add = choose(kernel_baseline::add_transmission, kernel_avx2::add_transmission, kernel_avx512::add_transmission);
  auto* const detect = choose(kernel_baseline::detect, kernel_avx2::detect, kernel_avx512::detect);
  for (auto _ : state) {
    add(attenuation.data(), kEnergies, areal.data(), present.data(), materials, 1, exponent.data(), sum.data());
    detect(spectra.data(), kBins, kEnergies, sum.data(), out.data());
    benchmark::DoNotOptimize(out.data());
  }
  // Exponent, exponential (3 for its range, 12 for its polynomial), weight, bins.
  const double rays = static_cast<double>(state.iterations()), each = static_cast<double>(kEnergies * (materials + 16 + kBins));
  state.counters["rays_per_second"] = benchmark::Counter(rays, benchmark::Counter::kIsRate);
  state.counters["of_peak"] = benchmark::Counter(rays * each / testing::multiply_add_peak(), benchmark::Counter::kIsRate);
}

[[maybe_unused]] const bool registered = [] {
  for (std::size_t materials = 1; materials <= 3; ++materials)
    benchmark::RegisterBenchmark(("transmission/materials:" + std::to_string(materials)).c_str(),
                                 [=](benchmark::State& state) { transmission(state, materials); });
  return true;
}();

}  // namespace
}  // namespace counterflow
