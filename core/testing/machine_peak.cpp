#include "core/testing/machine_peak.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <ctime>
#include <vector>

#include "core/kernel.h"
#include "core/testing/fma_peak_kernel.h"

namespace counterflow::testing {
namespace {

template <class Work>
double best_rate(int tries, Work work) {
  double best = 0;
  for (int k = 0; k < tries; ++k) {
    const std::clock_t start = std::clock();
    const double done = work();
    best = std::max(best, done * CLOCKS_PER_SEC / static_cast<double>(std::clock() - start));
  }
  return best;
}

}  // namespace

double multiply_add_peak() {
  static const double peak = [] {
    auto* const kernel = choose(kernel_baseline::multiply_adds, kernel_avx2::multiply_adds, kernel_avx512::multiply_adds);
    float sink = 0.5F;
    return best_rate(7, [&] { return static_cast<double>(kernel(1'000'000, &sink)); });
  }();
  return peak;
}

double copy_peak() {
  static const double peak = [] {
    std::vector<char> from(std::size_t{64} << 20, 1), to(from.size());
    char* volatile target = to.data();  // a copy that nobody reads would be left out
    return best_rate(7, [&] {
      for (int k = 0; k < 4; ++k) std::memcpy(target, from.data(), from.size());
      return 4 * static_cast<double>(from.size());
    });
  }();
  return peak;
}

}  // namespace counterflow::testing
