// Writing and reading whole scans of 180 views of 80 channels x 512 columns: bytes of complex float data a second of processor
// time, beside the copy peak of the same run. Names: archive_write|read/form:plain|compact, archive_read/form:by_libismrmrd
// (plain).
#include <benchmark/benchmark.h>
#include <ismrmrd/dataset.h>

#include <cmath>
#include <string>
#include <utility>

#include "core/archive/archive.h"
#include "core/archive/test_scan.h"
#include "core/testing/machine_peak.h"

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

void count_bytes(benchmark::State& state) {
  const double done = static_cast<double>(state.iterations() * kBytes);
  state.counters["bytes_per_second"] = benchmark::Counter(done, benchmark::Counter::kIsRate);
  state.counters["of_copy"] = benchmark::Counter(done / testing::copy_peak(), benchmark::Counter::kIsRate);
}

void write(benchmark::State& state, ArchiveForm form) {
  const ScanHeader h = large_header();
  const auto views = likely_views(h);
  for (auto _ : state) testing::write_scan(benchmark_file(), h, views, form);
  state.counters["bytes_a_count"] =
      static_cast<double>(std::filesystem::file_size(benchmark_file())) / (static_cast<double>(kBytes) / 8);
  std::filesystem::remove(benchmark_file());
  count_bytes(state);
}

void read(benchmark::State& state, ArchiveForm form) {
  const ScanHeader h = large_header();
  testing::write_scan(benchmark_file(), h, likely_views(h), form);
  for (auto _ : state) {
    ArchiveReader reader(benchmark_file());
    while (reader.next<float>().index() != 0) {
    }
  }
  std::filesystem::remove(benchmark_file());
  count_bytes(state);
}

void read_by_libismrmrd(benchmark::State& state) {
  const ScanHeader h = large_header();
  testing::write_scan(benchmark_file(), h, likely_views(h));
  for (auto _ : state) {
    ISMRMRD::Dataset dataset(benchmark_file().c_str(), "dataset", false);
    ISMRMRD::Acquisition acquisition;
    for (std::uint32_t k = 0; k < dataset.getNumberOfAcquisitions(); ++k) dataset.readAcquisition(k, acquisition);
  }
  std::filesystem::remove(benchmark_file());
  count_bytes(state);
}

const bool registered = [] {
  const auto add = [](const char* name, auto body) {
    benchmark::RegisterBenchmark(name, body)->Unit(benchmark::kMillisecond)->MeasureProcessCPUTime();
  };
  for (const auto& [name, form] : {std::pair("plain", ArchiveForm::plain), std::pair("compact", ArchiveForm::compact)}) {
    add((std::string("archive_write/form:") + name).c_str(), [form](benchmark::State& s) { write(s, form); });
    add((std::string("archive_read/form:") + name).c_str(), [form](benchmark::State& s) { read(s, form); });
  }
  add("archive_read/form:by_libismrmrd", read_by_libismrmrd);
  return true;
}();

}  // namespace
}  // namespace counterflow
