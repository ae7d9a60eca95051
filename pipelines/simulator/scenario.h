// What to simulate: a scanner, a phantom and what goes wrong, as the XML of a scenario says (docs/simulation.md).
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/message/scan_header.h"
#include "core/xml/document.h"
#include "pipelines/simulator/phantom.h"

namespace counterflow {

// How much is measured, and how it is blurred by chance.
struct Acquisition {
  double open_beam_counts = 1e5;  // of a pixel without object, summed over bins, at nominal thresholds and exposure 1
  std::int64_t air_views = 16;
  double exposure = 1, air_exposure = 1;
  bool noise = true;        // integer counts; else expected counts
  bool correlated = false;  // neighbouring pixels share counts, by charge sharing, fluorescence and Compton scatter
  std::int64_t seed = 1;
};

// Finer than any reconstruction looks.
struct Sampling {
  double energy_step = 0.5;  // [keV]
  std::int64_t column_rays = 3, row_rays = 1, spot_rays = 1;
  double spot_width = 0;  // of the focal spot along the fan [mm]
};

// True minus nominal thresholds [keV].
struct DriftSettings {
  double common = 0;            // of every threshold
  double module_sigma = 0;      // normal, for each threshold and module
  double pixel_sigma = 0;       // normal, for each threshold and pixel
  double slow = 0;              // added in proportion to time: 0 at the first object view, this at the last
  double dispersion = 0;        // normal, for each threshold and pixel; there in the air views too
  std::string air = "nominal";  // thresholds of the air views: nominal, or drifted as at the first object view
  std::int64_t seed = -1;       // the same detector in scans of other noise; -1 = the acquisition's
};

// Pixels that do not work, in places drawn from a seed of their own.
struct BadPixelSettings {
  std::int64_t dead = 0, hot = 0, unstable = 0;  // how many
  std::int64_t seed = 1;
  double hot_counts = 3;  // that a hot pixel counts besides, relative to air
  double flicker = 0.3;   // of an unstable pixel from view to view: rms logarithm of its factor
};

struct TruthSettings {
  std::vector<std::string> materials{"water", "iodine"};
  std::int64_t samples = 4;  // along each side of a voxel
};

struct Scenario {
  ScanHeader header;
  Phantom phantom;
  Acquisition acquisition;
  Sampling sampling;
  DriftSettings drift;
  std::vector<double> scatter;  // [bin] fraction of the primary; empty = none
  double dead_time = 0;         // of a pixel after each count [ns]; 0: no pile-up
  BadPixelSettings bad_pixels;
  TruthSettings truth;
};

// Files that the scenario names are looked for beside it, then in `data_folders`. Throws ConfigError "file:line: ...".
Scenario read_scenario(const std::filesystem::path& file, const std::vector<std::filesystem::path>& data_folders = {});
Scenario parse_scenario(const XmlElement& root, const std::vector<std::filesystem::path>& folders = {});

// The phantom of a <phantom> element.
Phantom parse_phantom(const XmlElement& element);

}  // namespace counterflow
