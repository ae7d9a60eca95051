// DICOM folders, read back by DCMTK itself and judged by dciodvfy.
// clang-format off
#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>
// clang-format on
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <set>
#include <sstream>

#include "core/archive/test_scan.h"
#include "pipelines/counterflow/dicom/uid.h"
#include "pipelines/counterflow/dicom/unit.h"
#include "pipelines/counterflow/dicom/writer.h"
#include "pipelines/counterflow/verbs.h"

namespace counterflow {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
namespace fs = std::filesystem;

const ImageGrid kGrid{.nx = 9,
                      .ny = 7,
                      .nz = 3,
                      .voxel_x = 0.7,
                      .voxel_y = 0.9,
                      .voxel_z = 1.425,
                      .centre_x = 3.3,
                      .centre_y = -2.1,
                      .centre_z = 1e3 / 7};
const std::string kScan = "a scan";

// A slice of random values about `mean`, with noise where it is asked for.
Image<float> slice_of(Channels channels, std::size_t slice, double mean, double spread, bool with_noise) {
  std::mt19937_64 random(slice + channels.names.size());
  std::uniform_real_distribution<double> uniform(-spread, spread);
  Image<float> image;
  image.grid = kGrid;
  image.slice = slice;
  image.value = Array<float, 4>({channels.names.size(), 1, kGrid.ny, kGrid.nx});
  for (float& v : image.value) v = static_cast<float>(mean + uniform(random));
  if (with_noise) {
    const std::size_t n = channels.names.size();
    image.covariance = Array<float, 4>({pair_count(n), 1, kGrid.ny, kGrid.nx});
    for (std::size_t c = 0; c < n; ++c)
      for (float& v : image.covariance.block(pair_index(c, c, n)))
        v = static_cast<float>(std::pow(0.01 * (spread + uniform(random)), 2));
  }
  image.channels = std::make_shared<const Channels>(std::move(channels));
  return image;
}

const Channels kDensity{"density", "g/cm^3", {"water", "iodine"}}, kMono{"monoenergetic", "HU", {"70 keV"}};

struct Case {
  Channels channels;
  double mean, spread;
};
const std::vector<Case> kCases = {{kDensity, 0.5, 0.8},
                                  {kMono, 0, 1200},
                                  {{"attenuation", "1/cm", {"bin 0", "bin 1"}}, 0.2, 0.05},
                                  {{"electron_density", "1", {"electron density"}}, 1, 0.1},
                                  {{"effective_z", "1", {"effective Z"}}, 7.4, 2},
                                  {{"concentration", "mg/mL", {"iodine map"}}, 5, 8},
                                  {{"virtual_non_contrast", "HU", {"70 keV without iodine"}}, 0, 300}};

ScanHeader header() {
  ScanHeader h;
  h.system.tube_voltage = 120;
  h.geometry.source_to_isocenter = 570;
  h.geometry.source_to_detector = 1040;
  return h;
}

void write_case(const fs::path& folder, const Case& c, const std::string& scan = kScan, DicomOptions options = {}) {
  DicomWriter writer(folder, header(), {"abcd", "initial"}, std::move(options));
  for (std::size_t z : {2, 0, 1}) writer.write(slice_of(c.channels, z, c.mean, c.spread, true));
  writer.finish(scan);
}

struct Read {
  DcmFileFormat format;
  explicit Read(const fs::path& file) { EXPECT_TRUE(format.loadFile(file.c_str()).good()) << file; }
  std::string text(const DcmTagKey& key) {
    OFString value;
    EXPECT_TRUE(format.getDataset()->findAndGetOFStringArray(key, value, true).good()) << key.toString();
    return value.c_str();
  }
  double number(const DcmTagKey& key, unsigned long position = 0) {
    Float64 value = std::nan("");
    EXPECT_TRUE(format.getDataset()->findAndGetFloat64(key, value, position, true).good()) << key.toString();
    return value;
  }
  std::size_t integer(const DcmTagKey& key) {
    Uint16 value = 0;
    EXPECT_TRUE(format.getDataset()->findAndGetUint16(key, value).good()) << key.toString();
    return value;
  }
  // In the unit of the pixels.
  std::vector<double> values() {
    const Uint16* words = nullptr;
    unsigned long count = 0;
    EXPECT_TRUE(format.getDataset()->findAndGetUint16Array(DCM_PixelData, words, &count).good());
    std::vector<double> out;
    for (unsigned long i = 0; i < count; ++i)
      out.push_back(static_cast<std::int16_t>(words[i]) * number(DCM_RescaleSlope) + number(DCM_RescaleIntercept));
    return out;
  }
};

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) out.push_back(entry.path());
  std::ranges::sort(out);
  return out;
}

