// Resolution and noise of images: modulation transfer and noise power of every channel, as a table, CSV and plots.
#pragma once
#include <filesystem>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "core/archive/image_file.h"
#include "core/message/truth.h"
#include "pipelines/counterflow/noise_power.h"
#include "pipelines/counterflow/resolution.h"

namespace counterflow {

// Where to measure; what is not given is chosen among the regions of the truth.
struct QualityPlaces {
  std::optional<Circle> wire{}, edge{}, uniform{};
  bool any() const { return wire || edge || uniform; }
};

// Of one channel, in its display unit. A remark stands for what could not be measured.
struct Quality {
  std::string quantity, unit;
  std::string resolution_from{}, noise_from{};  // "wire", "edge of iodine 20 mg/mL"; "body"
  std::optional<Resolution> resolution{};
  std::optional<NoisePower> noise{};
  double deviation = 0;  // standard deviation of the values in the squares
  std::string resolution_remark{}, noise_remark{};
};

// An edge is measured where its contrast is at least this many times the noise of the mean slice (AAPM TG-233).
constexpr double kSmallestContrastToNoise = 15;

// Of all channels but noise. A wire is a region thinner than 3 pixels, an edge one of a radius of at least 4; that with the
// largest contrast to noise is taken, wires first. The uniform region is the one that holds the largest square of 16 to 64
// pixels, and then most of them. Throws DataError where a place that was given cannot be measured.
std::vector<Quality> measure_quality(const std::vector<ImageSeries>& series, const std::vector<Region>& regions,
                                     const QualityPlaces& places = {});

void print_quality(const std::vector<Quality>& all, std::ostream& out);

// Into a folder, made if need be: mtf.png, mtf.csv, nps_1_water.png (one a channel), nps.csv. Returns the names of the files.
std::vector<std::filesystem::path> write_quality(const std::vector<Quality>& all, const std::filesystem::path& folder);

}  // namespace counterflow
