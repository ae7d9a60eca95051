// Writing and reading whole scans: bytes of complex float data a second, beside a plain copy of the same bytes in memory.
#include <benchmark/benchmark.h>
#include <ismrmrd/dataset.h>

#include <cmath>
#include <cstring>

#include "core/archive/archive.h"
#include "core/archive/test_scan.h"

namespace counterflow {
namespace {

ScanHeader large_header() {
  ScanHeader h = testing::small_header();
  h.geometry.rows = 16;
  h.geometry.columns = 512;
  h.geometry.views = 180;
  h.system.bins = 5;
  h.system.thresholds = {25, 35, 50, 65, 80};
  h.system.open_beam_counts = 1e5;
  return h;
}

constexpr std::int64_t kBytes = std::int64_t{180} * 80 * 512 * 8;

// Open beams and a body behind which one photon in fifty arrives, as counts of a scan spread.
std::vector<Counts<float>> likely_views(const ScanHeader& h) {
  auto views = testing::small_views(h, 0, 0);
  std::mt19937 random(3);
  std::uniform_real_distribution<double> u;
  for (auto& view : views)
    for (std::size_t b = 0; b < view.counts.extent(0); ++b)
      for (std::size_t r = 0; r < view.counts.extent(1); ++r)
        for (std::size_t c = 0; c < view.counts.extent(2); ++c) {
          const double x = (static_cast<double>(c) - 255.5) / 200;
          const double mean = 2e4 * std::exp(x * x < 1 ? -4 * std::sqrt(1 - x * x) : 0);
          view.counts(b, r, c) =
              static_cast<float>(std::floor(mean + std::sqrt(mean) * (u(random) + u(random) + u(random) - 1.5) * 2));
        }
  return views;
}

std::filesystem::path benchmark_file() { return std::filesystem::temp_directory_path() / "counterflow_archive_benchmark.h5"; }

void write_form(benchmark::State& state, ArchiveForm form) {
  const ScanHeader h = large_header();
  const auto views = likely_views(h);
  for (auto _ : state) testing::write_scan(benchmark_file(), h, views, form);
  state.counters["bytes_a_count"] =
      static_cast<double>(std::filesystem::file_size(benchmark_file())) / (static_cast<double>(kBytes) / 8);
  std::filesystem::remove(benchmark_file());
  state.SetBytesProcessed(state.iterations() * kBytes);
}
void write_scan(benchmark::State& state) { write_form(state, ArchiveForm::plain); }
void write_compact_scan(benchmark::State& state) { write_form(state, ArchiveForm::compact); }
BENCHMARK(write_scan)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(write_compact_scan)->Unit(benchmark::kMillisecond)->UseRealTime();

void read_form(benchmark::State& state, ArchiveForm form) {
  const ScanHeader h = large_header();
  testing::write_scan(benchmark_file(), h, likely_views(h), form);
  for (auto _ : state) {
    ArchiveReader reader(benchmark_file());
    while (reader.next<float>().index() != 0) {
    }
  }
  std::filesystem::remove(benchmark_file());
  state.SetBytesProcessed(state.iterations() * kBytes);
}
void read_scan(benchmark::State& state) { read_form(state, ArchiveForm::plain); }
void read_compact_scan(benchmark::State& state) { read_form(state, ArchiveForm::compact); }
BENCHMARK(read_scan)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(read_compact_scan)->Unit(benchmark::kMillisecond)->UseRealTime();

// The same plain archive by libismrmrd itself.
void read_scan_by_libismrmrd(benchmark::State& state) {
  const ScanHeader h = large_header();
  testing::write_scan(benchmark_file(), h, likely_views(h));
  for (auto _ : state) {
    ISMRMRD::Dataset dataset(benchmark_file().c_str(), "dataset", false);
    ISMRMRD::Acquisition acquisition;
    for (std::uint32_t k = 0; k < dataset.getNumberOfAcquisitions(); ++k) dataset.readAcquisition(k, acquisition);
  }
  std::filesystem::remove(benchmark_file());
  state.SetBytesProcessed(state.iterations() * kBytes);
}
BENCHMARK(read_scan_by_libismrmrd)->Unit(benchmark::kMillisecond)->UseRealTime();

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
