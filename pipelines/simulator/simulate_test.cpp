// The forward model against sums written out here, drift, noise, geometry and the archive.
#include "pipelines/simulator/simulate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <numbers>

#include "core/archive/archive.h"
#include "core/geometry/ray.h"
#include "core/physics/counts_model.h"
#include "core/physics/detector_response.h"
#include "pipelines/simulator/forward_model.h"
#include "pipelines/simulator/truth.h"

namespace counterflow {
namespace {

namespace fs = std::filesystem;

// A response that needs no Monte Carlo: Gaussian peaks of 4 keV at the photon's energy.
struct Folder {
  fs::path path;
  ~Folder() { fs::remove_all(path); }
};

fs::path data_folder() {
  static const Folder folder{[] {
    const fs::path f = fs::temp_directory_path() / ("counterflow_simulate_test_" + std::to_string(::getpid()));
    fs::create_directories(f);
    std::ofstream out(f / "response.csv");
    out << "E_keV,";
    for (int u = 1; u < 140; ++u) out << u << (u < 139 ? "," : "\n");
    for (int e = 1; e < 140; ++e) {
      out << e;
      for (int u = 1; u < 140; ++u)
        out << "," << 0.9 / std::sqrt(2 * std::numbers::pi) / 4 * std::exp(-0.5 * (u - e) * (u - e) / 16.0);
      out << "\n";
    }
    std::ofstream(f / "bowtie.txt") << "aluminium\n-0.2 20\n-0.02 2\n0.01 1\n0.2 25\n";
    return f;
  }()};
  return folder.path;
}

struct Parts {
  std::string beam = "beam='fan-arc' source_to_isocenter='500' source_to_detector='900'";
  std::string detector = "columns='24' rows='3' column_pitch='8' row_pitch='8'";
  std::string views = "views='8'";
  std::string modules = "4";
  std::string acquisition = "open_beam_counts='1e5' air_views='2' noise='false'";
  std::string phantom = "<phantom name='water_cylinder' diameter='100' x='12' y='-7'/>";
  std::string more = "<sampling column_rays='1' energy_step='1'/>";
  std::string tube = "filters='Al 3'";
};

Scenario scenario_of(const Parts& p) {
  const std::string xml = "<scenario><geometry " + p.beam + " " + p.detector + " " + p.views + "/><tube " + p.tube + "/>" +
                          "<detector sensor='response.csv' thresholds='25 45 65' modules='" + p.modules + "'/><acquisition " +
                          p.acquisition + "/><image nx='32' voxel='5'/>" + p.phantom + p.more + "</scenario>";
  return parse_scenario(parse_xml(xml, "test.xml"), {data_folder()});
}

SimulatedScan scan_of(const Parts& p) { return SimulatedScan(scenario_of(p), {}); }

TEST(Simulation, of_water_is_the_sum_over_energies_of_the_formula) {
  const SimulatedScan scan = scan_of({});
  const CountsModel model(scan.scenario().header.system, {"water"}, 1.0);
  const ScanGeometry& g = scan.scenario().header.geometry;
  double open = 0;
  for (double total : model.nominal().total) open += total;
  const Shape body = Shape::cylinder({12, -7, 0}, 50, 50);
  for (std::size_t v : {0u, 3u}) {
    const Counts<float> view = scan.view(scan.air_views() + v);
    for (std::size_t c = 0; c < g.columns; ++c) {
      const double angle = 2 * std::numbers::pi * static_cast<double>(v) / 8;
      const double water = 0.1 * body.chord(ray_of(g, angle, static_cast<double>(c), 0)).length();
      for (std::size_t b = 0; b < 3; ++b) {
        double sum = 0;
        for (std::size_t e = 0; e < model.energies().size(); ++e)
          sum += model.nominal().weight(b, e) * std::exp(-model.attenuation()(0, e) * water);
        for (std::size_t r = 0; r < g.rows; ++r) ASSERT_NEAR(view.counts(b, r, c), 1e5 * sum / open, 1e-6 * 1e5 * sum / open);
      }
    }
  }
}

// Counts of one ray behind `bowtie` and `water` [g/cm2], per open beam counts in the bowtie's middle.
std::vector<double> behind_bowtie(const CountsModel& model, const std::vector<double>& bowtie, double water) {
  const auto counts = [&](const std::vector<double>& density, double a, std::size_t b) {
    double sum = 0;
    for (std::size_t e = 0; e < model.energies().size(); ++e)
      sum +=
          model.nominal().weight(b, e) * std::exp(-model.bowtie_attenuation()(0, e) * density[0] - model.attenuation()(0, e) * a);
    return sum;
  };
  double open = 0;
  std::vector<double> out;
  for (std::size_t b = 0; b < model.bins(); ++b) open += counts(model.bowtie()->areal_density(0), 0, b);
  for (std::size_t b = 0; b < model.bins(); ++b) out.push_back(counts(bowtie, water, b) / open);
  return out;
}

TEST(Simulation, sees_the_bowtie_in_air_views_and_behind_the_object) {
  for (const std::string beam : {"fan-flat", "cone-arc"}) {
    Parts p;
    p.beam = "beam='" + beam + "' source_to_isocenter='500' source_to_detector='900'";
    p.detector = "columns='24' rows='3' column_pitch='8' row_pitch='90'";
    p.tube += " bowtie='bowtie.txt'";
    const SimulatedScan scan = scan_of(p);
    const CountsModel model(scan.scenario().header.system, {"water"}, 1.0, BowtieUse::applied);
    const ScanGeometry& g = scan.scenario().header.geometry;
    const Shape body = Shape::cylinder({12, -7, 0}, 50, 50);
    const Counts<float> air = scan.view(0), view = scan.view(scan.air_views());
    for (std::size_t r = 0; r < g.rows; ++r)
      for (std::size_t c = 0; c < g.columns; ++c) {
        const Ray ray = ray_of(g, 0, static_cast<double>(c), static_cast<double>(r));
        const double z = 90 * (static_cast<double>(r) - 1), longer = g.is_cone() ? std::hypot(900, z) / 900 : 1;
        const auto bowtie = model.bowtie()->areal_density(g.fan_angle(static_cast<double>(c)), longer);
        const auto open = behind_bowtie(model, bowtie, 0);
        const auto behind = behind_bowtie(model, bowtie, 0.1 * body.chord(ray).length());
        for (std::size_t b = 0; b < 3; ++b) {
          ASSERT_NEAR(air.counts(b, r, c) / (1e5 * open[b]), 1, 1e-6);
          ASSERT_NEAR(view.counts(b, r, c) / (1e5 * behind[b]), 1, 1e-6);
        }
      }
  }
}

TEST(Simulation, bowties_that_make_no_sense_are_refused) {
  const auto refusal = [](auto&& change) -> std::string {
    Parts p;
    p.tube += " bowtie='bowtie.txt'";
    change(p);
    try {
      scan_of(p);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  };
  using ::testing::HasSubstr;
  EXPECT_EQ(refusal([](Parts&) {}), "");
  EXPECT_THAT(refusal([](Parts& p) { p.tube = "bowtie='none.txt'"; }), HasSubstr("<tube>: no file 'none.txt'"));
  EXPECT_THAT(refusal([](Parts& p) { p.tube = "bowtie='response.csv'"; }), HasSubstr("test.xml:1: <tube>: response.csv:"));
  EXPECT_THAT(refusal([](Parts& p) { p.beam = "beam='parallel'"; }), HasSubstr("a parallel beam has no fan angle"));
  EXPECT_THAT(refusal([](Parts& p) { p.acquisition = "air_views='0'"; }), HasSubstr("expected air_views above 0"));
  EXPECT_THAT(refusal([](Parts& p) { p.detector = "columns='24' column_pitch='20'"; }),
              HasSubstr("is given for fan angles of -0.2 to 0.2 rad"));
}

TEST(Simulation, the_open_beam_has_the_counts_asked_for_over_all_bins) {
  Parts p;
  p.acquisition += " air_exposure='0.5'";
  const SimulatedScan scan = scan_of(p);
  const Counts<float> air = scan.view(1);
  EXPECT_TRUE(air.view.air);
  EXPECT_EQ(air.view.index, 1u);
  EXPECT_EQ(air.view.exposure, 0.5);
  EXPECT_NEAR(air.counts(0, 2, 5) + air.counts(1, 2, 5) + air.counts(2, 2, 5), 0.5e5, 0.01);
}

TEST(Simulation, sub_rays_average_intensities_and_not_lengths) {
  Parts p;
  const SimulatedScan one = scan_of(p);
  p.more = "<sampling column_rays='16' energy_step='1'/>";
  const SimulatedScan many = scan_of(p);
  // At the body's edge the mean of the intensities lies above the intensity at the mean length for the convex exponential, and a
  // pixel half in air must have seen the air.
  const Counts<float> a = one.view(2), b = many.view(2);
  double difference = 0;
  for (std::size_t i = 0; i < a.counts.size(); ++i)
    difference = std::max(difference, std::abs(double{a.counts[i]} - b.counts[i]) / a.counts[i]);
  EXPECT_GT(difference, 0.02);
  // The sum over finer pixels is the same as over sub-rays: 24 x 16 columns, one ray each.
  Parts fine;
  fine.detector = "columns='384' rows='3' column_pitch='0.5' row_pitch='8'";
  const Counts<float> f = scan_of(fine).view(2);
  for (std::size_t c = 0; c < 24; ++c) {
    double sum = 0;
    for (std::size_t j = 0; j < 16; ++j) sum += f.counts(1, 0, 16 * c + j) / 16;
    EXPECT_NEAR(b.counts(1, 0, c), sum, 1e-5 * sum);
  }
}

TEST(Simulation, a_wide_focal_spot_blurs_an_edge) {
  Parts sharp, wide;
  wide.more = "<sampling column_rays='1' energy_step='1' spot_rays='9' spot_width='6'/>";
  const Counts<float> a = scan_of(sharp).view(2), b = scan_of(wide).view(2);
  double steepest_a = 0, steepest_b = 0;
  for (std::size_t c = 1; c < 24; ++c) {
    steepest_a = std::max(steepest_a, std::abs(std::log(double{a.counts(0, 0, c)} / a.counts(0, 0, c - 1))));
    steepest_b = std::max(steepest_b, std::abs(std::log(double{b.counts(0, 0, c)} / b.counts(0, 0, c - 1))));
  }
  EXPECT_LT(steepest_b, 0.98 * steepest_a);
}

// The column where a wire throws its shadow, as the middle of what is missing from the open beam.
double shadow(const Counts<float>& view, double open) {
  double sum = 0, moment = 0;
  for (std::size_t c = 0; c < view.counts.extent(2); ++c) {
    const double missing = open - view.counts(0, 0, c);
    if (missing < 1) continue;  // the rounding of floats, which far columns would weigh
    sum += missing;
    moment += missing * static_cast<double>(c);
  }
  return moment / sum;
}

TEST(Simulation, a_wire_is_seen_where_the_format_says_in_every_beam) {
  for (const std::string beam : {"fan-arc", "fan-flat", "parallel", "cone-arc", "cone-flat"})
    for (const std::string clockwise : {"false", "true"}) {
      Parts p;
      const bool parallel = beam == "parallel";
      p.beam = "beam='" + beam + "'" + (parallel ? "" : " source_to_isocenter='500' source_to_detector='900'");
      p.detector = "columns='301' rows='1' column_pitch='1' row_pitch='1' column_offset='7.25' first_angle='0.4' clockwise='" +
                   clockwise + "'";
      p.phantom = "<phantom name='wire' x='31' y='-17' diameter='9'/>";
      p.more = "<sampling column_rays='16' energy_step='4'/>";
      const SimulatedScan scan = scan_of(p);
      const double open = scan.view(0).counts(0, 0, 0);
      for (std::size_t v = 0; v < 8; ++v) {
        const double b = 0.4 + (clockwise == "true" ? -1 : 1) * 2 * std::numbers::pi * static_cast<double>(v) / 8;
        double u = 31 * std::sin(b) + 17 * std::cos(b);
        if (!parallel) {
          const double dx = 31 - 500 * std::cos(b), dy = -17 - 500 * std::sin(b);
          const double fan = std::atan2(-std::cos(b) * dy + std::sin(b) * dx, -std::cos(b) * dx - std::sin(b) * dy);
          u = 900 * (beam.ends_with("arc") ? fan : std::tan(fan));
        }
        EXPECT_NEAR(shadow(scan.view(2 + v), open), 150 + 7.25 + u, 0.01) << beam << " " << clockwise << " " << v;
      }
    }
}

TEST(Simulation, thresholds_that_drift_move_counts_as_the_edges_say) {
  Parts still, moved;
  moved.more += "<drift common='0.02'/>";
  const SimulatedScan a = scan_of(still), b = scan_of(moved);
  const CountsModel model(a.scenario().header.system, {"water"}, 1.0);
  const double per_weight = 1e5 / (model.nominal().total[0] + model.nominal().total[1] + model.nominal().total[2]);
  const Counts<float> va = a.view(2), vb = b.view(2);
  // Column 0 sees air: d lambda_k / dT = edge_{k+1} - edge_k.
  for (std::size_t k = 0; k < 3; ++k) {
    const double above = k < 2 ? model.nominal().edge_total[k + 1] : 0;
    const double expected = 0.02 * per_weight * (above - model.nominal().edge_total[k]);
    EXPECT_NEAR(vb.counts(k, 0, 0) - va.counts(k, 0, 0), expected, 0.01 * std::abs(expected) + 0.02);
  }
  EXPECT_EQ(a.view(0).counts, b.view(0).counts);  // an old air scan
  moved.more = "<sampling column_rays='1' energy_step='1'/><drift common='0.02' air='drifted'/>";
  EXPECT_NEAR(scan_of(moved).view(0).counts(0, 0, 0), vb.counts(0, 0, 0), 1e-2);
}

TEST(Simulation, drift_by_pixel_agrees_with_spectra_shifted_for_that_pixel) {
  Parts p;
  p.modules = "3";
  p.phantom = "<phantom name='water_cylinder' diameter='30'/>";
  p.more += "<drift common='-0.3' module_sigma='0.4' pixel_sigma='0.3' slow='0.5' dispersion='0.4'/>";
  const SimulatedScan scan = scan_of(p);
  const ThresholdDrift& drift = scan.model().drift();
  const CountsModel& model = scan.model().counts_model();
  const double per_weight = 1e5 / (model.nominal().total[0] + model.nominal().total[1] + model.nominal().total[2]);
  for (std::size_t view : {0u, 7u})
    for (std::size_t r = 0; r < 3; ++r) {
      std::vector<double> shift(3);
      for (std::size_t k = 0; k < 3; ++k)
        shift[k] = drift.modules()(k, 0u) - 0.3 + 0.5 * static_cast<double>(view) / 7 + drift.pixels()(k, r, 0u) +
                   drift.dispersion()(k, r, 0u);
      const BinWeights weights = model.shifted(shift);
      const Counts<float> v = scan.view(2 + view);
      for (std::size_t b = 0; b < 3; ++b)  // column 0 sees air
        EXPECT_NEAR(v.counts(b, r, 0), per_weight * weights.total[b], 1e-5 * per_weight * weights.total[b]) << view << r << b;
    }
}

TEST(Simulation, the_same_detector_drifts_alike_in_scans_of_other_noise) {
  const auto modules = [](const std::string& seed, const std::string& drift_seed) {
    Parts parts;
    parts.acquisition += " seed='" + seed + "'";
    parts.more += "<drift module_sigma='0.5'" + drift_seed + "/>";
    return scan_of(parts).model().drift().modules();
  };
  EXPECT_EQ(modules("1", " seed='7'"), modules("2", " seed='7'"));
  EXPECT_EQ(modules("7", ""), modules("1", " seed='7'"));
  EXPECT_NE(modules("1", ""), modules("2", ""));
}

TEST(Simulation, bins_may_have_spectra_from_a_file) {
  std::ofstream(data_folder() / "bins.txt") << "# keV, low, high\n40 0 0\n45 2 0\n50 0 0\n85 0 0\n90 0 1\n95 0 0\n";
  const std::string xml =
      "<scenario><geometry beam='parallel' columns='3' views='2' column_pitch='5'/><detector bin_spectra='bins.txt' bins='2'/>"
      "<acquisition open_beam_counts='3e4' air_views='1' noise='false'/><sampling column_rays='1'/>"
      "<phantom name='water_cylinder' diameter='100'/></scenario>";
  const SimulatedScan scan(parse_scenario(parse_xml(xml, "test.xml"), {data_folder()}), {});
  const Counts<float> air = scan.view(0), view = scan.view(1);
  EXPECT_NEAR(air.counts(0, 0, 1), 2e4, 100);
  EXPECT_NEAR(air.counts(1, 0, 1), 1e4, 100);
  const CountsModel model(scan.scenario().header.system, {"water"}, 0.5);
  double sum = 0;
  for (std::size_t e = 0; e < model.energies().size(); ++e)
    sum += model.nominal().weight(0, e) * std::exp(-10 * model.attenuation()(0, e));
  EXPECT_NEAR(view.counts(0, 0, 1) / air.counts(0, 0, 1), sum / model.nominal().total[0], 1e-6);
  EXPECT_THROW(
      parse_scenario(parse_xml(xml.substr(0, xml.size() - 11) + "<drift common='1'/></scenario>", "test.xml"), {data_folder()}),
      ConfigError);
}

TEST(Simulation, drift_beyond_the_model_or_across_thresholds_is_refused) {
  Parts p;
  p.more = "<drift common='7.9' slow='1'/>";
  EXPECT_THROW(scan_of(p), ConfigError);
  p.more = "<drift module_sigma='8'/>";
  EXPECT_THROW(scan_of(p), ConfigError);
}

TEST(Simulation, scatter_adds_its_fraction_to_object_views_only) {
  Parts plain, scattered;
  scattered.more += "<scatter fraction='0.1 0.2 0'/>";
  const SimulatedScan a = scan_of(plain), b = scan_of(scattered);
  EXPECT_EQ(a.view(0).counts, b.view(0).counts);
  const Counts<float> va = a.view(4), vb = b.view(4);
  for (std::size_t c = 0; c < 24; ++c) {
    EXPECT_NEAR(vb.counts(0, 1, c), 1.1 * va.counts(0, 1, c), 1e-6 * vb.counts(0, 1, c));
    EXPECT_NEAR(vb.counts(1, 1, c), 1.2 * va.counts(1, 1, c), 1e-6 * vb.counts(1, 1, c));
    EXPECT_EQ(vb.counts(2, 1, c), va.counts(2, 1, c));
  }
}

TEST(Simulation, noise_is_integer_and_has_the_variance_of_poisson) {
  Parts p;
  const SimulatedScan quiet = scan_of(p);
  p.acquisition = "open_beam_counts='1e5' air_views='2' seed='4'";
  const SimulatedScan noisy = scan_of(p);
  double chi = 0, n = 0;
  for (std::size_t v = 0; v < noisy.size(); ++v) {
    const Counts<float> a = quiet.view(v), b = noisy.view(v);
    for (std::size_t i = 0; i < a.counts.size(); ++i, ++n) {
      ASSERT_EQ(b.counts[i], std::floor(b.counts[i]));
      chi += (b.counts[i] - a.counts[i]) * (b.counts[i] - a.counts[i]) / a.counts[i];
    }
  }
  EXPECT_NEAR(chi / n, 1, 5 * std::sqrt(2 / n));
}

TEST(Simulation, of_a_helix_sees_the_body_from_the_tables_position) {
  Parts p;
  p.beam = "beam='cone-flat' pitch='1.1' source_to_isocenter='500' source_to_detector='900'";
  p.detector = "columns='24' rows='6' column_pitch='8' row_pitch='8'";
  p.views = "views='24' views_per_rotation='8'";
  p.phantom = "<phantom><ellipsoid x='20' y='-11' z='9' rx='30' ry='26' rz='21' material='water'/></phantom>";
  const SimulatedScan scan = scan_of(p);
  const ScanHeader& h = scan.scenario().header;
  const CountsModel model(h.system, {"water"}, 1.0);
  const Shape body = Shape::ellipsoid({20, -11, 9}, {30, 26, 21});
  std::size_t hits = 0;
  for (std::size_t v = 0; v < 24; ++v) {
    const Counts<float> view = scan.view(scan.air_views() + v);
    const double table = 1.1 * 6 * 8 * 500 / 900 * (static_cast<double>(v) - 11.5) / 8;
    ASSERT_NEAR(view.view.table_position, table, 1e-12);
    for (std::size_t r = 0; r < 6; ++r)
      for (std::size_t c = 0; c < 24; ++c) {
        const Ray ray = ray_of(h.geometry, view.view.angle, static_cast<double>(c), static_cast<double>(r));
        const double water = 0.1 * body.chord({ray.origin + Vector3{0, 0, table}, ray.direction}).length();
        hits += water > 0;
        double sum = 0, open = 0;
        for (std::size_t b = 0; b < 3; ++b)
          for (std::size_t e = 0; e < model.energies().size(); ++e) {
            open += model.nominal().weight(b, e);
            if (b == 1) sum += model.nominal().weight(b, e) * std::exp(-model.attenuation()(0, e) * water);
          }
        ASSERT_NEAR(view.counts(1, r, c), 1e5 * sum / open, 1e-6 * 1e5 * sum / open);
      }
  }
  EXPECT_GT(hits, 50u);
}

TEST(Simulation, a_body_that_ends_along_z_is_seen_by_its_rows_alone) {
  Parts p;
  p.phantom = "<phantom><cylinder rx='40' half_length='3' material='water'/></phantom>";
  const SimulatedScan scan = scan_of(p);
  const Counts<float> v = scan.view(2), air = scan.view(0);
  EXPECT_LT(v.counts(0, 1, 12), 0.6 * air.counts(0, 1, 12));
  EXPECT_NEAR(v.counts(0, 0, 12), air.counts(0, 0, 12), 1e-2);
}

TEST(Simulation, the_truth_is_the_voxel_mean_and_exact_for_mixtures_of_the_basis) {
  Parts p;
  p.phantom =
      "<phantom name='water_cylinder' diameter='101'><ellipse name='rod' x='10' rx='20' "
      "material='water+5mg/mL*iodine'/></phantom>";
  const SimulatedScan scan = scan_of(p);
  const Truth truth = truth_of(scan.scenario());
  EXPECT_EQ(truth.density.shape(), (Array<float, 4>::Shape{2, 3, 32, 32}));
  double area = 0;
  for (float v : truth.density.block(0u, 1u)) area += v * 25;
  EXPECT_NEAR(area, std::numbers::pi * 50.5 * 50.5, 0.01 * area);
  EXPECT_NEAR(truth.density(1, 2, 16, 18), 0.005, 1e-6);  // (12.5, 2.5) mm
  EXPECT_NEAR(truth.density(0, 2, 16, 18), 1.0, 1e-6);
  EXPECT_NEAR(truth.density(1, 2, 16, 9), 0, 1e-7);
  ASSERT_EQ(truth.regions.size(), 2u);
  EXPECT_EQ(truth.regions[1].name, "rod");
  EXPECT_NEAR(truth.regions[1].densities[1].second, 0.005, 1e-9);
}

std::vector<Counts<float>> archived(const fs::path& file, std::optional<Truth>* truth = nullptr) {
  ArchiveReader reader(file, {data_folder()});
  std::vector<Counts<float>> views;
  for (auto message = reader.next<float>(); message.index() != 0; message = reader.next<float>())
    views.push_back(*std::get<Sent<Counts<float>>>(message));
  if (truth) *truth = reader.truth();
  return views;
}

TEST(Simulation, the_same_seed_is_the_same_scan_for_any_number_of_threads) {
  Parts p;
  p.acquisition = "open_beam_counts='1e4' air_views='3' seed='9'";
  p.more += "<drift module_sigma='0.3' pixel_sigma='0.2' slow='0.2'/>";
  std::vector<std::vector<Counts<float>>> scans;
  for (int threads : {1, 2, 3, 4}) {
    Workers workers(threads);
    const fs::path file = data_folder() / ("threads_" + std::to_string(threads) + ".h5");
    simulate_scan(scan_of(p), workers, file);
    scans.push_back(archived(file));
    ASSERT_EQ(scans.back().size(), 11u);
    for (std::size_t v = 0; v < 11; ++v)
      EXPECT_EQ(scans.back()[v].counts, scans.front()[v].counts) << threads << " threads, view " << v;
  }
  p.acquisition = "open_beam_counts='1e4' air_views='3' seed='10'";
  EXPECT_NE(scan_of(p).view(5).counts, scans.front()[5].counts);
}

TEST(Simulation, the_archive_holds_what_was_made) {
  Parts p;
  p.more += "<drift module_sigma='0.3' slow='0.2' dispersion='0.1'/>";
  const SimulatedScan scan = scan_of(p);
  const fs::path file = data_folder() / "scan.h5";
  std::vector<std::size_t> progress;
  Workers workers(2);
  simulate_scan(scan, workers, file, [&](std::size_t done, std::size_t total) {
    EXPECT_EQ(total, 10u);
    progress.push_back(done);
  });
  EXPECT_EQ(progress, (std::vector<std::size_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
  std::optional<Truth> truth;
  const auto views = archived(file, &truth);
  ASSERT_EQ(views.size(), 10u);
  for (std::size_t v = 0; v < 10; ++v) {
    EXPECT_EQ(views[v].counts, scan.view(v).counts);
    EXPECT_NEAR(views[v].view.angle, scan.view(v).view.angle, 1e-6);
    EXPECT_EQ(views[v].view.air, v < 2);
  }
  ASSERT_TRUE(truth.has_value());
  EXPECT_EQ(truth->density, truth_of(scan.scenario()).density);
  EXPECT_EQ(truth->regions.size(), 1u);
}

}  // namespace
}  // namespace counterflow
