#include "core/physics/bowtie.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <sstream>

#include "core/error.h"
#include "core/message/bowtie_rays.h"
#include "core/physics/counts_model.h"
#include "core/physics/detector_response.h"
#include "core/physics/material.h"
#include "core/physics/physics_testing.h"
#include "core/testing/refusal.h"
#include "core/text.h"

namespace counterflow {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kText =
    "# made for the tests\n"
    "angle_rad, aluminium, teflon\n"
    "-0.3  20  6\n"
    "-0.1  4   0   # flat in the middle\n"
    " 0.2, 4,  0\n"
    " 0.4  30  9\n";

TEST(Bowtie, is_linear_between_the_lines_of_its_file) {
  const Bowtie bowtie(kText, "body.txt");
  EXPECT_THAT(bowtie.materials(), ElementsAre("aluminium", "teflon"));
  const double aluminium = 0.1 * find_material("aluminium").density, teflon = 0.1 * 2.2;
  const auto expect = [&](double angle, double a, double t) {
    const auto got = bowtie.areal_density(angle);
    EXPECT_NEAR(got[0], aluminium * a, 1e-12) << angle;
    EXPECT_NEAR(got[1], teflon * t, 1e-12) << angle;
  };
  expect(-0.3, 20, 6);
  expect(-0.25, 16, 4.5);
  expect(-0.1, 4, 0);
  expect(0, 4, 0);
  expect(0.3, 17, 4.5);
  expect(0.4, 30, 9);
  EXPECT_NEAR(bowtie.areal_density(0, 1.25)[0], 1.25 * aluminium * 4, 1e-12);
}

TEST(Bowtie, needs_no_heading_for_the_angles_and_leaves_out_what_is_nowhere) {
  const Bowtie bowtie("aluminium copper graphite\n-1 3 0 2\n1 3 0 4\n", "body.txt");
  EXPECT_THAT(bowtie.materials(), ElementsAre("aluminium", "graphite"));
  EXPECT_NEAR(bowtie.areal_density(0)[1], 0.3 * find_material("graphite").density, 1e-12);
}

std::string refusal(const std::string& text) {
  return testing::refusal<ConfigError>([&] { Bowtie(text, "body.txt"); });
}

TEST(Bowtie, what_is_no_bowtie_is_refused_with_its_line) {
  EXPECT_THAT(refusal(""), HasSubstr("body.txt: expected a line that names the materials"));
  EXPECT_THAT(refusal("aluminium\n0 1\n"), HasSubstr("then two or more of a fan angle"));
  EXPECT_THAT(refusal("# aluminium\n-1 1\n1 1\n2 1\n"), HasSubstr("body.txt:2: expected the first line to name the materials"));
  EXPECT_THAT(refusal("aluminium teflon\n-1 1 1 1\n1 1 1 1\n"),
              HasSubstr("body.txt:2: expected a fan angle and 2 thickness(es)"));
  EXPECT_THAT(refusal("aluminium\n-1 1\n1 1 1\n"), HasSubstr("body.txt:3: expected a fan angle and 1 thickness(es), got 3"));
  EXPECT_THAT(refusal("aluminium\n-1 1\n\n1 thick\n"), HasSubstr("body.txt:4: expected numbers, got 'thick'"));
  EXPECT_THAT(refusal("aluminium\n-1 1\n1 nan\n"), HasSubstr("expected numbers, got 'nan'"));
  EXPECT_THAT(refusal("aluminium\n-1 1\n1 -2\n"), HasSubstr("body.txt:3: expected a thickness of at least 0 mm, got -2"));
  EXPECT_THAT(refusal("aluminium\n1 1\n1 2\n"), HasSubstr("body.txt:3: expected fan angles that ascend, got 1 after 1"));
  EXPECT_THAT(refusal("aluminum\n-1 1\n1 1\n"), HasSubstr("body.txt:1: "));
  EXPECT_THAT(refusal("aluminum\n-1 1\n1 1\n"), HasSubstr("aluminium"));
}

TEST(Bowtie, angles_beyond_its_file_are_refused) {
  const Bowtie bowtie(kText, "body.txt");
  for (const double angle : {-0.31, 0.401, static_cast<double>(NAN)})
    EXPECT_THROW(
        try { bowtie.areal_density(angle); } catch (const ConfigError& error) {
          EXPECT_THAT(error.what(),
                      HasSubstr("the bowtie 'body.txt' is given for fan angles of -0.3 to 0.4 rad, but the scan has"));
          throw;
        },
        ConfigError);
}

TEST(Bowtie, rays_of_a_cone_pass_more_and_those_of_a_fan_do_not) {
  const Bowtie bowtie(kText, "body.txt");
  ScanGeometry g{
      .columns = 5, .rows = 3, .source_to_isocenter = 500, .source_to_detector = 900, .column_pitch = 60, .row_pitch = 200};
  for (const Beam beam : {Beam::fan_arc, Beam::fan_flat, Beam::cone_arc, Beam::cone_flat}) {
    g.beam = beam;
    const auto all = bowtie_densities<double>(bowtie, g);
    for (std::size_t r = 0; r < 3; ++r)
      for (std::size_t c = 0; c < 5; ++c) {
        const double u = 60 * (static_cast<double>(c) - 2), z = 200 * (static_cast<double>(r) - 1);
        const double angle = g.is_arc() ? u / 900 : std::atan(u / 900);
        const double in_plane = g.is_arc() ? 900 : std::hypot(900, u);
        const double longer = g.is_cone() ? std::hypot(in_plane, z) / in_plane : 1;
        const auto density = bowtie.areal_density(angle);
        for (std::size_t m = 0; m < 2; ++m) EXPECT_NEAR(all(m, r, c), longer * density[m], 1e-12);
      }
  }
  g.beam = Beam::parallel;
  EXPECT_THROW(bowtie_densities<double>(bowtie, g), ConfigError);
}

// Published profiles, in cm and with their materials in a comment.
TEST(Bowtie, published_profiles_are_read) {
  const char* data = std::getenv("COUNTERFLOW_DATA");
  const auto folder = std::filesystem::path(data ? data : COUNTERFLOW_SOURCE_DIR "/../shared/data") / "xcist";
  if (!std::filesystem::exists(folder / "large.txt")) GTEST_SKIP() << "no published bowties in " << folder;
  for (const char* name : {"small.txt", "medium.txt", "large.txt"}) {
    std::ifstream in(folder / name);
    std::string line, text = "al graphite cu ti\n";
    double middle = 1e9, edge = 0;
    while (std::getline(in, line)) {
      std::istringstream row(line.substr(0, line.find('#')));
      double angle, thickness;
      if (!(row >> angle)) continue;
      text += number_text(angle);
      for (int m = 0; row >> thickness; ++m) {
        text += " " + number_text(10 * thickness);
        if (m == 0) middle = std::min(middle, thickness), edge = std::max(edge, thickness);
      }
      text += "\n";
    }
    text.replace(0, text.find('\n'), "Al graphite Cu Ti");
    const Bowtie bowtie(text, name);
    EXPECT_EQ(bowtie.materials().front(), "Al");
    EXPECT_NEAR(bowtie.areal_density(0)[0], middle * 2.7, 0.05 * middle * 2.7 + 0.02);
    EXPECT_NEAR(bowtie.areal_density(-0.4795)[0], edge * 2.7, 0.02 * edge * 2.7);
  }
}

// ---- the model of counts behind it ----

const SpectralSystem& system_behind() {
  static const SpectralSystem system = [] {
    SpectralSystem s;
    s.bins = 5;
    s.thresholds = {30, 51, 62, 72, 83};
    s.tube_voltage = 120;
    s.filters = "Al 3.0";
    s.detector = "CdTe 1.6";
    s.bowtie = "body.txt";
    s.files["body.txt"] = kText;
    s.response = std::make_shared<const DetectorResponse>(simulate_response(sensor_of(s.detector, 0.5, 0.5), 120, 600, 1));
    return s;
  }();
  return system;
}

CountsModel model_behind() { return CountsModel(system_behind(), {"water", "iodine"}, 1.0, BowtieUse::applied); }

TEST(CountsModelBehindABowtie, is_the_sum_over_energies_of_the_formula) {
  const CountsModel model = model_behind();
  const std::vector<double> bowtie = model.bowtie()->areal_density(0.33), object{18, 0.05}, exposed(5, 1e5);
  const BinWeights behind = model.behind_bowtie(model.nominal(), bowtie);
  const auto aluminium = cell_attenuation(find_material("aluminium"), model.energies(), 1),
             teflon = cell_attenuation(find_material("teflon"), model.energies(), 1);
  std::vector<double> scale;
  for (std::size_t b = 0; b < 5; ++b) scale.push_back(exposed[b] / behind.total[b]);
  const RayModel ray = model.ray(behind, scale, {}, object);
  double difference = 0;  // that the bowtie makes
  for (std::size_t b = 0; b < 5; ++b) {
    double above = 0, below = 0, without = 0;
    for (std::size_t e = 0; e < model.energies().size(); ++e) {
      const double known = std::exp(-aluminium[e] * bowtie[0] - teflon[e] * bowtie[1]);
      const double t = std::exp(-model.attenuation()(0, e) * object[0] - model.attenuation()(1, e) * object[1]);
      const double w = model.nominal().weight(b, e);
      above += w * known * t;
      below += w * known;
      without += w * t;
    }
    EXPECT_NEAR(ray.lambda[b] / (exposed[b] * above / below), 1, 1e-12);
    difference = std::max(difference, std::abs(ray.lambda[b] / (exposed[b] * without / model.nominal().total[b]) - 1));
  }
  EXPECT_GT(difference, 0.02);
}

// lambda of an air scan whose thresholds move too, and its derivative in a threshold by edge and edge_total.
struct MovingAir {
  CountsModel model = model_behind();
  std::vector<double> bowtie = model.bowtie()->areal_density(-0.27), object{14, 0.03}, shift{0.2, -1.3, 0.7, 3.2, -0.8};
  std::size_t bin = 0;

