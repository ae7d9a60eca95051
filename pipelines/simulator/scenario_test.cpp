#include "pipelines/simulator/scenario.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numbers>

#include "core/geometry/helix.h"
#include "core/testing/refusal.h"

namespace counterflow {
namespace {

using ::testing::HasSubstr;

const std::string kGeometry =
    "<geometry beam='fan-flat' columns='20' rows='3' views='10' views_per_rotation='16' source_to_isocenter='500'"
    " source_to_detector='900' column_pitch='4' row_pitch='2' column_offset='0.25' clockwise='true' first_angle='0.5'/>\n";
const std::string kTube = "<tube voltage='120' filters='Al 3.0; Ti 0.9'/>\n";
const std::string kDetector = "<detector sensor='CdTe 1.6' thresholds='30 51 62 72 83' modules='4'/>\n";
const std::string kPhantom = "<phantom name='water_cylinder' diameter='30'/>\n";

Scenario parsed(const std::string& content) {
  return parse_scenario(parse_xml("<scenario>\n" + content + "</scenario>", "s.xml"));
}

// Line 2 is the geometry, 3 the tube, 4 the detector, 5 the phantom, 6 what is added.
Scenario with(const std::string& more) { return parsed(kGeometry + kTube + kDetector + kPhantom + more); }

std::string refusal(const std::string& content) {
  return testing::refusal<ConfigError>([&] { parsed(content); });
}
std::string refusal_with(const std::string& more) { return refusal(kGeometry + kTube + kDetector + kPhantom + more); }
std::string refusal_of_phantom(const std::string& phantom) { return refusal(kGeometry + kTube + kDetector + phantom); }

TEST(Scenario, says_what_the_header_will_say) {
  const Scenario s = with(
      "<acquisition open_beam_counts='5e4' air_views='7' seed='12' noise='false'/>"
      "<image nx='40' ny='30' voxel='2.5'/><truth materials='water calcium' samples='2'/>");
  const ScanGeometry& g = s.header.geometry;
  EXPECT_EQ(g.beam, Beam::fan_flat);
  EXPECT_EQ(g.columns, 20u);
  EXPECT_EQ(g.views, 10u);
  EXPECT_NEAR(g.angle_step, -2 * std::numbers::pi / 16, 1e-15);
  EXPECT_EQ(g.column_offset, 0.25);
  EXPECT_EQ(s.header.system.bins, 5u);
  EXPECT_EQ(s.header.system.thresholds, (std::vector<double>{30, 51, 62, 72, 83}));
  EXPECT_EQ(s.header.system.filters, "Al 3.0; Ti 0.9");
  EXPECT_EQ(s.header.modules, 4u);
  EXPECT_EQ(s.header.grid.ny, 30u);
  EXPECT_EQ(s.header.grid.nz, 3u);
  EXPECT_EQ(s.header.grid.voxel_y, 2.5);
  EXPECT_FALSE(s.acquisition.noise);
  EXPECT_EQ(s.acquisition.seed, 12);
  EXPECT_EQ(s.truth.materials, (std::vector<std::string>{"water", "calcium"}));
  EXPECT_FALSE(s.header.system.open_beam_counts.has_value());
}

TEST(Scenario, of_a_helix_has_its_middle_at_zero_and_all_complete_slices) {
  const auto helix = [](const std::string& more, const std::string& image = "", const std::string& views = "96") {
    return parsed(
        "<geometry beam='cone-arc' columns='20' rows='8' views_per_rotation='24' source_to_isocenter='500'"
        " source_to_detector='900' column_pitch='9' row_pitch='2' views='" +
        views + "' " + more + "/>\n" + kTube + kDetector + kPhantom + image);
  };
  const ScanHeader h = helix("pitch='-0.9'").header;
  EXPECT_NEAR(h.geometry.table_feed, -0.9 * 8 * 2 * 500 / 900, 1e-12);
  EXPECT_NEAR(h.geometry.table_position(95.0 / 2), 0, 1e-12);
  const HelixRange range = complete_slices(h.geometry, h.geometry.field_radius());
  EXPECT_NEAR(h.grid.centre_z, 0, 1e-12);
  EXPECT_GE(h.grid.z(0), range.low - 1e-9);
  EXPECT_LT(h.grid.z(-1), range.low);
  EXPECT_GT(h.grid.nz, 10u);
  EXPECT_EQ(helix("table_feed='7' first_table_position='3'").header.geometry.first_table_position, 3);
  EXPECT_EQ(helix("pitch='1'", "<image nz='3' thickness='2'/>").header.grid.nz, 3u);
  EXPECT_THAT(testing::refusal<ConfigError>([&] { helix("table_feed='7' pitch='1'"); }), HasSubstr("got both"));
  EXPECT_THAT(testing::refusal<ConfigError>([&] { helix("pitch='9'"); }),
              HasSubstr("leaves gaps between the turns: expected at most 1."));
  EXPECT_THAT(testing::refusal<ConfigError>([&] { helix("pitch='1.86'", "", "18"); }), HasSubstr("ask for more views"));
  EXPECT_THAT(refusal("<geometry pitch='1' columns='20' views='9' source_to_isocenter='500' source_to_detector='900'"
                      " column_pitch='4'/>\n" +
                      kTube + kDetector + kPhantom),
              HasSubstr("true cone rays"));
}

TEST(Scenario, without_air_views_the_header_has_the_open_beam) {
  EXPECT_EQ(with("<acquisition open_beam_counts='5e4' air_views='0'/>").header.system.open_beam_counts, 5e4);
}

TEST(Scenario, an_ideal_sensor_needs_no_file) {
  const auto of = [](const std::string& sensor) {
    return parsed(kGeometry + kTube + "<detector sensor='" + sensor + "' thresholds='30 60'/>\n" + kPhantom);
  };
  EXPECT_EQ(of("ideal").header.system.detector, "ideal");
  EXPECT_TRUE(of("ideal").header.system.files.empty());
  EXPECT_THAT(testing::refusal<ConfigError>([&] { of("idael"); }), HasSubstr("no file 'idael'"));
}

TEST(Scenario, bodies_are_painted_over_a_ready_phantom) {
  const Scenario s =
      parsed(kGeometry + kTube + kDetector +
             "<phantom name='water_cylinder' diameter='60'>"
             "<ellipse name='insert' x='5' y='-3' rx='4' material='iodine' concentration='7'/>"
             "<box x='-10' rx='2' ry='3' rz='4' angle='0.5' material='bone' density='1.5' clip='1 0 0 -9 0 1 0 1'/>"
             "<ellipsoid z='2' rx='1' ry='2' rz='3' axis='0 1 1' across='1 0 0' material='air'/>"
             "<cylinder rx='1' half_length='9' axis='1 0 0' material='water+5mg/mL*iodine'/>"
             "<cone radius_below='2' radius_above='1' half_length='3' material='water' density='0'/>"
             "</phantom>");
  ASSERT_EQ(s.phantom.painting.shapes().size(), 6u);
  EXPECT_EQ(s.phantom.painting.shapes()[1].density, 0.007);
  ASSERT_EQ(s.phantom.regions.size(), 2u);
  EXPECT_EQ(s.phantom.regions[1].name, "insert");
  EXPECT_EQ(s.phantom.regions[1].radius, 4);
  EXPECT_EQ(s.phantom.painting.at({5, -3, 1}), 1u);
  EXPECT_EQ(s.phantom.painting.at({-8.8, 0, 0}), 4u);  // cut off at x = -9, so the thin cylinder is seen
  EXPECT_FALSE(s.phantom.painting.z_invariant());
}

TEST(Scenario, wrong_elements_and_attributes_are_refused_with_their_line) {
  EXPECT_THAT(refusal_with("<phantoms/>"), HasSubstr("s.xml:6: <scenario> has no element <phantoms>; did you mean 'phantom'?"));
  EXPECT_THAT(refusal_with("<drift comon='1'/>"), HasSubstr("s.xml:6: <drift> has no property 'comon'; did you mean 'common'?"));
  EXPECT_THAT(refusal_with("<drift common='much'/>"), HasSubstr("s.xml:6: <drift>: property 'common': expected a number"));
  EXPECT_THAT(refusal_with("<drift module_sigma='-1'/>"), HasSubstr("from 0 to 8 [keV], got '-1'"));
  EXPECT_THAT(refusal_with("<drift air='nominl'/>"), HasSubstr("did you mean 'nominal'?"));
  EXPECT_THAT(refusal_with("<acquisition noise='perhaps'/>"), HasSubstr("expected true or false, got 'perhaps'"));
  EXPECT_THAT(refusal_with("<acquisition air_views='1.5'/>"), HasSubstr("expected an integer"));
  EXPECT_THAT(refusal_with("<sampling column_rays='0'/>"), HasSubstr("from 1 to 64, got '0'"));
  EXPECT_THAT(refusal_with("<truth materials='water iodin'/>"), HasSubstr("did you mean 'iodine'?"));
  EXPECT_THAT(refusal_with("<truth materials=''/>"), HasSubstr("expected at least one material"));
  EXPECT_THAT(refusal_with("<image nx='0'/>"), HasSubstr("got '0'"));
  EXPECT_THAT(refusal_with("<image nz='2'/>"), HasSubstr("leave out nz"));
  EXPECT_THAT(refusal_with("<image>here</image>"), HasSubstr("expected attributes only, got the text 'here'"));
  EXPECT_THAT(refusal_with("<image><voxel/></image>"), HasSubstr("<image> has no element <voxel>"));
  EXPECT_THAT(refusal_with("<scatter fraction='0.1 0.2'/>"), HasSubstr("one a bin (5), got 2"));
  EXPECT_THAT(refusal_with("<tube/>"), HasSubstr("s.xml:6: <tube>: stands here for the second time"));
  EXPECT_THAT(refusal_with("<acquisition open_beam_counts='1e7' exposure='3'/>"), HasSubstr("exact in the file"));
  EXPECT_THAT(refusal("<drift/>"), HasSubstr("expected an element <geometry>"));
}

TEST(Scenario, wrong_scanners_are_refused) {
  EXPECT_THAT(refusal("<geometry columns='5' views='3'/>\n" + kTube + kDetector + kPhantom),
              HasSubstr("s.xml:2: <geometry>: scan geometry: expected a positive column pitch"));
  EXPECT_THAT(refusal("<geometry beam='parallel' source_to_isocenter='5' columns='5' views='3' column_pitch='1'/>\n"),
              HasSubstr("a parallel beam has no source distances"));
  EXPECT_THAT(refusal("<geometry beam='fan'/>"), HasSubstr("property 'beam'"));
  EXPECT_THAT(refusal(kGeometry + "<tube filters='Al3'/>" + kDetector + kPhantom), HasSubstr("s.xml:3: <tube>: "));
  EXPECT_THAT(refusal(kGeometry + kTube + "<detector thresholds='30 20'/>"),
              HasSubstr("s.xml:4: <detector>: expected thresholds that grow"));
  EXPECT_THAT(refusal(kGeometry + kTube + "<detector thresholds='30 130'/>"),
              HasSubstr("below the tube voltage of 120 kV, got 130"));
  EXPECT_THAT(refusal(kGeometry + kTube + "<detector/>"), HasSubstr("expected either thresholds"));
  EXPECT_THAT(refusal(kGeometry + kTube + "<detector thresholds='30' modules='21'/>"),
              HasSubstr("at most one module a column (20)"));
  EXPECT_THAT(refusal(kGeometry + kTube + "<detector thresholds='30' sensor='response.csv'/>"),
              HasSubstr("no file 'response.csv' beside"));
  EXPECT_THAT(refusal(kGeometry + kTube + "<detector thresholds='30' sensor='a/b.csv'/>"), HasSubstr("got the path 'a/b.csv'"));
  EXPECT_THAT(refusal(kGeometry + kDetector + kPhantom), HasSubstr("expected an element <tube>"));
}

TEST(Scenario, wrong_phantoms_are_refused) {
  EXPECT_THAT(refusal_of_phantom("<phantom name='watr_cylinder'/>"),
              HasSubstr("s.xml:5: <phantom>: no phantom 'watr_cylinder'; did you mean"));
  EXPECT_THAT(refusal_of_phantom("<phantom name='wire' seed='1'/>"), HasSubstr("<phantom name=\"wire\"> has no property 'seed'"));
  EXPECT_THAT(refusal_of_phantom("<phantom seed='1'/>"), HasSubstr("<phantom> without a name has no property 'seed'"));
  EXPECT_THAT(refusal_of_phantom("<phantom/>"), HasSubstr("got an empty phantom"));
  EXPECT_THAT(refusal_of_phantom("<phantom><elipse/></phantom>"),
              HasSubstr("<phantom> has no element <elipse>; did you mean 'ellipse'?"));
  EXPECT_THAT(refusal_of_phantom("<phantom>\n<ellipse rx='3'/></phantom>"),
              HasSubstr("s.xml:6: <ellipse>: expected the attribute material"));
  EXPECT_THAT(refusal_of_phantom("<phantom><ellipse material='water'/></phantom>"), HasSubstr("expected the attribute rx"));
  EXPECT_THAT(refusal_of_phantom("<phantom><ellipse rx='3' material='watr'/></phantom>"), HasSubstr("did you mean 'water'?"));
  EXPECT_THAT(refusal_of_phantom("<phantom><ellipse rx='3' material='CaCO3'/></phantom>"),
              HasSubstr("density of 'CaCO3' is not known"));
  EXPECT_THAT(refusal_of_phantom("<phantom><ellipse rx='3' rz='3' material='water'/></phantom>"), HasSubstr("no property 'rz'"));
  EXPECT_THAT(refusal_of_phantom("<phantom><ellipse rx='3' clip='1 0 0' material='water'/></phantom>"),
              HasSubstr("four numbers a clip"));
  EXPECT_THAT(refusal_of_phantom("<phantom><ellipse rx='3' density='1' concentration='2' material='water'/></phantom>"),
              HasSubstr("got both"));
  EXPECT_THAT(refusal_of_phantom("<phantom><ellipsoid name='a' rx='3' material='water'/></phantom>"),
              HasSubstr("leave out the name"));
  EXPECT_THAT(refusal_of_phantom("<phantom><cylinder rx='3' axis='1 0 0' material='water'/></phantom>"),
              HasSubstr("infinite along z only"));
  EXPECT_THAT(refusal_of_phantom("<phantom><cylinder rx='3' axis='1 0' material='water'/></phantom>"),
              HasSubstr("three numbers in axis"));
  EXPECT_THAT(refusal_of_phantom("<phantom name='water_cylinder' diameter='900'/>"),
              HasSubstr("reaches 450 mm from the axis, but source or detector stands at 400 mm"));
}

TEST(Scenario, all_shipped_ones_are_valid) {
  std::size_t count = 0;
  for (const auto& file : std::filesystem::directory_iterator(COUNTERFLOW_SOURCE_DIR "/xml/scenarios")) {
    if (file.path().extension() != ".xml") continue;  // tables that scenarios name
    EXPECT_NO_THROW(read_scenario(file.path())) << file.path();
    ++count;
  }
  EXPECT_GE(count, 10u);
}

}  // namespace
}  // namespace counterflow
