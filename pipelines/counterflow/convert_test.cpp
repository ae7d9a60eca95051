// A scan in both forms goes through every verb that reads scans.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/archive/archive.h"
#include "core/archive/image_file.h"
#include "core/error.h"
#include "core/testing/folder.h"
#include "pipelines/counterflow/verbs.h"

namespace counterflow {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Convert : public ::testing::Test {
 protected:
  Convert() {
    common.quiet = true;
    common.threads = 2;
    common.plugins = {COUNTERFLOW_PLUGIN_DIR};
    common.cache = "";
    write("scenario.xml", R"(<scenario>
  <geometry columns="48" rows="2" views="24" source_to_isocenter="570" source_to_detector="1040" column_pitch="8"/>
  <tube voltage="120" filters="Al 3.0"/>
  <detector sensor="ideal" thresholds="30 55 80"/>
  <acquisition open_beam_counts="2e4" air_views="3" seed="5"/>
  <sampling column_rays="1" energy_step="2"/>
  <phantom name="water_cylinder" diameter="150"/>
  <image nx="24" voxel="8"/>
</scenario>)");
    write("chain.xml", R"(<configuration><stream>
  <gadget><dll>counterflow_air_calibration</dll><classname>AirCalibration</classname></gadget>
  <gadget><dll>counterflow_line_integrals</dll><classname>LineIntegrals</classname></gadget>
  <gadget><dll>counterflow_fbp</dll><classname>FilteredBackprojection</classname></gadget>
</stream></configuration>)");
  }
  void write(const std::string& name, const std::string& text) const { std::ofstream(folder / name) << text; }
  std::string at(const std::string& name) const { return (folder / name).string(); }
  void simulated(const std::string& name, bool compact) {
    simulate({.scenario = at("scenario.xml"), .output = at(name), .seed = {}, .compact = compact}, common, out);
  }
  Array<float, 4> images_of(const std::string& scan) {
    run({.chain = at("chain.xml"), .input = at(scan), .output = at(scan + ".images.h5"), .dicom = {}}, common, out);
    return read_images(at(scan + ".images.h5")).at(0).value;
  }

  const testing::Folder folder;
  CommonOptions common;
  std::ostringstream out;
};

TEST_F(Convert, scans_of_both_forms_give_the_same_images_checks_and_tables) {
  simulated("plain.h5", false);
  simulated("compact.h5", true);
  convert({.input = at("plain.h5"), .output = at("converted.h5")}, common, out);
  EXPECT_LT(fs::file_size(at("compact.h5")), fs::file_size(at("plain.h5")));
  const auto expected = images_of("plain.h5");
  EXPECT_EQ(images_of("compact.h5"), expected);
  EXPECT_EQ(images_of("converted.h5"), expected);
  std::ostringstream plain, compact;
  check({.chain = at("chain.xml"), .scan = at("plain.h5")}, common, plain);
  check({.chain = at("chain.xml"), .scan = at("compact.h5")}, common, compact);
  EXPECT_EQ(plain.str(), compact.str());
  EXPECT_EQ(ArchiveReader(at("compact.h5")).truth()->density, ArchiveReader(at("plain.h5")).truth()->density);
}

TEST_F(Convert, without_a_form_takes_the_other_one_and_says_what_became_of_it) {
  simulated("scan.h5", false);
  common.quiet = false;
  ::testing::internal::CaptureStderr();
  convert({.input = at("scan.h5"), .output = at("a.h5")}, common, out);
  EXPECT_THAT(out.str(), HasSubstr("a.h5: compact, 0 MB instead of 0 MB"));
  convert({.input = at("a.h5"), .output = at("b.h5")}, common, out);
  ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(out.str(), HasSubstr("b.h5: plain, "));
  common.quiet = true;
  convert({.input = at("b.h5"), .output = at("c.h5"), .plain = true}, common, out);
  EXPECT_EQ(ArchiveReader(at("a.h5")).form(), ArchiveForm::compact);
  EXPECT_EQ(ArchiveReader(at("b.h5")).form(), ArchiveForm::plain);
  EXPECT_EQ(ArchiveReader(at("c.h5")).form(), ArchiveForm::plain);
}

TEST_F(Convert, a_scan_of_expected_counts_stays_plain) {
  std::string text = "<acquisition noise=\"false\" open_beam_counts=\"2e4\" air_views=\"3\"/>";
  std::ifstream in(at("scenario.xml"));
  std::stringstream scenario;
  scenario << in.rdbuf();
  std::string all = scenario.str();
  const auto begin = all.find("<acquisition");
  write("scenario.xml", all.replace(begin, all.find("/>", begin) + 2 - begin, text));
  simulated("scan.h5", false);
  EXPECT_THROW(
      try { convert({.input = at("scan.h5"), .output = at("compact.h5")}, common, out); } catch (const ArchiveError& error) {
        EXPECT_THAT(error.what(), HasSubstr("cannot be stored in the compact form"));
        throw;
      },
      ArchiveError);
  EXPECT_FALSE(fs::exists(at("compact.h5")));
  EXPECT_THROW(simulated("compact.h5", true), ArchiveError);
}

}  // namespace
}  // namespace counterflow
