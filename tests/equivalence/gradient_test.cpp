// The whole gradient of each shipped chain, in double, against differences: loss on images back to counts, background and
// thresholds of every view of the scan.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

#include "core/engine/scan_run.h"
#include "core/physics/counts_model.h"
#include "core/physics/detector_response.h"
#include "core/testing/gradient_check.h"

namespace counterflow {
namespace {

constexpr std::size_t kViews = 10, kColumns = 22, kRows = 4, kModules = 2, kBins = 4;

// Ten views over a turn and a quarter see two complete slices.
void make_helical(ScanHeader& h) {
  h.geometry.beam = Beam::cone_arc;
  h.geometry.views_per_rotation = 8;
  h.geometry.angle_step = 2 * M_PI / 8;
  h.geometry.table_feed = 2.5;
  h.geometry.first_table_position = -2.5 * 9 / 16;
  h.grid.nz = 2;
  h.grid.voxel_z = 0.3;
}

void make_cone(ScanHeader& h) {
  h.geometry.beam = Beam::cone_flat;
  h.grid.nz = 3;
  h.grid.voxel_z = 0.9;
}

ScanHeader small_header(bool line_integrals) {
  ScanHeader h;
  h.geometry = {.beam = Beam::fan_arc,
                .columns = kColumns,
                .rows = kRows,
                .views = kViews,
                .views_per_rotation = kViews,
                .source_to_isocenter = 570,
                .source_to_detector = 1040,
                .column_pitch = 18,
                .row_pitch = 2,
                .column_offset = 0.25,
                .first_angle = 0.3,
                .angle_step = 2 * M_PI / static_cast<double>(kViews),
                .rotation_time = 1e-3 * static_cast<double>(kViews)};
  h.grid = {.nx = 9, .ny = 11, .nz = kRows, .voxel_x = 18, .voxel_y = 18, .voxel_z = 1.1};
  h.modules = kModules;
  h.system.bins = kBins;
  h.system.open_beam_counts = 1e5;
  if (line_integrals) {
    h.quantity = Quantity::line_integrals;
    h.system.bins = 3;
    h.system.bin_spectra = "spectra.txt";
    std::ostringstream text;
    for (int e = 20; e <= 100; ++e)
      text << e << " " << std::exp(-std::pow((e - 38) / 9., 2)) << " " << std::exp(-std::pow((e - 55) / 10., 2)) << " "
           << std::exp(-std::pow((e - 75) / 12., 2)) << "\n";
    h.system.files["spectra.txt"] = text.str();
    h.system.tube_voltage = 100;
    return h;
  }
  h.system.thresholds = {25, 45, 60, 75};
  h.system.tube_voltage = 100;
  h.system.filters = "Al 3.0";
  h.system.detector = "ideal";
  prepare_response(h.system, "");
  return h;
}

// Noisy counts, or line integrals, behind a little water and iodine; each with backgrounds and threshold shifts of its own.
std::vector<Message<double>> small_scan(const ScanHeader& h) {
  std::mt19937_64 random(11);
  std::uniform_real_distribution<double> uniform(0, 1);
  std::vector<Message<double>> views;
  const CountsModel model(h.system, {"water", "iodine"});
  for (std::size_t v = 0; v < kViews; ++v) {
    View view{.index = v,
              .angle = h.geometry.first_angle + h.geometry.angle_step * static_cast<double>(v),
              .exposure = 1.1,
              .table_position = h.geometry.table_position(static_cast<double>(v))};
    Array<double, 3> values({h.bins(), kRows, kColumns});
    for (std::size_t i = 0; i < kRows * kColumns; ++i) {
      const std::vector<double> a{5 + 10 * uniform(random), 0.02 * uniform(random)};
      double open = 0;
      for (double t : model.nominal().total) open += t;
      const std::vector<double> scale(h.bins(), 1.1e5 / open);
      const RayModel ray = model.ray(model.nominal(), scale, {}, a);
      for (std::size_t b = 0; b < h.bins(); ++b) {
        const double noisy = ray.lambda[b] * (1 + 0.02 * (uniform(random) - 0.5));
        values[b * kRows * kColumns + i] =
            h.quantity == Quantity::counts ? noisy : -std::log(noisy / (scale[b] * model.nominal().total[b]));
      }
    }
    if (h.quantity == Quantity::counts) {
      auto x = std::make_shared<Counts<double>>();
      x->view = view;
      x->counts = values;
      x->background = Array<double, 3>(values.shape());
      for (double& s : x->background) s = 20 + 20 * uniform(random);
      x->threshold_shift = Array<double, 3>({kBins, 1, kModules});
      for (double& t : x->threshold_shift) t = uniform(random) - 0.5;
      views.push_back(Sent<Counts<double>>(std::move(x)));
    } else {
      auto x = std::make_shared<PathLengths<double>>();
      x->view = view;
      x->areal_density = values;
      x->channels = std::make_shared<Channels>(Channels{"line_integral", "1", {"low", "middle", "high"}});
      views.push_back(Sent<PathLengths<double>>(std::move(x)));
    }
  }
  return views;
}

using Directions = std::map<std::string, std::vector<std::vector<double>>>;  // block, view

template <class T>
Sent<T> moved(const T& x, const std::string& block, const std::vector<double>& direction, double step) {
  auto y = std::make_shared<T>(x);
  for (auto& [name, values] : testing::detail::blocks(*y))
    for (std::size_t i = 0; name == block && i < values->size(); ++i) (*values)[i] += step * direction[i];
  return y;
}

// Loss of the chain with every view's `block` moved by step * direction[view].
double loss_of(const Chain<double>& chain, const ScanHeader& h, const std::vector<Message<double>>& views,
               const std::string& block = "", const std::vector<std::vector<double>>& direction = {}, double step = 0) {
  Workers workers(2);
  ScanRun<double> run(chain, h, workers);
  std::size_t n = 0;
  return run.forward([&]() -> Message<double> {
    if (n == views.size()) return {};
    const std::size_t v = n++;
    if (direction.empty()) return views[v];
    return std::visit(
        [&]<class P>(const P& x) -> Message<double> {
          if constexpr (std::is_same_v<P, std::monostate>) return {};
          else return moved(*x, block, direction[v], step);
        },
        views[v]);
  });
}

std::string chain_with_losses(const std::string& file) {
  std::ifstream in(std::string(COUNTERFLOW_SOURCE_DIR) + "/xml/chains/" + file);
  std::ostringstream text;
  text << in.rdbuf();
  std::string xml = text.str();
  const auto loss = [](const std::string& name, const std::string& after) {
    return "<loss" + after + "><name>" + name +
           "</name><dll>counterflow_test_gadgets</dll><classname>TestMeanSquare</classname>" +
           "<property name=\"reference\" value=\"0.3\"/></loss>";
  };
  std::string losses = "<training>" + loss("main_loss", "");
  for (const std::string map : {"mono", "non_contrast", "iodine_map", "electrons", "effective_z", "k_edge", "agents"})
    if (xml.find("<name>" + map + "</name>") != std::string::npos) losses += loss(map + "_loss", " after=\"" + map + "\"");
  xml.insert(xml.find("</configuration>"), losses + "</training>");
  return xml;
}

void check_chain(const std::string& file, bool line_integrals) {
  const PluginFolders plugins({COUNTERFLOW_PLUGIN_DIR, COUNTERFLOW_TEST_PLUGIN_DIR});
  const auto chain = parse_chain<double>(chain_with_losses(file), file, plugins);
  ScanHeader h = small_header(line_integrals);
  if (file == "helical.xml") make_helical(h);
  if (file == "cone_beam.xml") make_cone(h);
  const auto views = small_scan(h);

  Workers workers(2);
  ScanRun<double> run(chain, h, workers);
  std::size_t n = 0;
  const auto source = [&]() -> Message<double> { return n < views.size() ? views[n++] : Message<double>{}; };
  run.forward(source, Tape::recompute);
  n = 0;
  std::vector<Message<double>> bars;
  run.backward(source, Tape::recompute, [&](const Message<double>& m) { bars.push_back(m); });
  ASSERT_EQ(bars.size(), kViews);

  std::mt19937_64 random(5);
  std::normal_distribution<double> normal;
  const auto check_block = [&](const std::string& block, double step) {
    std::vector<std::vector<double>> direction(kViews);
    double analytic = 0, terms = 0;
    for (std::size_t v = 0; v < kViews; ++v)
      std::visit(
          [&]<class P>(const P& bar) {
            if constexpr (!std::is_same_v<P, std::monostate>) {
              auto copy = *bar;
              for (auto& [name, values] : testing::detail::blocks(copy)) {
                if (name != block) continue;
                for (double b : *values) {
                  direction[v].push_back(normal(random));
                  analytic += b * direction[v].back();
                  terms += std::abs(b * direction[v].back());
                }
              }
            }
          },
          bars[v]);
    ASSERT_GT(terms, 0) << file << " " << block;
    const auto central = [&](double s) {
      return (loss_of(chain, h, views, block, direction, s) - loss_of(chain, h, views, block, direction, -s)) / (2 * s);
    };
    const double numeric = (4 * central(step / 2) - central(step)) / 3;
    EXPECT_LT(std::abs(numeric - analytic) / terms, 1e-6) << file << " " << block << ": " << numeric << " " << analytic;
    EXPECT_GT(std::abs(numeric - analytic * (1 + 1e-4)) / std::abs(analytic), 1e-5);  // 0.01 % off is seen
  };
  if (line_integrals) return check_block("areal_density", 1e-4);
  check_block("counts", 2);
  check_block("background", 0.5);
  if (file != "bins_fbp.xml") check_block("threshold_shift", 1e-3);
}

TEST(WholeChainGradient, material_images_agree_with_differences) { check_chain("material_images.xml", false); }
TEST(WholeChainGradient, images_of_summed_rows_agree_with_differences) { check_chain("material_images_summed.xml", false); }
TEST(WholeChainGradient, water_and_calcium_images_agree_with_differences) { check_chain("water_calcium.xml", false); }
TEST(WholeChainGradient, images_of_a_real_detector_agree_with_differences) { check_chain("real_detector.xml", false); }
TEST(WholeChainGradient, images_with_bin_drift_agree_with_differences) { check_chain("bin_drift.xml", false); }
TEST(WholeChainGradient, three_materials_agree_with_differences) { check_chain("three_materials.xml", false); }
TEST(WholeChainGradient, two_contrast_agents_agree_with_differences) { check_chain("iodine_gadolinium.xml", false); }
TEST(WholeChainGradient, helical_images_agree_with_differences) { check_chain("helical.xml", false); }
TEST(WholeChainGradient, cone_beam_images_agree_with_differences) { check_chain("cone_beam.xml", false); }
TEST(WholeChainGradient, maps_agree_with_differences) { check_chain("maps.xml", false); }
TEST(WholeChainGradient, proxy_images_agree_with_differences) { check_chain("material_images_proxy.xml", false); }
TEST(WholeChainGradient, bin_images_agree_with_differences) { check_chain("bins_fbp.xml", false); }
TEST(WholeChainGradient, line_integral_images_agree_with_differences) { check_chain("line_integrals_fbp.xml", true); }
TEST(WholeChainGradient, dual_energy_images_agree_with_differences) { check_chain("dual_energy.xml", true); }

}  // namespace
}  // namespace counterflow
