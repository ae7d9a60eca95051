#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/error.h"
#include "core/physics/detector_response.h"
#include "core/testing/folder.h"

namespace counterflow {
namespace {

using testing::Folder;

SpectralSystem low_voltage() {  // few incident energies, so that the Monte Carlo is short
  SpectralSystem system;
  system.bins = 1;
  system.thresholds = {8};
  system.tube_voltage = 12;
  system.detector = "CdTe 1.6";
  system.pixel_columns = system.pixel_rows = 0.5;
  return system;
}

Array<double, 2> prepared(const Folder& folder) {
  SpectralSystem system = low_voltage();
  prepare_response(system, folder.path());
  return system.response->table();
}

TEST(ResponseCache, a_response_is_kept_and_found_again) {
  const Folder folder;
  const auto first = prepared(folder);
  ASSERT_EQ(folder.names().size(), 1u);
  const auto file = folder / folder.names()[0];
  const auto written = std::filesystem::last_write_time(file);
  EXPECT_EQ(prepared(folder), first);
  EXPECT_EQ(std::filesystem::last_write_time(file), written);
  SpectralSystem other = low_voltage();
  other.pixel_rows = 0.4;
  prepare_response(other, folder.path());
  EXPECT_NE(other.response->table(), first);
  EXPECT_EQ(folder.names().size(), 2u);
}

TEST(ResponseCache, a_damaged_file_is_computed_anew) {
  const Folder folder;
  const auto right = prepared(folder);
  const auto file = folder / folder.names()[0];
  const std::string bytes = testing::read_file(file);
  std::string flipped = bytes;
  flipped[flipped.size() / 2] = static_cast<char>(flipped[flipped.size() / 2] ^ 1);
  for (const std::string& damaged :
       {std::string(), bytes.substr(0, bytes.size() - 8), bytes + "x", flipped, std::string(500, '\0')}) {
    testing::write_file(file, damaged);
    EXPECT_EQ(prepared(folder), right);
    EXPECT_EQ(testing::read_file(file), bytes);  // mended
  }
}

TEST(ResponseCache, a_folder_that_cannot_be_written_costs_only_time) {
  const Folder folder;
  testing::write_file(folder / "file", "");
  SpectralSystem system = low_voltage();
  prepare_response(system, folder / "file" / "below");
  EXPECT_TRUE(system.response);
}

TEST(ResponseCache, the_detector_text_chooses_the_response) {
  SpectralSystem system = low_voltage();
  system.detector = "ideal";
  prepare_response(system, {});
  EXPECT_NEAR(system.response->above(0, 10), 1, 1e-9);
  system.detector = "mine.csv";
  EXPECT_THROW(prepare_response(system, {}), ConfigError);
  system.files["mine.csv"] = "E_keV,1,2\n1,0.5,0.5\n20,0.5,0.5\n";
  prepare_response(system, {});
  EXPECT_EQ(system.response->incident().size(), 2u);
  for (const char* wrong : {"", "CdTe 1.6 mm", "CdTe x", "CdTe -1", "Ge 5"}) {
    system.detector = wrong;
    EXPECT_THROW(prepare_response(system, {}), ConfigError) << wrong;
  }
  SpectralSystem effective;
  effective.bin_spectra = "bins.txt";
  prepare_response(effective, {});
  EXPECT_FALSE(effective.response);
}

TEST(ResponseCache, a_detector_text_names_a_sensor) {
  EXPECT_EQ(sensor_of("CZT 2.0", 0.3, 0.4), (Sensor{"CZT", 2.0, 0.3, 0.4, 1250, 2}));
  EXPECT_EQ(sensor_of("Si 30", 0.5, 0.4), (Sensor{"Si", 30, 0.5, 0.4, 300, 1.5}));
}

}  // namespace
}  // namespace counterflow
