// The program itself: what it prints and how it exits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <string>

#include "core/archive/archive.h"
#include "core/testing/folder.h"
#include "pipelines/counterflow/test_command.h"

namespace {

using counterflow::testing::Folder;
using counterflow::testing::run;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string chain_file(const Folder& folder, const std::string& gadgets) {
  const auto file = folder / "chain.xml";
  counterflow::testing::write_file(file, "<configuration>\n<stream>\n" + gadgets + "</stream>\n</configuration>\n");
  return file.string();
}
const std::string kGain = "<gadget><dll>counterflow_test_gadgets</dll><classname>TestGain</classname></gadget>\n";
const std::string kPlugins = " --plugins " COUNTERFLOW_TEST_PLUGIN_DIR;

TEST(Command, helps_and_tells_its_version) {
  EXPECT_EQ(run("--version").code, 0);
  EXPECT_THAT(run("--version").text, StartsWith("counterflow 0."));
  const auto help = run("--help");
  EXPECT_EQ(help.code, 0);
  for (const char* verb : {"simulate", "run", "check", "describe", "evaluate", "view", "import", "convert", "--threads"})
    EXPECT_THAT(help.text, HasSubstr(verb));
  EXPECT_THAT(run("view --help").text, HasSubstr("--window"));
}

TEST(Command, wrong_verbs_and_options_are_answered_with_the_nearest) {
  const auto verb = run("simulat x.xml -o y.h5");
  EXPECT_EQ(verb.code, 2);
  EXPECT_EQ(verb.text, "counterflow: there is no verb 'simulat'; did you mean 'simulate'?\n");
  EXPECT_EQ(run("view a.h5 --ouput b.png").text, "counterflow: view: there is no option '--ouput'; did you mean '--output'?\n");
  EXPECT_EQ(run("run a b -o c --thread 2").text, "counterflow: run: there is no option '--thread'; did you mean '--threads'?\n");
  EXPECT_THAT(run("").text, AllOf(StartsWith("counterflow: expected a verb: "), HasSubstr("evaluate")));
}

TEST(Command, missing_surplus_and_wrong_arguments_are_one_sentence) {
  EXPECT_THAT(run("run").text,
              AllOf(StartsWith("counterflow: run: "), HasSubstr("CHAIN"), EndsWith("see counterflow run --help\n")));
  EXPECT_THAT(run("run a.xml b.h5").text, HasSubstr("--output"));
  EXPECT_THAT(run("evaluate a b c").text, HasSubstr("'c' is one argument too many"));
  EXPECT_EQ(run("evaluate a b c").code, 2);
  EXPECT_THAT(run("check a.xml --threads many").text, HasSubstr("--threads"));
  EXPECT_THAT(run("view a.h5 -o b.png --window 1").text, HasSubstr("--window"));
  EXPECT_EQ(run("check a.xml --threads -1").code, 2);
}

TEST(Command, failures_exit_with_one_and_one_sentence) {
  const Folder folder;
  const auto missing = run("check /nowhere/chain.xml");
  EXPECT_EQ(missing.code, 1);
  EXPECT_THAT(missing.text, StartsWith("counterflow: /nowhere/chain.xml: "));
  const auto misspelt = run(
      "check " + chain_file(folder, "<gadget><dll>counterflow_test_gadget</dll><classname>T</classname></gadget>") + kPlugins);
  EXPECT_EQ(misspelt.code, 1);
  EXPECT_THAT(misspelt.text, HasSubstr("did you mean 'counterflow_test_gadgets'?\n"));
}

TEST(Command, common_options_work_before_and_after_the_verb) {
  const Folder folder;
  const std::string file = chain_file(folder, kGain);
  EXPECT_EQ(run("check " + file + kPlugins + " --threads 1").code, 0);
  const auto before = run(kPlugins.substr(1) + " --threads 1 --quiet check " + file);
  EXPECT_EQ(before.code, 0) << before.text;
  EXPECT_THAT(run("check " + file + kPlugins + " --log debug").text, HasSubstr("plugins in " COUNTERFLOW_TEST_PLUGIN_DIR));
}

TEST(Command, what_cannot_be_written_fails) {
  const auto full = run("describe --xsd > /dev/full");
  EXPECT_EQ(full.code, 1);
}

// A small scan whose last view holds `value` in one place.
std::filesystem::path scan_with(const Folder& folder, float value) {
  using namespace counterflow;
  ScanHeader h;
  h.geometry = {.beam = Beam::parallel,
                .columns = 16,
                .rows = 1,
                .views = 12,
                .views_per_rotation = 12,
                .column_pitch = 2,
                .row_pitch = 2,
                .angle_step = 0.5235987755982988};
  h.grid = {.nx = 8, .ny = 8, .nz = 1, .voxel_x = 3, .voxel_y = 3, .voxel_z = 2};
  h.system.bins = 2;
  h.system.thresholds = {25, 60};
  h.system.tube_voltage = 100;
  h.system.filters = "Al 3.0";
  h.system.detector = "ideal";
  h.system.open_beam_counts = 1e5;
  const auto file = folder / "scan.h5";
  ArchiveWriter writer(file, h);
  for (std::size_t v = 0; v < 12; ++v) {
    Counts<float> x;
    x.view.index = v;
    x.view.angle = h.geometry.angle_step * static_cast<double>(v);
    x.counts = Array<float, 3>({2, 1, 16}, 4000.F);
    if (v == 11) x.counts(1, 0, 9) = value;
    writer.write(x);
  }
  writer.finish();
  return file;
}

TEST(Command, writes_nothing_of_a_scan_whose_last_view_is_damaged) {
  const Folder folder;
  constexpr float kMark = 4321.625F;
  const auto file = scan_with(folder, kMark);
  const std::string chain = " " COUNTERFLOW_SOURCE_DIR "/xml/chains/bins_fbp.xml ";
  const auto images = folder / "images.h5";
  const auto sound = run("run" + chain + file.string() + " --quiet -o " + images.string());
  ASSERT_EQ(sound.code, 0) << sound.text;
  std::filesystem::remove(images);

  std::string bytes = counterflow::testing::read_file(file);
  const auto at = bytes.find(std::string(reinterpret_cast<const char*>(&kMark), sizeof kMark));
  ASSERT_NE(at, std::string::npos);
  const std::uint32_t nan = 0x7fc00000;
  std::memcpy(bytes.data() + at, &nan, sizeof nan);
  counterflow::testing::write_file(file, bytes);

  const auto to_file = run("run" + chain + file.string() + " --quiet -o " + images.string());
  EXPECT_EQ(to_file.code, 1);
  EXPECT_THAT(to_file.text, AllOf(HasSubstr("view 11"), HasSubstr("column 9"), HasSubstr("nan")));
  EXPECT_FALSE(std::filesystem::exists(images));
  const auto to_pipe = run("run" + chain + file.string() + " --quiet -o -");
  EXPECT_EQ(to_pipe.code, 1);
  EXPECT_THAT(to_pipe.text, StartsWith("counterflow: "));  // the error alone: not a byte of a header or an image before it
}

TEST(Command, dicom_goes_into_a_folder_and_patients_into_dicom) {
  const Folder folder;
  const std::string scan = " " COUNTERFLOW_SOURCE_DIR "/xml/chains/bins_fbp.xml " + scan_with(folder, 4000).string();
  EXPECT_THAT(run("run" + scan + " --dicom -o -").text, HasSubstr("--dicom writes a folder"));
  const auto patient = run("run" + scan + " -o images.h5 --patient-name Doe");
  EXPECT_EQ(patient.code, 2);
  EXPECT_THAT(patient.text, HasSubstr("--dicom"));
  EXPECT_THAT(run("run" + scan + " --dicom -o /proc/dicom").text, StartsWith("counterflow: /proc/dicom: cannot be written: "));
}

TEST(Command, resolution_and_noise_without_a_truth_need_a_place) {
  const Folder folder;
  const auto images = (folder / "images.h5").string();
  const std::string scan = scan_with(folder, 4000).string();
  ASSERT_EQ(run("run " COUNTERFLOW_SOURCE_DIR "/xml/chains/bins_fbp.xml " + scan + " --quiet -o " + images).code, 0);
  const std::string evaluate = "evaluate " + images + " " + scan;
  EXPECT_THAT(run(evaluate).text, AllOf(HasSubstr("says nothing"), HasSubstr("--wire")));
  EXPECT_THAT(run(evaluate + " --wire -100,5.5,1").text, HasSubstr("the wire at (-100, 5.5) mm"));
  EXPECT_THAT(run(evaluate + " --uniform 0,0,100").text, HasSubstr("holds no square of 16 pixels"));
  EXPECT_EQ(run(evaluate + " --edge 1,2").code, 2);
}

TEST(Command, line_integrals_that_say_nothing_of_their_spectra_are_reconstructed) {
  const Folder folder;
  const auto lines = (folder / "lines.h5").string(), images = (folder / "images.h5").string();
  const auto chain = chain_file(folder,
                                "<gadget><dll>counterflow_air_calibration</dll><classname>AirCalibration</classname></gadget>\n"
                                "<gadget><dll>counterflow_line_integrals</dll><classname>LineIntegrals</classname></gadget>\n");
  const auto logged = run("run " + chain + " " + scan_with(folder, 4000).string() + " --quiet -o " + lines);
  ASSERT_EQ(logged.code, 0) << logged.text;
  const auto result = run("run " COUNTERFLOW_SOURCE_DIR "/xml/chains/line_integrals_fbp.xml " + lines + " --quiet -o " + images);
  EXPECT_EQ(result.code, 0) << result.text;
}

TEST(Command, finds_the_plugins_that_were_built_with_it) {
  const auto result = run("describe");
  EXPECT_EQ(result.code, 0) << result.text;
}

}  // namespace
