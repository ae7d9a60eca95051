#include "core/geometry/scan_geometry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace counterflow {
namespace {

ScanGeometry example() {
  ScanGeometry g;
  g.columns = 12;
  g.rows = 6;
  g.views = g.views_per_rotation = 7;
  g.source_to_isocenter = 570;
  g.source_to_detector = 1040;
  g.column_pitch = 1.5;
  g.row_pitch = 2.0;
  g.column_offset = 0.75;
  g.row_offset = -0.25;
  g.angle_step = 0.9;
  return g;
}

TEST(ScanGeometry, names_of_beams_are_read_back_and_misspelt_ones_are_refused) {
  for (Beam beam : {Beam::fan_arc, Beam::fan_flat, Beam::parallel, Beam::cone_arc, Beam::cone_flat})
    EXPECT_EQ(beam_of(beam_name(beam)), beam);
  try {
    beam_of("fan-ark");
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("did you mean 'fan-arc'?"));
  }
}

TEST(ScanGeometry, the_central_ray_meets_the_middle_plus_the_offset) {
  const ScanGeometry g = example();
  EXPECT_NEAR(g.column_position(5.5 + 0.75), 0, 1e-12);
  EXPECT_NEAR(g.fan_angle(7.25), 1.5 / 1040, 1e-12);
  EXPECT_NEAR(g.slice_position(2.5 - 0.25 + 1), 2.0 * 570 / 1040, 1e-12);
}

TEST(ScanGeometry, summed_elements_keep_the_place_of_the_central_ray) {
  const ScanGeometry g = example(), s = g.summed(3, 4);
  EXPECT_EQ(s.rows, 2u);
  EXPECT_EQ(s.columns, 3u);
  // Group 1 holds columns 4..7, so its centre is column 5.5; and rows 3..5, centre 4.
  EXPECT_NEAR(s.column_position(1), g.column_position(5.5), 1e-12);
  EXPECT_NEAR(s.slice_position(1), g.slice_position(4), 1e-12);
  EXPECT_THROW(g.summed(4, 1), ConfigError);
  EXPECT_THROW(g.summed(1, 5), ConfigError);
}

TEST(ScanGeometry, the_field_is_what_the_nearer_edge_sees) {
  const ScanGeometry g = example();
  EXPECT_NEAR(g.field_radius(), 570 * std::sin((6 - 0.75) * 1.5 / 1040), 1e-9);
}

TEST(ScanGeometry, the_table_moves_evenly_from_its_first_position) {
  ScanGeometry g = example();
  EXPECT_EQ(g.table_position(3), 0);
  g.beam = Beam::cone_arc;
  g.table_feed = -21, g.first_table_position = 4;
  EXPECT_NEAR(g.table_position(7 * 2.5), 4 - 2.5 * 21, 1e-12);
  EXPECT_NEAR(g.pitch(), 21 / (6 * 2.0 * 570 / 1040), 1e-12);
  EXPECT_NO_THROW(g.check());
}

TEST(ScanGeometry, nonsense_is_named) {
  const auto message = [](auto change) -> std::string {
    ScanGeometry g = example();
    change(g);
    try {
      g.check();
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message([](auto&) {}), "");
  EXPECT_THAT(message([](auto& g) { g.columns = 0; }), ::testing::HasSubstr("at least one column"));
  EXPECT_THAT(message([](auto& g) { g.column_pitch = -1; }), ::testing::HasSubstr("positive column pitch [mm], got -1"));
  EXPECT_THAT(message([](auto& g) { g.angle_step = 0; }), ::testing::HasSubstr("angle step other than 0"));
  EXPECT_THAT(message([](auto& g) { g.source_to_detector = 500; }), ::testing::HasSubstr("beyond the isocenter"));
  EXPECT_THAT(message([](auto& g) { g.table_feed = 5; }), ::testing::HasSubstr("expected cone-arc or cone-flat, got fan-arc"));
}

}  // namespace
}  // namespace counterflow
