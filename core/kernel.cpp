#include "core/kernel.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace counterflow {
namespace {

Isa detect() {
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  const Isa best = avx512 ? Isa::avx512 : avx2 ? Isa::avx2 : Isa::baseline;
  const char* asked = std::getenv("COUNTERFLOW_ISA");
  if (!asked) return best;
  const std::string_view name = asked;
  return std::min(best, name == "baseline" ? Isa::baseline : name == "avx2" ? Isa::avx2 : Isa::avx512);
}

}  // namespace

Isa best_isa() {
  static const Isa isa = detect();
  return isa;
}

std::vector<Isa> available_isas() {
  std::vector<Isa> isas;
  for (Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512})
    if (isa <= best_isa()) isas.push_back(isa);
  return isas;
}

}  // namespace counterflow