TEST(Dicom, values_are_those_of_the_image_within_half_a_step) {
  const testing::Folder folder;
  for (const Case& c : kCases) {
    write_case(folder / "out", c);
    const auto files = files_in(folder / "out");
    ASSERT_EQ(files.size(), 2 * 3 * c.channels.names.size());  // values and noise
    const double scale = dicom_unit(c.channels).scale;
    for (std::size_t z = 0; z < 3; ++z) {
      const auto image = slice_of(c.channels, z, c.mean, c.spread, true);
      const auto bound = noise_of(image);
      for (std::size_t k = 0; k < c.channels.names.size(); ++k)
        for (bool noise : {false, true}) {
          const std::size_t series = (noise ? c.channels.names.size() : 0) + k;
          Read read(files[3 * series + z]);
          const double step = read.number(DCM_RescaleSlope);
          const auto values = read.values();
          const auto expected = (noise ? bound : image.value).block(k, 0u);
          ASSERT_EQ(values.size(), expected.size());
          for (std::size_t i = 0; i < values.size(); ++i)
            EXPECT_NEAR(values[i], scale * static_cast<double>(expected[i]), 0.50001 * step);
          // 16 bits are used: a step is at most 2.5 times what the largest value asks for; HU have steps of 1
          const double largest = std::abs(*std::ranges::max_element(values, {}, [](double v) { return std::abs(v); }));
          if (c.channels.unit == "HU" && !noise) EXPECT_EQ(step, 1);
          else EXPECT_LT(step, 4 * largest / 32767);
        }
    }
  }
}

TEST(Dicom, geometry_is_the_grids_in_the_patients_system) {
  const testing::Folder folder;
  write_case(folder / "out", kCases[0]);
  std::set<std::string> instances, series, studies, frames;
  for (const auto& file : files_in(folder / "out")) {
    Read read(file);
    const double slice = std::stod(read.text(DCM_InstanceNumber)) - 1;
    EXPECT_EQ(file.filename(), "000" + std::to_string(static_cast<int>(slice) + 1) + ".dcm");
    EXPECT_NEAR(read.number(DCM_ImagePositionPatient, 0), 3.3 - 4 * 0.7, 1e-9);
    EXPECT_NEAR(read.number(DCM_ImagePositionPatient, 1), -2.1 - 3 * 0.9, 1e-9);
    EXPECT_NEAR(read.number(DCM_ImagePositionPatient, 2), 1e3 / 7 + (slice - 1) * 1.425, 1e-9);
    EXPECT_NEAR(read.number(DCM_SliceLocation), 1e3 / 7 + (slice - 1) * 1.425, 1e-9);
    EXPECT_EQ(read.text(DCM_ImageOrientationPatient), "1\\0\\0\\0\\1\\0");
    EXPECT_EQ(read.text(DCM_PixelSpacing), "0.9\\0.7");  // down, then across
    EXPECT_EQ(read.number(DCM_SpacingBetweenSlices), 1.425);
    EXPECT_EQ(read.integer(DCM_Rows), 7u);
    EXPECT_EQ(read.integer(DCM_Columns), 9u);
    instances.insert(read.text(DCM_SOPInstanceUID));
    series.insert(read.text(DCM_SeriesInstanceUID));
    studies.insert(read.text(DCM_StudyInstanceUID));
    frames.insert(read.text(DCM_FrameOfReferenceUID));
  }
  EXPECT_EQ(instances.size(), 12u);
  EXPECT_EQ(series.size(), 4u);
  EXPECT_EQ(studies.size(), 1u);
  EXPECT_EQ(frames.size(), 1u);
}

