// Writing and reading whole scans: bytes of complex float data a second, beside a plain copy of the same bytes in memory.
#include <benchmark/benchmark.h>

#include <cstring>

#include "core/archive/archive.h"
#include "core/archive/test_scan.h"

namespace counterflow {
namespace {

ScanHeader large_header() {
  ScanHeader h = test::small_header();
  h.geometry.rows = 16;
  h.geometry.columns = 512;
  h.geometry.views = 180;
  h.system.bins = 5;
  h.system.thresholds = {25, 35, 50, 65, 80};
  h.system.open_beam_counts = 1e5;
  return h;
}

constexpr std::int64_t kBytes = std::int64_t{180} * 80 * 512 * 8;

void write_scan(benchmark::State& state) {
  const std::filesystem::path file = std::filesystem::temp_directory_path() / "counterflow_archive_benchmark.h5";
  const ScanHeader h = large_header();
  const auto views = test::small_views(h, 0);
  for (auto _ : state) test::write_scan(file, h, views);
  std::filesystem::remove(file);
  state.SetBytesProcessed(state.iterations() * kBytes);
}
BENCHMARK(write_scan)->Unit(benchmark::kMillisecond)->UseRealTime();

void read_scan(benchmark::State& state) {
  const std::filesystem::path file = std::filesystem::temp_directory_path() / "counterflow_archive_benchmark.h5";
  const ScanHeader h = large_header();
  test::write_scan(file, h, test::small_views(h, 0));
  for (auto _ : state) {
    ArchiveReader reader(file);
    while (reader.next<float>().index() != 0) {
    }
  }
  std::filesystem::remove(file);
  state.SetBytesProcessed(state.iterations() * kBytes);
}
BENCHMARK(read_scan)->Unit(benchmark::kMillisecond)->UseRealTime();

void copy_in_memory(benchmark::State& state) {
  std::vector<char> from(kBytes, 1), to(kBytes);
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), kBytes);
    benchmark::DoNotOptimize(to.data());
  }
  state.SetBytesProcessed(state.iterations() * kBytes);
}
BENCHMARK(copy_in_memory)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace counterflow
