// What tests of whole chains share: a scenario simulated in memory, a chain run over it, regions measured in its images.
#pragma once
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/engine/scan_run.h"
#include "core/parallel.h"
#include "pipelines/simulator/simulate.h"
#include "pipelines/simulator/truth.h"

namespace counterflow::testing {

// Sanitized builds are ten times slower: there the same tests run on smaller scans, for what sanitizers see.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

inline std::filesystem::path source_dir() { return COUNTERFLOW_SOURCE_DIR; }

// Detector responses are kept in the build tree between tests.
inline std::filesystem::path response_cache() { return COUNTERFLOW_TEST_CACHE; }

inline Scenario scenario(const std::string& name) {
  Scenario s = read_scenario(source_dir() / "xml" / "scenarios" / (name + ".xml"));
  if (kSanitized) {
    auto& g = s.header.geometry;
    s.header.geometry.rows = std::min<std::size_t>(g.rows, 2);
    const std::size_t fewer = 8;
    g.views /= fewer;
    g.views_per_rotation /= fewer;
    g.angle_step *= static_cast<double>(fewer);
    g.columns /= 4;
    g.column_pitch *= 4;
    g.column_offset /= 4;
    s.header.grid.nx /= 4;
    s.header.grid.ny /= 4;
    s.header.grid.voxel_x *= 4;
    s.header.grid.voxel_y *= 4;
    s.header.grid.nz = s.header.geometry.rows;
    s.acquisition.air_views = std::min<std::int64_t>(s.acquisition.air_views, 4);
    s.header.modules = 1;
  }
  return s;
}

// A scan held in memory.
struct Scan {
  ScanHeader header;
  Truth truth;
  std::vector<Message<float>> views;
  Source<float> source() const {
    return [this, n = std::size_t{0}]() mutable { return n < views.size() ? views[n++] : Message<float>{}; };
  }
};

inline Scan simulate(const Scenario& s) {
  const SimulatedScan simulated(s, response_cache());
  Scan scan;
  scan.header = simulated.scenario().header;
  scan.truth = truth_of(simulated.scenario());
  scan.views.resize(simulated.size());
  parallel_chunks(simulated.size(), 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t v = begin; v < end; ++v)
      scan.views[v] = Sent<Counts<float>>(std::make_shared<Counts<float>>(simulated.view(v)));
  });
  return scan;
}

inline PluginFolders plugin_folders() { return PluginFolders({COUNTERFLOW_PLUGIN_DIR, COUNTERFLOW_TEST_PLUGIN_DIR}); }

// One <gadget>; `properties` as name="value" pairs.
inline std::string gadget(const std::string& dll, const std::string& classname,
                          const std::map<std::string, std::string>& properties, const std::string& after = "") {
  std::string xml = "<gadget" + (after.empty() ? "" : " after=\"" + after + "\"") + "><dll>counterflow_" + dll +
                    "</dll><classname>" + classname + "</classname>";
  for (const auto& [name, value] : properties) xml += "<property name=\"" + name + "\" value=\"" + value + "\"/>";
  return xml + "</gadget>";
}

inline std::string chain_of(const std::string& gadgets) {
  return "<configuration><version>2</version><stream>" + gadgets + "</stream></configuration>";
}

// Air calibration, decomposition, reconstruction.
inline std::string material_chain(std::map<std::string, std::string> decomposition, std::map<std::string, std::string> fbp) {
  return chain_of(gadget("air_calibration", "AirCalibration", {}) +
                  gadget("decomposition", "MaximumLikelihood", std::move(decomposition)) +
                  gadget("fbp", "FilteredBackprojection", std::move(fbp)));
}

// Every image that leaves the chain, in order.
inline std::vector<Image<float>> reconstruct(const std::string& chain_xml, const Scan& scan, int threads = 2,
                                             std::vector<StageRemark>* remarks = nullptr) {
  const auto chain = parse_chain<float>(chain_xml, "chain.xml", plugin_folders());
  Workers workers(threads);
  ScanRun<float> run(chain, scan.header, workers);
  std::vector<Image<float>> images;
  run.output = [&](const Stage<float>&, const Message<float>& m) { images.push_back(*std::get<Sent<Image<float>>>(m)); };
  run.forward(scan.source());
  if (remarks) *remarks = run.report();
  return images;
}

// Mean and standard deviation over the pixels of a disc in all images (slices).
struct Statistics {
  double mean = 0, deviation = 0;
  std::size_t n = 0;
};
inline Statistics disc(const std::vector<Image<float>>& images, std::size_t channel, double x, double y, double radius) {
  double sum = 0, squares = 0;
  Statistics s;
  for (const auto& image : images)
    for (std::size_t j = 0; j < image.grid.ny; ++j)
      for (std::size_t i = 0; i < image.grid.nx; ++i) {
        if (std::hypot(image.grid.x(static_cast<double>(i)) - x, image.grid.y(static_cast<double>(j)) - y) > radius) continue;
        const double v = static_cast<double>(image.value(channel, 0, j, i));
        sum += v;
        squares += v * v;
        ++s.n;
      }
  s.mean = sum / static_cast<double>(s.n);
  s.deviation = std::sqrt(std::max(0.0, squares / static_cast<double>(s.n) - s.mean * s.mean));
  return s;
}

}  // namespace counterflow::testing