TEST(Dicom, says_what_the_values_are) {
  const testing::Folder folder;
  write_case(folder / "density", kCases[0]);
  Read iodine(folder.path() / "density/02_iodine/0001.dcm");
  EXPECT_EQ(iodine.text(DCM_SeriesDescription), "iodine [mg/mL]");
  EXPECT_EQ(iodine.text(DCM_RescaleType), "MGML");
  EXPECT_EQ(iodine.text(DCM_ImageType), "DERIVED\\PRIMARY\\AXIAL\\MAT_SPECIFIC");
  EXPECT_EQ(iodine.number(DCM_KVP), 120);
  DcmItem *mapping = nullptr, *unit = nullptr;
  for (const auto& [index, code, factor] : {std::tuple(0, "mg/mL", 1.0), std::tuple(1, "g/cm3", 1e-3)}) {
    ASSERT_TRUE(iodine.format.getDataset()->findAndGetSequenceItem(DCM_RealWorldValueMappingSequence, mapping, index).good());
    Float64 slope = 0;
    OFString value;
    EXPECT_TRUE(mapping->findAndGetFloat64(DCM_RealWorldValueSlope, slope).good());
    EXPECT_NEAR(slope, factor * iodine.number(DCM_RescaleSlope), 1e-15);
    ASSERT_TRUE(mapping->findAndGetSequenceItem(DCM_MeasurementUnitsCodeSequence, unit).good());
    EXPECT_TRUE(unit->findAndGetOFString(DCM_CodeValue, value).good());
    EXPECT_STREQ(value.c_str(), code);
  }
  EXPECT_EQ(dicom_unit(kMono).codes.front().code, "[hnsf'U]");
  EXPECT_EQ(dicom_unit({"attenuation", "1/cm", {}}).codes.front().code, "/cm");
  EXPECT_EQ(dicom_unit({"electron_density", "10^23/cm^3", {}}).codes.front().code, "10*23/cm3");
}

TEST(Dicom, same_input_gives_the_same_bits_and_other_input_other_names) {
  const testing::Folder folder;
  write_case(folder / "a", kCases[0]);
  write_case(folder / "b", kCases[0]);
  write_case(folder / "other", kCases[0], "another scan");
  write_case(folder / "named", kCases[0], kScan, {"Doe^Jane", "17"});
  const auto a = files_in(folder / "a"), b = files_in(folder / "b");
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(testing::read_file(a[i]), testing::read_file(b[i]));
  Read mine(a[0]), other(files_in(folder / "other")[0]), named(files_in(folder / "named")[0]);
  for (const auto& key : {DCM_SOPInstanceUID, DCM_SeriesInstanceUID, DCM_StudyInstanceUID, DCM_FrameOfReferenceUID}) {
    EXPECT_NE(mine.text(key), other.text(key));
    EXPECT_NE(mine.text(key), named.text(key));
    EXPECT_THAT(mine.text(key), StartsWith("2.25."));
    EXPECT_LE(mine.text(key).size(), 44u);
  }
  EXPECT_EQ(named.text(DCM_PatientName), "Doe^Jane");
  EXPECT_EQ(named.text(DCM_PatientID), "17");
}

TEST(Dicom, chains_of_one_scan_share_a_study_and_a_frame_of_reference) {
  const testing::Folder folder;
  for (const char* chain : {"one", "two"}) {
    DicomWriter writer(folder / chain, header(), {chain, "initial"});
    for (std::size_t z = 0; z < 3; ++z) writer.write(slice_of(kMono, z, 0, 100, false));
    writer.finish(kScan);
  }
  Read one(files_in(folder / "one")[0]), two(files_in(folder / "two")[0]);
  EXPECT_EQ(one.text(DCM_StudyInstanceUID), two.text(DCM_StudyInstanceUID));
  EXPECT_EQ(one.text(DCM_FrameOfReferenceUID), two.text(DCM_FrameOfReferenceUID));
  EXPECT_NE(one.text(DCM_SeriesInstanceUID), two.text(DCM_SeriesInstanceUID));
  EXPECT_NE(one.text(DCM_SOPInstanceUID), two.text(DCM_SOPInstanceUID));
}

