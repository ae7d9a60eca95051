// Each scan takes the newest parameters that fit its chain.
#include "core/server/parameters_in_use.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/testing/folder.h"
#include "core/testing/refusal.h"
#include "core/training/test_training.h"

namespace counterflow {
namespace {

namespace fs = std::filesystem;
using namespace training_testing;
using testing::Folder;
using ::testing::HasSubstr;
using testing::refusal;

const std::string kTrained = "<parameter gadget=\"gain\"/>";

// Parameters of the toy chain's first gadget, all of one value, in a file of a given age.
LearnedParameters write_gain(const fs::path& file, double value, int hours_ago, const std::string& gadget = "gain") {
  const auto chain = chain_of<float>(kTrained);
  const auto block = chain.stages[1]->blocks(toy_header()).at(0);
  LearnedParameters learned;
  learned.blocks.push_back({.gadget = gadget,
                            .classname = chain.stages[1]->classname,
                            .name = block.name,
                            .unit = block.doc.unit,
                            .axes = block.doc.axes,
                            .shape = block.doc.shape,
                            .values = std::vector<double>(block.size, value)});
  write_parameters(file, learned);
  fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::hours(hours_ago));
  return learned;
}

ParametersInUse in_use(const fs::path& source) { return parameters_in_use(source, chain_of<float>(kTrained), toy_header()); }

TEST(ParametersInUse, without_a_file_they_are_the_gadgets_initial_ones) {
  const Folder folder;
  EXPECT_EQ(in_use({}).hash, "initial");
  EXPECT_EQ(in_use(folder.path()).hash, "initial");
  EXPECT_TRUE(in_use(folder.path()).values.empty());
}

TEST(ParametersInUse, of_a_folder_the_newest_file_is_taken_each_time) {
  const Folder folder;
  write_gain(folder / "b.h5", 0.1, 3);
  const auto newer = write_gain(folder / "a.h5", 0.2, 2);
  EXPECT_EQ(in_use(folder.path()).hash, parameters_hash(newer));
  EXPECT_EQ(in_use(folder.path()).values.at(1), newer.blocks[0].values);
  const auto newest = write_gain(folder / "c.h5", 0.3, 1);
  EXPECT_EQ(in_use(folder.path()).hash, parameters_hash(newest));
  EXPECT_EQ(in_use(folder.path()).file, folder / "c.h5");
  EXPECT_EQ(in_use(folder / "b.h5").values.at(1).at(0), 0.1);
}

TEST(ParametersInUse, files_of_other_chains_and_hidden_ones_are_passed_over) {
  const Folder folder;
  const auto ours = write_gain(folder / "ours.h5", 0.1, 3);
  write_gain(folder / "theirs.h5", 0.2, 2, "drift");
  write_gain(folder / ".being_written.h5", 0.2, 1);
  testing::write_file(folder / "notes.txt", "no parameters");
  EXPECT_EQ(in_use(folder.path()).hash, parameters_hash(ours));
}

TEST(ParametersInUse, a_damaged_file_is_an_error_that_names_it) {
  const Folder folder;
  write_gain(folder / "a.h5", 0.1, 2);
  testing::write_file(folder / "b.h5", "no HDF5");
  EXPECT_THAT(refusal<ArchiveError>([&] { in_use(folder.path()); }), HasSubstr("b.h5"));
}

TEST(ParametersInUse, a_file_that_does_not_fit_the_chain_is_refused) {
  const Folder folder;
  write_gain(folder / "theirs.h5", 0.2, 2, "drift");
  EXPECT_THAT(refusal<ConfigError>([&] { in_use(folder / "theirs.h5"); }), HasSubstr("drift"));
}

}  // namespace
}  // namespace counterflow
