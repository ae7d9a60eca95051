// A small scan and a chain of test gadgets whose every place can be taken by one that fails.
#pragma once
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "core/engine/scan_run.h"

namespace counterflow::testing {

inline ScanHeader toy_header() {
  ScanHeader h;
  h.geometry = {.beam = Beam::fan_arc,
                .columns = 17,
                .rows = 3,
                .views = 24,
                .views_per_rotation = 24,
                .source_to_isocenter = 570,
                .source_to_detector = 1040,
                .column_pitch = 1,
                .row_pitch = 1,
                .angle_step = 0.1};
  h.grid = {.nx = 4, .ny = 4, .nz = 3};
  h.system.bins = 2;
  h.system.thresholds = {20, 60};
  h.system.tube_voltage = 120;
  h.system.detector = "CdTe 1.6";
  h.system.open_beam_counts = 1000;
  return h;
}

constexpr std::size_t kToyAir = 3;

template <class Real>
Message<Real> toy_view(std::size_t index, bool air) {
  const ScanHeader h = toy_header();
  auto x = std::make_shared<Counts<Real>>();
  x->view = {.index = index, .angle = 0.1 * static_cast<double>(index), .air = air};
  x->counts = Array<Real, 3>({h.bins(), h.geometry.rows, h.geometry.columns});
  std::mt19937_64 random(index + (air ? 1000000 : 0));
  std::uniform_real_distribution<double> count(air ? 990 : 300, air ? 1010 : 700);
  for (Real& v : x->counts) v = static_cast<Real>(count(random));
  return Sent<Counts<Real>>(std::move(x));
}

// The views of the scan, in order; `change` may make another list of them.
template <class Real>
std::vector<Message<Real>> toy_views() {
  std::vector<Message<Real>> views;
  for (std::size_t k = 0; k < kToyAir; ++k) views.push_back(toy_view<Real>(k, true));
  for (std::size_t k = 0; k < toy_header().geometry.views; ++k) views.push_back(toy_view<Real>(k, false));
  return views;
}

template <class Real>
Source<Real> source_of(const std::vector<Message<Real>>& views) {
  return [&views, n = std::size_t{0}]() mutable { return n < views.size() ? views[n++] : Message<Real>{}; };
}

inline std::string test_gadget(const std::string& classname, const std::string& properties = "", const std::string& name = "") {
  return "<gadget>" + (name.empty() ? "" : "<name>" + name + "</name>") + "<dll>counterflow_test_gadgets</dll><classname>" +
         classname + "</classname>" + properties + "</gadget>\n";
}
inline std::string property(const std::string& name, const std::string& value) {
  return "<property name=\"" + name + "\" value=\"" + value + "\"/>";
}

// The gadgets of the reference chain, in order.
inline std::vector<std::string> toy_gadgets() {
  return {test_gadget("TestGain", property("start", "0.1"), "gain"),
          test_gadget("TestCalibrated"),
          test_gadget("TestGain", property("start", "-0.05"), "second"),
          test_gadget("TestToPaths"),
          test_gadget("TestFold"),
          test_gadget("TestScale")};
}

inline std::string toy_chain(const std::vector<std::string>& gadgets, const std::string& training = "") {
  std::string xml = "<configuration><version>2</version><stream>\n";
  for (const auto& gadget : gadgets) xml += gadget;
  return xml + "</stream>" + training + "</configuration>";
}

inline PluginFolders test_plugins() { return PluginFolders({COUNTERFLOW_TEST_PLUGIN_DIR}); }

// What came of a scan: images that left the chain, and the error that ended it ("" = complete).
template <class Real>
struct Came {
  std::vector<Array<Real, 4>> images;
  std::string error;
  bool operator==(const Came&) const = default;
};

template <class Real>
Came<Real> run_toy(const std::string& xml, const std::vector<Message<Real>>& views, const ScanHeader& header = toy_header()) {
  Came<Real> came;
  try {
    const auto chain = parse_chain<Real>(xml, "toy.xml", test_plugins());
    Workers workers(2);
    ScanRun<Real> run(chain, header, workers);
    run.output = [&](const Stage<Real>&, const Message<Real>& m) {
      if (const auto* image = std::get_if<Sent<Image<Real>>>(&m)) came.images.push_back((*image)->value);
    };
    run.forward(source_of(views));
    run.report();
  } catch (const Error& error) {  // ours; anything else fails the test
    came.error = error.what();
  }
  return came;
}

// After a fault: the same process runs the reference scan as if nothing had been.
inline void expect_unharmed(const std::string& after) {
  static const auto first = run_toy<float>(toy_chain(toy_gadgets()), toy_views<float>());
  ASSERT_EQ(first.error, "");
  ASSERT_EQ(first.images.size(), toy_header().geometry.rows);
  EXPECT_EQ(run_toy<float>(toy_chain(toy_gadgets()), toy_views<float>()), first) << "after " << after;
}

}  // namespace counterflow::testing
