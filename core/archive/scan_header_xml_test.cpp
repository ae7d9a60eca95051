#include "core/archive/scan_header_xml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <ismrmrd/xml.h>

#include <fstream>
#include <sstream>

#include "core/archive/test_scan.h"
#include "core/text.h"
#include "core/xml/document.h"

namespace counterflow {
namespace {

using ::testing::HasSubstr;

// The header's XML without one parameter, or with another value.
std::string changed(const std::string& xml, const std::string& name, const std::string& value) {
  const std::string begin = "<name>" + name + "</name><value>";
  const auto at = xml.find(begin);
  EXPECT_NE(at, std::string::npos) << name;
  const auto end = xml.find("</value>", at);
  return xml.substr(0, at + begin.size()) + value + xml.substr(end);
}
std::string without(const std::string& xml, const std::string& name) {
  const auto at = xml.find("<name>" + name + "</name>");
  EXPECT_NE(at, std::string::npos) << name;
  const auto begin = xml.rfind('\n', at), end = xml.find('\n', at);
  return xml.substr(0, begin) + xml.substr(end);
}
std::string refusal(const std::string& xml) {
  return testing::refusal<ArchiveError>([&] { header_from_xml(xml, "scan.h5"); });
}

TEST(ScanHeaderXml, is_valid_against_the_schema_of_ismrmrd) {
  const char* schema = "/usr/share/ismrmrd/schema/ismrmrd.xsd";
  if (!std::filesystem::exists(schema)) GTEST_SKIP() << "ismrmrd-schema is not installed";
  ScanHeader h = testing::small_header();
  h.system.bowtie = "a & b <c>.txt";
  h.system.bad_pixels = "bad.txt";
  h.geometry.rotation_time = 0.33333333333333331;
  h.system.open_beam_counts = 1e5;
  h.grid.centre_x = 3.5;
  EXPECT_NO_THROW(parse_xml(header_to_xml(h, {"water", "iodine"}), "header", testing::read_file(schema)));
  EXPECT_THROW(parse_xml(without(header_to_xml(h), "schema") + "x", "header", testing::read_file(schema)), ConfigError);
}

TEST(ScanHeaderXml, comes_back_with_all_its_bits) {
  ScanHeader h = testing::small_header();
  h.system.thresholds.push_back(100.1);
  h.system.open_beam_counts = 123456.789;
  h.system.bowtie = "a & b <c>.txt";
  h.system.bad_pixels = "bad.txt";
  h.geometry.rotation_time = 0.33333333333333331;
  h.grid.centre_x = 3.3;
  h.grid.centre_y = -0.1;
  const auto back = header_from_xml(header_to_xml(h, {"water", "iodine"}), "scan.h5");
  EXPECT_EQ(back.header.geometry, h.geometry);
  EXPECT_EQ(back.header.system, h.system);
  EXPECT_EQ(back.header.grid, h.grid);
  EXPECT_EQ(back.header.modules, h.modules);
  EXPECT_EQ(back.truth_materials, (std::vector<std::string>{"water", "iodine"}));
}

TEST(ScanHeaderXml, survives_ismrmrds_own_parser_and_printer) {
  const ScanHeader h = testing::small_header();
  ISMRMRD::IsmrmrdHeader theirs;
  ISMRMRD::deserialize(header_to_xml(h).c_str(), theirs);
  EXPECT_EQ(theirs.encoding.at(0).reconSpace.matrixSize.y, 6);
  EXPECT_EQ(theirs.acquisitionSystemInformation->receiverChannels.get(), 15);
  std::ostringstream printed;
  ISMRMRD::serialize(theirs, printed);
  const auto back = header_from_xml(printed.str(), "scan.h5").header;
  EXPECT_EQ(back.geometry.angle_step, h.geometry.angle_step);  // a string
  EXPECT_NEAR(back.geometry.column_pitch, h.geometry.column_pitch, 1e-6);
  EXPECT_NEAR(back.grid.voxel_x, h.grid.voxel_x, 1e-6);
}

TEST(ScanHeaderXml, one_slice_a_row_unless_said_otherwise) {
  ScanHeader h = testing::small_header();
  h.grid.nz = 1;
  h.grid.voxel_z = 99;
  const auto rows = header_from_xml(header_to_xml(h), "scan.h5").header.grid;
  EXPECT_EQ(rows.nz, 5u);
  EXPECT_EQ(rows.voxel_z, h.geometry.slice_spacing());
  h.grid.nz = 3;
  EXPECT_EQ(header_from_xml(header_to_xml(h), "scan.h5").header.grid.nz, 3u);
}

TEST(ScanHeaderXml, names_the_parameter_that_is_missing) {
  const std::string xml = header_to_xml(testing::small_header());
  EXPECT_THAT(refusal(without(xml, "schema")), HasSubstr("scan.h5: not a spectral CT scan"));
  for (const char* name :
       {"geometry", "energy_bins", "detector_rows", "detector_columns", "views", "views_per_rotation", "source_to_isocenter_mm",
        "source_to_detector_mm", "column_pitch_mm", "row_pitch_mm", "column_offset", "row_offset", "first_angle_rad",
        "angle_step_rad", "threshold_keV_0", "threshold_keV_2", "tube_voltage_kV", "detector"})
    EXPECT_THAT(refusal(without(xml, name)), HasSubstr("scan.h5: the header has no parameter '" + std::string(name) + "'"));
  EXPECT_EQ(refusal(without(without(xml, "filters"), "modules")), "accepted");
}

TEST(ScanHeaderXml, names_the_parameter_that_makes_no_sense) {
  const std::string xml = header_to_xml(testing::small_header());
  EXPECT_THAT(refusal(changed(xml, "schema", "counterflow/9")),
              HasSubstr("expected the schema counterflow/1, got 'counterflow/9'"));
  EXPECT_THAT(refusal(changed(xml, "geometry", "fan-ark")), HasSubstr("did you mean 'fan-arc'"));
  EXPECT_THAT(refusal(changed(xml, "quantity", "photons")), HasSubstr("expected counts or line_integrals, got 'photons'"));
  EXPECT_THAT(refusal(changed(xml, "views", "5abc")), HasSubstr("parameter 'views': expected a number, got '5abc'"));
  EXPECT_THAT(refusal(changed(xml, "views", "2.5")), HasSubstr("parameter 'views': expected a positive whole number, got '2.5'"));
  EXPECT_THAT(refusal(changed(xml, "energy_bins", "0")), HasSubstr("parameter 'energy_bins': expected a positive whole number"));
  EXPECT_THAT(refusal(changed(xml, "energy_bins", "2000000000")), HasSubstr("threshold_keV_3"));
  EXPECT_THAT(refusal(changed(xml, "column_pitch_mm", "nan")), HasSubstr("parameter 'column_pitch_mm': expected a number"));
  EXPECT_THAT(refusal(changed(xml, "column_pitch_mm", "-1")), HasSubstr("positive column pitch"));
  EXPECT_THAT(refusal(changed(xml, "source_to_detector_mm", "100")), HasSubstr("beyond the isocenter"));
  EXPECT_THAT(refusal(changed(xml, "threshold_keV_1", "20")), HasSubstr("thresholds must grow"));
  EXPECT_THAT(refusal(changed(xml, "modules", "8")), HasSubstr("expected at most one a column (7), got 8"));
  EXPECT_THAT(refusal(changed(xml, "views", "4</value></userParameterLong><userParameterLong><name>modules</name><value>1")),
              HasSubstr("parameter 'modules' stands twice"));
}

TEST(ScanHeaderXml, refuses_what_is_no_header) {
  EXPECT_THAT(refusal(""), HasSubstr("not XML"));
  EXPECT_THAT(refusal("<a/>"), HasSubstr("its header is <a>"));
  EXPECT_THAT(refusal("<!DOCTYPE a><a/>"), HasSubstr("DOCTYPE is refused"));
  std::string xml = header_to_xml(testing::small_header());
  const auto recon = xml.find("<reconSpace>");
  EXPECT_THAT(refusal(xml.substr(0, recon) + xml.substr(xml.find("</reconSpace>") + 13)),
              HasSubstr("<encoding> has no <reconSpace>"));
  xml.replace(xml.find("<x>4</x>", recon), 8, "<x>0</x>");
  EXPECT_THAT(refusal(xml), HasSubstr("reconSpace/matrixSize/x: expected a positive number, got '0'"));
}

TEST(ScanHeaderXml, scans_with_effective_spectra_need_no_tube_and_no_thresholds) {
  ScanHeader h = testing::small_header();
  h.system.thresholds.clear();
  h.system.tube_voltage = 0;
  h.system.detector.clear();
  h.system.bin_spectra = "spectra.txt";
  EXPECT_EQ(refusal(header_to_xml(h)), "accepted");
  h.system.bin_spectra.clear();
  EXPECT_THAT(refusal(header_to_xml(h)), HasSubstr("no parameter 'threshold_keV_0'"));
  h.quantity = Quantity::line_integrals;
  EXPECT_EQ(refusal(header_to_xml(h)), "accepted");
}

}  // namespace
}  // namespace counterflow
