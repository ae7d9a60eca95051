#include "pipelines/counterflow/shift_errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "core/archive/archive.h"
#include "core/error.h"
#include "core/testing/folder.h"
#include "core/testing/refusal.h"
#include "pipelines/counterflow/test_command.h"
#include "pipelines/counterflow/text_file.h"

namespace counterflow {
namespace {

using testing::Folder;
using ::testing::HasSubstr;
using testing::refusal;

constexpr std::size_t kThresholds = 2, kModules = 3;

LearnedBlock block(const std::string& name, std::vector<std::string> axes, std::vector<std::size_t> shape,
                   std::vector<double> values) {
  return {"drift", "BinDrift", name, "keV", std::move(axes), std::move(shape), std::move(values)};
}

// 0 at the first node, 1 keV at the last, of threshold 1 alone; modules -0.5, 0.25, 0.75 and twice that.
LearnedParameters learned() {
  return {{block("common", {"node", "threshold"}, {2, 2}, {0, 0, 0, 1}),
           block("module_shift", {"node", "threshold", "module"}, {1, 2, 3}, {-0.5, 0.25, 0.75, -1, 0.5, 1.5})},
          "chain",
          {"scan.h5"},
          {},
          {},
          {}};
}

// What is learned, but for module 2 of threshold 0, which stood 0.6 keV higher.
Array<double, 3> injected() {
  Array<double, 3> out({2, kThresholds, kModules});
  out.values() = {-0.5, 0.25, 1.35, -1, 0.5, 1.5, -0.5, 0.25, 1.35, 0, 1.5, 2.5};
  return out;
}

std::string scan_file(const Folder& folder) {
  ScanHeader h;
  h.quantity = Quantity::line_integrals;
  h.geometry = {.beam = Beam::parallel, .columns = 3, .views = 1, .views_per_rotation = 1, .column_pitch = 1, .row_pitch = 1};
  h.geometry.angle_step = 1;
  h.grid = {.nx = 2, .ny = 2};
  h.system.bins = 1;
  ArchiveWriter writer(folder / "scan.h5", h);
  PathLengths<float> x;
  x.areal_density = Array<float, 3>({1, 1, 3});
  writer.write(x);
  writer.write_injected("threshold_shift", {2, kThresholds, kModules}, injected().values());
  writer.finish();
  return (folder / "scan.h5").string();
}

std::string modes_file(const Folder& folder, const std::string& last = "drift/module_shift[5]") {
  std::string text = "mode,eigenvalue,sd,drift/common[0],drift/common[1],drift/common[2],drift/common[3]";
  for (int i = 0; i < 5; ++i) text += ",drift/module_shift[" + std::to_string(i) + "]";
  text += "," + last + "\n0,9,0.05,0,0,0,0,0,0,1,0,0,0\n1,1,0.4,0,0,0,0,0,1,0,0,0,0\n2,1,0.05,0,0,0,0,1,0,0,0,0,0\n";
  write_text(folder / "seen.modes.csv", text);
  return (folder / "seen.modes.csv").string();
}

TEST(ShiftErrors, are_those_of_the_sum_of_all_blocks) {
  const Array<double, 3> sum = summed_shifts(learned(), injected());
  for (std::size_t i = 0; i < sum.size(); ++i) EXPECT_NEAR(sum[i], i % 6 == 2 ? 0.75 : injected()[i], 1e-15) << i;
  std::ostringstream out;
  print_shift_errors(sum, injected(), out);
  EXPECT_THAT(out.str(), HasSubstr("0                    0.844         0.346        -0.200"))
      << out.str();  // sqrt(2.1375 / 3), sqrt(0.36 / 3)
  EXPECT_THAT(out.str(), HasSubstr("all                  1.164         0.245")) << out.str();
}

TEST(ShiftErrors, along_modes_tell_what_could_be_seen) {
  const Folder folder;
  std::ostringstream out;
  print_mode_errors(read_modes(modes_file(folder)), learned(), with_injected(learned(), injected()), out);
  EXPECT_THAT(out.str(), HasSubstr("2 modes with a predicted sd below 0.1 keV: error 0.424 keV rms, predicted 0.050"));
  EXPECT_THAT(out.str(), HasSubstr("1 others: error 0.000 keV rms"));
}

TEST(ShiftErrors, injected_shifts_fill_the_blocks_that_were_learned) {
  const auto sum_is_injected = [](const LearnedParameters& like) {
    const LearnedParameters filled = with_injected(like, injected());
    const Array<double, 3> sum = summed_shifts(filled, injected());
    for (std::size_t i = 0; i < sum.size(); ++i) EXPECT_NEAR(sum[i], injected()[i], 1e-15) << i;
    return filled;
  };
  const LearnedParameters filled = sum_is_injected(learned());
  EXPECT_EQ(filled.blocks[0].values, std::vector<double>({0, 0, 0, 1}));
  LearnedParameters both = learned();  // modules that move in time hold all of it
  both.blocks[1] = block("module_shift", {"node", "threshold", "module"}, {2, 2, 3}, std::vector<double>(12, 9));
  EXPECT_EQ(sum_is_injected(both).blocks[0].values, std::vector<double>(4, 0.0));
}

TEST(ShiftErrors, of_another_detector_or_of_other_gadgets_are_refused) {
  LearnedParameters other = learned();
  other.blocks[1].shape = {1, 2, 4};
  EXPECT_THAT(refusal<DataError>([&] { summed_shifts(other, injected()); }),
              HasSubstr("expected 2 thresholds and 3 modules as in the scan, got 2 and 4"));
  other = learned();
  for (auto& b : other.blocks) b.classname = "ScatterNetwork";
  EXPECT_THAT(refusal<DataError>([&] { summed_shifts(other, injected()); }), HasSubstr("hold no shifts of BinDrift"));
  const Folder folder;
  EXPECT_THAT(refusal<DataError>(
                  [&] { print_mode_errors(read_modes(modes_file(folder, "net/weight[0]")), learned(), learned(), std::cout); }),
              HasSubstr("a parameter that was not learned: net/weight[0]"));
  write_text(folder / "other.csv", "a,b\n1,2\n");
  EXPECT_THAT(refusal<DataError>([&] { read_modes(folder / "other.csv"); }), HasSubstr("--observability"));
}

TEST(ShiftErrors, evaluate_takes_learned_parameters_for_images) {
  const Folder folder;
  write_parameters(folder / "learned.h5", learned());
  const std::string what = "evaluate " + (folder / "learned.h5").string() + " " + scan_file(folder);
  const auto result = testing::run(what + " --modes " + modes_file(folder) + " -o " + (folder / "t.csv").string() +
                                   " --write-injected " + (folder / "true.h5").string());
  ASSERT_EQ(result.code, 0) << result.text;
  EXPECT_THAT(result.text, HasSubstr("0.245"));
  EXPECT_THAT(result.text, HasSubstr("0.424 keV rms"));
  EXPECT_THAT(testing::read_file(folder / "t.csv"), HasSubstr("\n0,2,last,0.75,1.35"));
  EXPECT_NEAR(read_parameters(folder / "true.h5").blocks[1].values[2], 1.35, 1e-6);
  const auto refused = testing::run(what + " --wire 0,0,1");
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.text, HasSubstr("are for images"));
}

}  // namespace
}  // namespace counterflow