TEST(Dicom, values_that_are_not_finite_are_padding) {
  const testing::Folder folder;
  DicomWriter writer(folder / "out", header(), {"abcd", "initial"});
  for (std::size_t z = 0; z < 3; ++z) {
    auto image = slice_of(kMono, z, 0, 100, false);
    if (z == 1) image.value[5] = std::numeric_limits<float>::quiet_NaN();
    writer.write(image);
  }
  writer.finish(kScan);
  const auto files = files_in(folder / "out");
  Sint16 padding = 0;
  EXPECT_FALSE(Read(files[0]).format.getDataset()->tagExists(DCM_PixelPaddingValue));
  Read read(files[1]);
  ASSERT_TRUE(read.format.getDataset()->findAndGetSint16(DCM_PixelPaddingValue, padding).good());
  EXPECT_EQ(read.values()[5], padding);
  EXPECT_EQ(std::ranges::count(read.values(), padding), 1);
}

TEST(DicomFolder, of_ours_is_replaced_and_what_is_not_ours_is_kept) {
  const testing::Folder folder;
  write_case(folder / "out", kCases[0]);
  write_case(folder / "out", kCases[1]);
  EXPECT_EQ(files_in(folder / "out").size(), 6u);
  testing::write_file(folder.path() / "out" / "letter.txt", "dear");
  EXPECT_THAT(testing::refusal<ArchiveError>([&] { write_case(folder / "out", kCases[0]); }), HasSubstr("letter.txt"));
  testing::write_file(folder / "file", "x");
  EXPECT_THAT(testing::refusal<ArchiveError>([&] { write_case(folder / "file", kCases[0]); }), HasSubstr("is a file"));
  EXPECT_THAT(testing::refusal<ArchiveError>([&] { write_case(folder.path() / "nowhere" / "out", kCases[0]); }),
              HasSubstr("cannot be written"));
  EXPECT_EQ(files_in(folder / "out").size(), 7u);
  EXPECT_THAT(folder.names(), ::testing::UnorderedElementsAre("out", "file"));
}

TEST(DicomFolder, does_not_appear_where_slices_are_missing_or_come_twice) {
  const testing::Folder folder;
  const auto image = slice_of(kMono, 1, 0, 100, false);
  EXPECT_THAT(testing::refusal<ArchiveError>([&] {
                DicomWriter writer(folder / "out", header(), {"abcd", "initial"});
                writer.write(image);
                writer.finish(kScan);
              }),
              HasSubstr("slice 0 is missing"));
  EXPECT_THAT(testing::refusal<ArchiveError>([&] {
                DicomWriter writer(folder / "out", header(), {"abcd", "initial"});
                writer.write(image);
                writer.write(image);
              }),
              HasSubstr("slice 1 came twice"));
  EXPECT_TRUE(folder.names().empty());
  EXPECT_THROW(DicomWriter(folder / "out", header(), {}, {"a\\b", "1"}), ConfigError);
}

TEST(Dicom, uids_are_uuids_of_the_content_in_decimal) {
  EXPECT_EQ(Digest().add("abc").hex(), Digest().add("abc").hex());
  EXPECT_NE(Digest().add("ab").add("c").uid(), Digest().add("a").add("bc").uid());
  // sha256("3:abc") = the first 16 bytes with version and variant set, worked out apart
  EXPECT_EQ(Digest().add("abc").uid(), "2.25.226913629168089105521790336268554663280");
}

