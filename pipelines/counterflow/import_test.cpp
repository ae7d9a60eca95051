#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numbers>
#include <random>
#include <sstream>

#include "core/archive/archive.h"
#include "core/error.h"
#include "core/physics/spectrum_file.h"
#include "core/testing/folder.h"
#include "core/testing/refusal.h"
#include "pipelines/counterflow/import_arrays.h"
#include "pipelines/counterflow/import_center.h"
#include "pipelines/counterflow/import_settings.h"
#include "pipelines/counterflow/import_spectra.h"
#include "pipelines/counterflow/verbs.h"

namespace counterflow {
namespace {

using ::testing::HasSubstr;

class Import : public ::testing::Test {
 protected:
  std::string xml(const std::string& inside) {
    std::ofstream(folder_ / "geometry.xml") << "<import>\n" << inside << "\n</import>\n";
    return (folder_ / "geometry.xml").string();
  }
  // float32 in C order.
  std::string npy(const std::string& name, const std::string& shape, const std::vector<float>& values) {
    std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + shape + "), }";
    header.resize(118, ' ');
    std::ofstream out(folder_ / name, std::ios::binary);
    out << "\x93NUMPY" << '\1' << '\0' << static_cast<char>(118) << '\0' << header;
    out.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
    return (folder_ / name).string();
  }
  std::string import(const std::string& inside, const std::vector<std::string>& arrays, bool find_center = false) {
    ImportOptions options;
    options.geometry = xml(inside);
    options.arrays = arrays;
    options.output = folder_ / "scan.h5";
    options.find_center = find_center;
    std::ostringstream out;
    import_scan(options, {}, out);
    return out.str();
  }
  std::string refusal(const std::string& inside, const std::vector<std::string>& arrays) {
    return testing::refusal([&] { import(inside, arrays); });
  }
  const testing::Folder folder_;
};

const std::string kGeometry =
    R"(<geometry beam="fan-flat" source_to_isocenter="252" source_to_detector="420" column_pitch="0.2"/>)";

std::vector<float> counted(std::size_t n) {
  std::vector<float> values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = static_cast<float>(i);
  return values;
}

TEST_F(Import, one_array_a_bin_becomes_an_archive_of_line_integrals) {
  const auto low = npy("low.npy", "4, 7", counted(28)), high = npy("high.npy", "4, 7", std::vector<float>(28, 2.5f));
  EXPECT_THAT(import(kGeometry + R"(<arrays scale="0.5"/><image nx="5" voxel="0.3"/>)", {low, high}),
              HasSubstr("4 views, 2 bins, 1 rows, 7 columns"));
  ArchiveReader reader(folder_ / "scan.h5");
  const ScanHeader& h = reader.header();
  EXPECT_EQ(h.quantity, Quantity::line_integrals);
  EXPECT_EQ(h.geometry.columns, 7u);
  EXPECT_EQ(h.geometry.angle_step, std::numbers::pi / 2);
  EXPECT_EQ(h.grid.nx, 5u);
  reader.next<float>();
  const auto message = reader.next<float>();
  const auto& view = *std::get<Sent<PathLengths<float>>>(message);
  EXPECT_EQ(view.areal_density(0, 0, 6), 6.5f);
  EXPECT_EQ(view.areal_density(1, 0, 6), 1.25f);
}

TEST_F(Import, axes_may_stand_in_any_order_and_columns_may_count_backwards) {
  StoredArray stored{{2, 3, 4, 5}, counted(120)};  // [column,bin,row,view]
  const auto bins = bins_of(stored, {.axes = {"column", "bin", "row", "view"}}, "a");
  ASSERT_EQ(bins.size(), 3u);
  EXPECT_EQ(bins[2].shape(), (Array<float, 3>::Shape{5, 4, 2}));
  EXPECT_EQ(bins[2](4, 3, 1), static_cast<float>(((1 * 3 + 2) * 4 + 3) * 5 + 4));
  EXPECT_EQ(bins[1](0, 2, 0), static_cast<float>(((0 * 3 + 1) * 4 + 2) * 5 + 0));
  const auto flipped = bins_of(stored, {.axes = {"column", "bin", "row", "view"}, .flip_columns = true}, "a");
  EXPECT_EQ(flipped[2](4, 3, 0), bins[2](4, 3, 1));
}

TEST_F(Import, counts_need_an_open_beam_and_keep_their_thresholds) {
  const auto low = npy("low.npy", "3, 2, 9", counted(54)), high = npy("high.npy", "3, 2, 9", counted(54));
  const std::string counts = kGeometry + R"(<arrays quantity="counts"/><tube voltage="120" filters="Al 3.0"/>
    <detector sensor="CdTe 1.6" thresholds="25 65" modules="3"/>)";
  EXPECT_THAT(refusal(counts, {low, high}), HasSubstr("counts need <open_beam"));
  import(counts + R"(<open_beam counts="1e5"/>)", {low, high});
  ArchiveReader reader(folder_ / "scan.h5");
  EXPECT_EQ(reader.header().system.thresholds, (std::vector<double>{25, 65}));
  EXPECT_EQ(reader.header().system.open_beam_counts, 1e5);
  EXPECT_EQ(reader.header().modules, 3u);
  const auto message = reader.next<float>();
  EXPECT_EQ(std::get<Sent<Counts<float>>>(message)->counts(1, 1, 8), 17.0f);
}

TEST_F(Import, what_does_not_fit_is_refused) {
  const auto a = npy("a.npy", "4, 7", counted(28)), b = npy("b.npy", "7, 4", counted(28));
  EXPECT_THAT(refusal(kGeometry, {a, b}), HasSubstr("b.npy: its shape is not that of"));
  EXPECT_THAT(refusal(kGeometry, {}), HasSubstr("expected at least one array"));
  EXPECT_THAT(refusal("", {a}), HasSubstr("expected an element <geometry>"));
  EXPECT_THAT(refusal(kGeometry + "<arrays axes=\"view row column\"/>", {a}),
              HasSubstr("expected 3 dimensions (view row column), got 2"));
  EXPECT_THAT(refusal(kGeometry + "<arrays axes=\"view view\"/>", {a}), HasSubstr("at most once"));
  EXPECT_THAT(refusal(kGeometry + "<arrays axis=\"view\"/>", {a}),
              HasSubstr("geometry.xml:2: <arrays> has no property 'axis'; did you mean 'axes'?"));
  EXPECT_THAT(refusal(kGeometry + "<imag/>", {a}), HasSubstr("has no element <imag>; did you mean 'image'?"));
  EXPECT_THAT(refusal(kGeometry + kGeometry, {a}), HasSubstr("<geometry> stands twice"));
  EXPECT_THAT(refusal(R"(<geometry columns="8" column_pitch="1"/>)", {a}), HasSubstr("expected 8 columns, got 7 in the arrays"));
  EXPECT_THAT(refusal(R"(<geometry beam="parallel"/>)", {a}), HasSubstr("positive column pitch"));
  EXPECT_THAT(refusal(kGeometry + R"(<bin voltage="50" detector="integrating CsI 0.6"/>)", {a, a}),
              HasSubstr("expected a <bin> for each of the 2"));
  EXPECT_THAT(refusal(kGeometry + R"(<bin voltage="50" detector="CsI 0.6"/>)", {a}), HasSubstr("expected 'integrating CsI 0.6'"));
  EXPECT_THAT(refusal(kGeometry + R"(<detector thresholds="20 30 40"/>)", {a}),
              HasSubstr("expected a threshold for each of the 1"));
  auto bad = counted(28);
  bad[9] = std::nanf("");
  EXPECT_THAT(refusal(kGeometry, {npy("nan.npy", "4, 7", bad)}),
              HasSubstr("view 1: bin 0, row 0, column 2: expected a finite number"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "scan.h5"));
}

TEST_F(Import, effective_spectra_stand_beside_the_scan) {
  const auto a = npy("a.npy", "4, 7", counted(28));
  const std::string bins =
      R"(<bin voltage="50" detector="integrating CsI 0.6"/><bin voltage="80" filters="Al 1.0" detector="counting CdTe 1.6"/>)";
  import(kGeometry + bins, {a, a});
  import(kGeometry + bins, {a, a});  // its own file may be replaced
  ArchiveReader reader(folder_ / "scan.h5");
  const SpectralSystem& system = reader.header().system;
  ASSERT_EQ(system.bin_spectra, "scan_spectra.txt");
  const SpectrumTable table = parse_spectrum(system.files.at("scan_spectra.txt"), "spectra", 2);
  for (std::size_t bin = 0; bin < 2; ++bin) {
    double sum = 0;
    for (std::size_t k = 0; k < table.energies.size(); ++k) {
      sum += table.values(bin, k);
      EXPECT_EQ(table.values(bin, k) > 0, table.energies[k] < (bin == 0 ? 50 : 80)) << table.energies[k];
    }
    EXPECT_NEAR(sum, 1, 1e-9);
  }
}

TEST(EffectiveSpectra, integrating_detectors_see_harder_photons_and_a_beryllium_window_lets_soft_ones_through) {
  const auto mean = [](const BinSpectrum& bin) {
    const SpectrumTable table = parse_spectrum(effective_spectra({bin}), "spectrum", 1);
    double sum = 0;
    for (std::size_t k = 0; k < table.energies.size(); ++k) sum += table.energies[k] * table.values(0, k);
    return sum;
  };
  BinSpectrum counting;
  counting.voltage = 80;
  counting.detector = "counting CsI 0.3";
  BinSpectrum integrating = counting, soft = counting;
  integrating.detector = "integrating CsI 0.3";
  soft.inherent = "Be 0.5";
  EXPECT_GT(mean(integrating), mean(counting) + 1);
  EXPECT_LT(mean(soft), mean(counting) - 4);
}

// Line integrals of three discs and their noise.
Array<float, 2> discs(const ScanGeometry& g, double sigma) {
  const double disc[3][4] = {{3, -2, 22, 0.02}, {-8, 5, 3, 0.05}, {10, 8, 2, 0.1}};  // x, y, radius [mm], 1/mm
  Array<float, 2> p({g.views, g.columns});
  std::mt19937 random(5);
  std::normal_distribution<double> noise(0, sigma);
  for (std::size_t v = 0; v < g.views; ++v)
    for (std::size_t c = 0; c < g.columns; ++c) {
      const double b = g.first_angle + static_cast<double>(v) * g.angle_step, k = static_cast<double>(c);
      const double u = g.column_position(k), along = b + std::numbers::pi + g.fan_angle(k);
      const bool parallel = g.beam == Beam::parallel;
      const double x = parallel ? u * std::sin(b) : g.source_to_isocenter * std::cos(b);
      const double y = parallel ? -u * std::cos(b) : g.source_to_isocenter * std::sin(b);
      double sum = noise(random);
      for (const auto& d : disc) {
        const double distance = (d[0] - x) * std::sin(along) - (d[1] - y) * std::cos(along);
        sum += d[3] * 2 * std::sqrt(std::max(0.0, d[2] * d[2] - distance * distance));
      }
      p(v, c) = static_cast<float>(sum);
    }
  return p;
}

ScanGeometry geometry_of(Beam beam, double offset, bool clockwise) {
  ScanGeometry g{.beam = beam,
                 .columns = 150,
                 .rows = 1,
                 .views = 180,
                 .views_per_rotation = 180,
                 .source_to_isocenter = 252,
                 .source_to_detector = 420,
                 .column_pitch = beam == Beam::parallel ? 0.45 : 0.75,
                 .row_pitch = 1,
                 .column_offset = offset};
  g.first_angle = 0.4;
  g.angle_step = (clockwise ? -2 : 2) * std::numbers::pi / 180;
  return g;
}

TEST(Center, is_found_within_a_twentieth_of_an_element) {
  for (const Beam beam : {Beam::fan_flat, Beam::fan_arc, Beam::parallel})
    for (const bool clockwise : {false, true})
      for (const double offset : {0.0, 0.25, -3.37, 11.5}) {
        const ScanGeometry g = geometry_of(beam, offset, clockwise);
        ScanGeometry unknown = g;
        unknown.column_offset = 0;
        EXPECT_NEAR(find_center(discs(g, 0.005), unknown).offset, offset, 0.05) << beam_name(beam) << " " << clockwise;
      }
}

TEST(Center, tells_which_way_the_source_turns) {
  const ScanGeometry g = geometry_of(Beam::fan_flat, 1.5, true);
  const auto p = discs(g, 0.005);
  ScanGeometry wrong = g;
  wrong.angle_step = -g.angle_step;
  EXPECT_LT(3 * find_center(p, g).disagreement, find_center(p, wrong).disagreement);
}

TEST(Center, needs_opposite_rays) {
  ScanGeometry g = geometry_of(Beam::parallel, 0, false);
  g.views = 60;
  EXPECT_THROW(find_center(discs(g, 0), g), DataError);
  g.views = 90;  // parallel beams over half a turn have just one pair of opposite views
  EXPECT_NEAR(find_center(discs(g, 0), g).offset, 0, 0.3);
}

std::filesystem::path outside_data() {
  const char* said = std::getenv("COUNTERFLOW_DATA");
  return said ? std::filesystem::path(said) : std::filesystem::path(COUNTERFLOW_SOURCE_DIR) / "../shared/data";
}

TEST_F(Import, the_quail_has_its_centre_a_third_of_an_element_off_and_turns_as_its_xml_says) {
  const auto quail = outside_data() / "quail";
  if (!std::filesystem::exists(quail)) GTEST_SKIP() << "no quail in " << quail.parent_path();
  ImportOptions options;
  options.geometry = std::filesystem::path(COUNTERFLOW_SOURCE_DIR) / "xml/import/quail.xml";
  for (const char* voltage : {"Low", "Mid", "High"})
    options.arrays.push_back((quail / ("QuailChestPhantomA" + std::string(voltage) + "_ct_project_2d.mat")).string() +
                             ":/CtData/sinogram");
  options.output = folder_ / "quail.h5";
  options.find_center = true;
  std::ostringstream out;
  import_scan(options, {}, out);
  EXPECT_THAT(out.str(), ::testing::Not(HasSubstr("turns the other way")));
  ArchiveReader reader(options.output);
  EXPECT_EQ(reader.header().bins(), 3u);
  EXPECT_EQ(reader.header().geometry.columns, 552u);
  EXPECT_NEAR(reader.header().geometry.column_offset, 0.36, 0.05);
  EXPECT_NO_THROW(reader.check_all());
}

TEST(ImportExamples, are_understood) {
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(COUNTERFLOW_SOURCE_DIR) / "xml/import"))
    EXPECT_NO_THROW(read_import_settings(entry.path())) << entry.path();
}

}  // namespace
}  // namespace counterflow
