// The response that a scan's detector text asks for, kept on disk because the Monte Carlo takes seconds.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <optional>
#include <string_view>
#include <system_error>

#include "core/error.h"
#include "core/physics/detector_response.h"
#include "core/physics/spectrum_file.h"
#include "core/text.h"

namespace counterflow {
namespace {

constexpr int kVersion = 1;  // of the Monte Carlo: raise it when its results change
constexpr std::size_t kPhotons = 10000;
constexpr std::uint64_t kSeed = 1;

// Fowler, Noll and Vo's hash (FNV-1a).
std::uint64_t hash_of(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

// Everything that the response depends on, as one line.
std::string key_of(const Sensor& s, double max_energy) {
  std::string key = "counterflow response " + std::to_string(kVersion) + " " + s.material;
  for (double v : {s.thickness, s.pixel_columns, s.pixel_rows, s.voltage, s.noise, max_energy}) key += " " + number_text(v);
  return key + " " + std::to_string(kPhotons) + " " + std::to_string(kSeed);
}

void append(std::string& bytes, const void* data, std::size_t size) { bytes.append(static_cast<const char*>(data), size); }

// key, newline, sizes of both grids, grids, density, hash of all before.
std::string to_bytes(const std::string& key, const DetectorResponse& response) {
  std::string bytes = key + "\n";
  const std::uint64_t sizes[] = {response.incident().size(), response.recorded().size()};
  append(bytes, sizes, sizeof sizes);
  for (const auto* values : {&response.incident(), &response.recorded(), &response.table().values()})
    append(bytes, values->data(), values->size() * sizeof(double));
  const std::uint64_t hash = hash_of(bytes);
  append(bytes, &hash, sizeof hash);
  return bytes;
}

// Nothing where the file is not what to_bytes wrote for this key.
std::optional<DetectorResponse> from_bytes(const std::string& key, std::string_view bytes) {
  std::uint64_t sizes[2], hash = 0;
  std::size_t at = key.size() + 1;
  if (bytes.size() < at + sizeof sizes + sizeof hash || bytes.compare(0, at, key + "\n") != 0) return std::nullopt;
  std::memcpy(&hash, bytes.data() + bytes.size() - sizeof hash, sizeof hash);
  if (hash != hash_of(bytes.substr(0, bytes.size() - sizeof hash))) return std::nullopt;
  std::memcpy(sizes, bytes.data() + at, sizeof sizes);
  at += sizeof sizes;
  if (sizes[0] > 10000 || sizes[1] > 10000) return std::nullopt;
  std::vector<double> incident(sizes[0]), recorded(sizes[1]);
  Array<double, 2> density({incident.size(), recorded.size()});
  if (bytes.size() != at + sizeof hash + sizeof(double) * (incident.size() + recorded.size() + density.size()))
    return std::nullopt;
  for (auto* values : {&incident, &recorded, &density.values()}) {
    std::memcpy(values->data(), bytes.data() + at, values->size() * sizeof(double));
    at += values->size() * sizeof(double);
  }
  try {
    return DetectorResponse(incident, recorded, density);
  } catch (const DataError&) {
    return std::nullopt;
  }
}

// Mapped read-only: processes share what the kernel holds of the file.
std::optional<DetectorResponse> read_cache(const std::string& key, const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return std::nullopt;
  std::optional<DetectorResponse> found;
  struct stat status {};
  if (::fstat(descriptor, &status) == 0 && status.st_size > 0) {
    const auto size = static_cast<std::size_t>(status.st_size);
    void* const bytes = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (bytes != MAP_FAILED) {
      found = from_bytes(key, {static_cast<const char*>(bytes), size});
      ::munmap(bytes, size);
    }
  }
  ::close(descriptor);
  return found;
}

// Of several processes that need the same response one computes it, the others wait for it.
class Turn {
 public:
  explicit Turn(const std::filesystem::path& folder) {
    std::error_code ignored;
    std::filesystem::create_directories(folder, ignored);
    descriptor_ = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor_ >= 0) ::flock(descriptor_, LOCK_EX);
  }
  ~Turn() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  int descriptor_ = -1;
};

// A cache that cannot be written costs time, not results: failures are left alone.
void write_cache(const std::string& key, const DetectorResponse& response, const std::filesystem::path& file) {
  std::error_code ignored;
  std::filesystem::create_directories(file.parent_path(), ignored);
  const std::filesystem::path temporary = file.string() + "." + std::to_string(getpid());
  {
    std::ofstream out(temporary, std::ios::binary);
    const std::string bytes = to_bytes(key, response);
    if (!out.write(bytes.data(), static_cast<std::streamsize>(bytes.size())) || !out.flush()) {
      std::filesystem::remove(temporary, ignored);
      return;
    }
  }
  std::filesystem::rename(temporary, file, ignored);
  if (ignored) std::filesystem::remove(temporary, ignored);
}

DetectorResponse cached_response(const Sensor& sensor, double max_energy, const std::filesystem::path& cache) {
  if (cache.empty()) return simulate_response(sensor, max_energy, kPhotons, kSeed);
  const std::string key = key_of(sensor, max_energy);
  char name[32];
  const auto end = std::to_chars(name, name + sizeof name, hash_of(key), 16).ptr;
  const std::filesystem::path file = cache / ("response-" + std::string(name, end) + ".bin");
  if (auto found = read_cache(key, file)) return *std::move(found);
  const Turn turn(cache);
  if (auto found = read_cache(key, file)) return *std::move(found);
  DetectorResponse response = simulate_response(sensor, max_energy, kPhotons, kSeed);
  write_cache(key, response, file);
  return response;
}

}  // namespace

Sensor sensor_of(const std::string& text, double pixel_columns, double pixel_rows) {
  const auto parts = words(text);
  Sensor sensor;
  const std::string last = parts.empty() ? "" : parts.back();
  const auto [end, error] = std::from_chars(last.data(), last.data() + last.size(), sensor.thickness);
  if (parts.size() != 2 || error != std::errc() || end != last.data() + last.size() || !(sensor.thickness > 0))
    throw ConfigError(
        "expected a detector as 'CdTe 1.6' (CdTe, CZT or Si and mm), 'ideal' or the name of a response file, got '" + text + "'");
  sensor.material = parts[0];
  sensor.pixel_columns = pixel_columns;
  sensor.pixel_rows = pixel_rows;
  sensor.voltage = 625 * sensor.thickness;  // 1000 V over 1.6 mm
  if (sensor.material == "Si") {            // wafers a pixel thick, depleted at 0.6 V/um
    sensor.voltage = 600 * pixel_columns;
    sensor.noise = 1.5;
  }
  return sensor;
}

void prepare_response(SpectralSystem& system, const std::filesystem::path& cache) {
  if (!system.bin_spectra.empty()) return;
  const double max_energy = std::ceil(largest_energy(system));
  const auto parts = words(system.detector);
  const auto keep = [&](DetectorResponse&& response) {
    system.response = std::make_shared<const DetectorResponse>(std::move(response));
  };
  if (parts.empty()) throw ConfigError("expected a detector such as 'CdTe 1.6', 'ideal' or a response file, got none");
  if (system.detector == "ideal") return keep(ideal_response(max_energy));
  if (system.files.contains(system.detector)) return keep(response_from_text(system.files.at(system.detector), system.detector));
  if (parts.size() == 1)
    return keep(response_from_text(named_file(system, system.detector, "detector response"), system.detector));
  keep(cached_response(sensor_of(system.detector, system.pixel_columns, system.pixel_rows), max_energy, cache));
}

}  // namespace counterflow