// Random counts behind nothing in particular: what the images show does not matter.
void write_scan(const fs::path& file) {
  ScanHeader h;
  h.geometry = {.beam = Beam::parallel,
                .columns = 24,
                .rows = 2,
                .views = 30,
                .views_per_rotation = 30,
                .column_pitch = 4,
                .row_pitch = 3,
                .angle_step = 2 * M_PI / 30};
  h.grid = {.nx = 20, .ny = 18, .nz = 2, .voxel_x = 4, .voxel_y = 4, .voxel_z = 3};
  h.system.bins = 2;
  h.system.thresholds = {25, 60};
  h.system.tube_voltage = 100;
  h.system.filters = "Al 3.0";
  h.system.detector = "ideal";
  h.system.open_beam_counts = 1e5;
  ArchiveWriter writer(file, h);
  std::mt19937_64 random(7);
  std::uniform_int_distribution<int> count(3000, 9000);
  for (std::size_t v = 0; v < 30; ++v) {
    Counts<float> x;
    x.view.index = v;
    x.view.angle = h.geometry.angle_step * static_cast<double>(v);
    x.counts = Array<float, 3>({2, 2, 24});
    for (float& n : x.counts) n = static_cast<float>(count(random));
    writer.write(x);
  }
  writer.finish();
}

TEST(Dicom, of_a_run_holds_what_the_image_file_of_the_same_run_holds) {
  const testing::Folder folder;
  write_scan(folder / "scan.h5");
  CommonOptions common;
  common.plugins = {COUNTERFLOW_PLUGIN_DIR};
  common.quiet = true;
  std::ostringstream none;
  const fs::path chain = COUNTERFLOW_SOURCE_DIR "/xml/chains/material_images.xml";
  run({chain, folder / "scan.h5", folder / "images.h5", {}}, common, none);
  run({chain, folder / "scan.h5", (folder / "dicom").string() + "/", DicomOptions{}}, common, none);

  const auto files = files_in(folder / "dicom");
  std::size_t at = 0;
  for (const ImageSeries& series : read_images(folder / "images.h5"))
    for (std::size_t c = 0; c < series.channels.names.size(); ++c)
      for (std::size_t z = 0; z < series.grid.nz; ++z) {
        ASSERT_LT(at, files.size());
        Read read(files[at++]);
        EXPECT_THAT(read.text(DCM_SeriesDescription), HasSubstr(series.channels.names[c]));
        EXPECT_NEAR(read.number(DCM_ImagePositionPatient, 2), series.grid.z(static_cast<double>(z)), 1e-9);
        const auto values = read.values();
        const auto expected = series.value.block(c, z);
        const double scale = dicom_unit(series.channels).scale, half = 0.50001 * read.number(DCM_RescaleSlope);
        ASSERT_EQ(values.size(), expected.size());
        for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], scale * static_cast<double>(expected[i]), half);
      }
  EXPECT_EQ(at, files.size());
}

std::string output_of(const std::string& command) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  std::string text;
  for (int c; (c = fgetc(pipe)) != EOF;) text += static_cast<char>(c);
  pclose(pipe);
  return text;
}

TEST(Dicom, dciodvfy_finds_no_error_in_any_kind_of_series) {
  if (std::system("command -v dciodvfy > /dev/null") != 0) GTEST_SKIP() << "dciodvfy is not installed (Debian: dicom3tools)";
  const testing::Folder folder;
  for (const Case& c : kCases) {
    write_case(folder / "out", c);
    for (const auto& file : files_in(folder / "out")) {
      const std::string judgement = output_of("dciodvfy '" + file.string() + "'");
      EXPECT_THAT(judgement, HasSubstr("CTImage"));
      EXPECT_THAT(judgement, Not(HasSubstr("Error"))) << file;
    }
  }
}

TEST(Dicom, dcmdump_reads_every_file_without_complaint) {
  if (std::system("command -v dcmdump > /dev/null") != 0) GTEST_SKIP() << "dcmdump is not installed (Debian: dcmtk)";
  const testing::Folder folder;
  write_case(folder / "out", kCases[0]);
  const std::string text = output_of("dcmdump '" + (folder / "out").string() + "' +sd +r");
  EXPECT_THAT(text, HasSubstr("PixelData"));
  for (const char* complaint : {"W: ", "E: "}) EXPECT_THAT(text, Not(HasSubstr(complaint)));
}

}  // namespace
}  // namespace counterflow
