#include "pipelines/simulator/transmission_kernel.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/kernel.h"

namespace counterflow {
namespace {

TEST(TransmissionKernel, agrees_with_the_plain_sums_on_every_instruction_set) {
  constexpr std::size_t kEnergies = 181, kMaterials = 3;
  std::vector<double> mu(kMaterials * kEnergies), exponent(kEnergies), sum(kEnergies, 0.5), spectra(2 * kEnergies), out(2);
  for (std::size_t i = 0; i < mu.size(); ++i) mu[i] = 0.2 + 0.013 * static_cast<double>(i % 97);
  for (std::size_t i = 0; i < spectra.size(); ++i) spectra[i] = 1 + std::sin(static_cast<double>(i));
  const std::vector<double> areal{31.0, 99.0, 4.0};
  const std::vector<std::size_t> present{0, 2};
  for (Isa isa : available_isas()) {
    std::fill(sum.begin(), sum.end(), 0.5);
    choose(kernel_baseline::add_transmission, kernel_avx2::add_transmission, kernel_avx512::add_transmission, isa)(
        mu.data(), kEnergies, areal.data(), present.data(), present.size(), 0.25, exponent.data(), sum.data());
    choose(kernel_baseline::detect, kernel_avx2::detect, kernel_avx512::detect, isa)(spectra.data(), 2, kEnergies, sum.data(),
                                                                                     out.data());
    std::vector<double> expected(2, 0.0);
    for (std::size_t e = 0; e < kEnergies; ++e) {
      const double t = 0.5 + 0.25 * std::exp(-(mu[e] * 31.0 + mu[2 * kEnergies + e] * 4.0));
      EXPECT_NEAR(sum[e], t, 1e-15);
      for (std::size_t r = 0; r < 2; ++r) expected[r] += spectra[r * kEnergies + e] * t;
    }
    for (std::size_t r = 0; r < 2; ++r) EXPECT_NEAR(out[r], expected[r], 1e-13 * expected[r]);
  }
}

TEST(TransmissionKernel, exponentials_are_exact_to_the_last_bits_from_nothing_to_total_absorption) {
  for (Isa isa : available_isas())
    for (double x = 0; x < 690; x += 0.377) {
      const double one = 1;
      const std::size_t present = 0;
      double exponent = 0, sum = 0;
      choose(kernel_baseline::add_transmission, kernel_avx2::add_transmission, kernel_avx512::add_transmission, isa)(
          &x, 1, &one, &present, 1, 1.0, &exponent, &sum);
      EXPECT_NEAR(sum, std::exp(-x), 2e-15 * std::exp(-x)) << x;
    }
}

}  // namespace
}  // namespace counterflow
