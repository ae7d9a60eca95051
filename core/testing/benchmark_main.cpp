// main() of every benchmark: the machine's own peaks, of the same run, stand in the context of its figures.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "core/kernel.h"
#include "core/testing/machine_peak.h"

int main(int argc, char** argv) {
  using namespace counterflow;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  constexpr const char* kIsaNames[] = {"baseline", "avx2", "avx512"};
  benchmark::AddCustomContext("instruction_set", kIsaNames[static_cast<int>(best_isa())]);
  benchmark::AddCustomContext("multiply_adds_per_second", fmt::format("{:.4g}", testing::multiply_add_peak()));
  benchmark::AddCustomContext("copied_bytes_per_second", fmt::format("{:.4g}", testing::copy_peak()));
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
