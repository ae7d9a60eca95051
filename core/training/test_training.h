// A small chain that can be trained, and scans for it.
#pragma once
#include <cmath>
#include <memory>
#include <random>
#include <string>

#include "core/training/learning.h"
#include "core/training/objective.h"

namespace counterflow::training_testing {

inline constexpr std::size_t kBins = 3, kRows = 4, kColumns = 9, kViews = 20, kAir = 2;

inline ScanHeader toy_header() {
  ScanHeader h;
  h.geometry.beam = Beam::parallel;
  h.geometry.rows = kRows;
  h.geometry.columns = kColumns;
  h.geometry.views = h.geometry.views_per_rotation = kViews;
  h.geometry.column_pitch = h.geometry.row_pitch = 1;
  h.geometry.angle_step = 0.1;
  h.system.bins = kBins;
  h.system.open_beam_counts = 1000;
  h.grid.nx = h.grid.ny = kColumns;
  h.grid.nz = kRows;
  return h;
}

template <class Real = double>
Chain<Real> chain_of(const std::string& parameters, const std::string& more = "") {
  const std::string dll = "<dll>counterflow_test_gadgets</dll>";
  const std::string xml =
      "<configuration><version>2</version><stream>"
      "<gadget>" +
      dll +
      "<classname>TestCalibrated</classname></gadget>"
      "<gadget><name>gain</name>" +
      dll +
      "<classname>TestGain</classname><property name=\"start\" value=\"0.1\"/></gadget>"
      "<gadget><name>paths</name>" +
      dll +
      "<classname>TestToPaths</classname></gadget>"
      "<gadget><name>fold</name>" +
      dll +
      "<classname>TestFold</classname></gadget>"
      "</stream><training>" +
      parameters + "<loss><name>level</name>" + dll +
      "<classname>TestMeanSquare</classname><property name=\"reference\" value=\"0.8\"/></loss>"
      "<loss after=\"paths\" weight=\"0.5\"><name>path_level</name>" +
      dll + "<classname>TestPathLoss</classname><property name=\"reference\" value=\"0.9\"/></loss>" + more +
      "</training></configuration>";
  return parse_chain<Real>(xml, "toy.xml", PluginFolders({COUNTERFLOW_TEST_PLUGIN_DIR}));
}

template <class Real>
Source<Real> toy_views(std::uint64_t seed) {
  return [seed, n = std::size_t{0}]() mutable -> Message<Real> {
    if (n == kViews + kAir) return {};
    auto x = std::make_shared<Counts<Real>>();
    x->view.air = n < kAir;
    x->view.index = x->view.air ? n : n - kAir;
    x->view.angle = 0.1 * static_cast<double>(x->view.index);
    x->counts = Array<Real, 3>({kBins, kRows, kColumns});
    std::mt19937_64 random(1000 * seed + n++);
    std::uniform_real_distribution<double> count(x->view.air ? 990 : 300, x->view.air ? 1010 : 700);
    for (Real& v : x->counts) v = static_cast<Real>(count(random));
    return Sent<Counts<Real>>(std::move(x));
  };
}

template <class Real = double>
std::vector<TrainingScan<Real>> toy_scans(std::size_t n) {
  std::vector<TrainingScan<Real>> scans;
  for (std::size_t k = 0; k < n; ++k)
    scans.push_back({"scan " + std::to_string(k), toy_header(), [k] { return toy_views<Real>(k + 1); }, {}});
  return scans;
}

}  // namespace counterflow::training_testing