  double lambda() const {
    const BinWeights w = model.behind_bowtie(model.shifted(shift), bowtie);
    std::vector<double> scale;
    for (double total : w.total) scale.push_back(1e4 / total);
    return model.ray(w, scale, {}, object).lambda[bin];
  }
  // `bowtie_below`: whether the sum below knows of the bowtie, as it must.
  double derivative(std::size_t threshold, bool bowtie_below) const {
    const BinWeights plain = model.shifted(shift), w = model.behind_bowtie(plain, bowtie);
    const BinWeights& below = bowtie_below ? w : plain;
    const std::vector<double> unit(5, 1.0);
    const RayModel ray = model.ray(w, unit, {}, object);
    const double sign = threshold == bin ? -1 : threshold == bin + 1 ? 1 : 0;
    return sign * 1e4 / w.total[bin] *
           (ray.edge(threshold, 0) - ray.lambda[bin] * below.edge_total[threshold] / below.total[bin]);
  }
};

double worst_error(bool bowtie_below) {
  MovingAir m;
  double worst = 0;
  for (m.bin = 0; m.bin < 5; ++m.bin)
    for (std::size_t k = m.bin; k <= std::min<std::size_t>(m.bin + 1, 4); ++k) {
      const double start = m.shift[k], value = m.derivative(k, bowtie_below);
      const auto at = [&](double h) {
        m.shift[k] = start + h;
        const double lambda = m.lambda();
        m.shift[k] = start;
        return lambda;
      };
      const double h = 0.02, numeric = (4 * (at(h / 2) - at(-h / 2)) / h - (at(h) - at(-h)) / (2 * h)) / 3;
      worst = std::max(worst, std::abs(value - numeric) / std::abs(value));
    }
  return worst;
}

TEST(CountsModelBehindABowtie, follows_thresholds_in_the_air_scan_too_and_a_mutant_does_not) {
  testing::report_mark("worst error of a threshold's derivative behind a bowtie", worst_error(true), 1e-8);
  EXPECT_LT(worst_error(true), 1e-8);
  EXPECT_GT(worst_error(false), 1e-3);
}

TEST(CountsModelBehindABowtie, is_refused_to_who_does_not_ask_for_it) {
  EXPECT_THROW(
      try { CountsModel(system_behind(), {"water"}); } catch (const ConfigError& error) {
        EXPECT_THAT(error.what(), HasSubstr("the scan has a bowtie, 'body.txt', which is not known here"));
        throw;
      },
      ConfigError);
  SpectralSystem lost = system_behind();
  lost.files.clear();
  EXPECT_THROW(CountsModel(lost, {"water"}, 1.0, BowtieUse::applied), ConfigError);
  EXPECT_THROW(model_behind().behind_bowtie(model_behind().nominal(), std::vector<double>{1}), DataError);
}

TEST(CountsModelBehindABowtie, weighs_equivalents_by_the_spectrum_in_its_middle) {
  SpectralSystem open = system_behind();
  open.bowtie.clear();
  SpectralSystem filtered = open;  // 4 mm in the middle are as good as a filter of 4 mm
  filtered.filters = "Al 7.0";
  const auto iodine = [](const SpectralSystem& system) {
    return basis_equivalents(system, {"water", "iodine"}, {{"calcium", 0.1}}, 150)[0][1];
  };
  EXPECT_NEAR(iodine(system_behind()) / iodine(filtered), 1, 2e-3);
  EXPECT_GT(std::abs(iodine(open) / iodine(filtered) - 1), 4e-3);
}

}  // namespace
}  // namespace counterflow
