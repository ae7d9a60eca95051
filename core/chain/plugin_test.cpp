#include "core/chain/plugin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/testing/refusal.h"

namespace counterflow {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::string kGood = COUNTERFLOW_TEST_PLUGIN_DIR;
const std::string kBroken = kGood + "/../broken_plugins";

std::string refusal(const std::string& dll, const std::string& folder = kBroken) {
  return testing::refusal<ConfigError>([&] { PluginFolders({folder}).gadgets(dll, "x.xml:3"); });
}

TEST(Plugin, gives_its_gadgets) {
  const PluginFolders folders({"/nowhere", kGood});
  EXPECT_THAT(folders.names(), ElementsAre("counterflow_test_gadgets"));
  EXPECT_STREQ(folders.gadget("counterflow_test_gadgets", "TestFold", "x").classname, "TestFold");
  EXPECT_EQ(folders.all().size(), 16u);
}

TEST(PluginRefusal, a_foreign_tag_is_named_before_anything_is_called) {
  EXPECT_THAT(refusal("counterflow_foreign_tag"), AllOf(StartsWith("x.xml:3: plugin 'counterflow_foreign_tag'"),
                                                        HasSubstr("was built for 'counterflow-abi-0 gcc-4.4'"),
                                                        HasSubstr(COUNTERFLOW_ABI_TAG), HasSubstr("build it again")));
}

TEST(PluginRefusal, a_missing_tag_is_named) {
  EXPECT_THAT(refusal("counterflow_no_tag"), HasSubstr("no symbol counterflow_abi_tag"));
}

TEST(PluginRefusal, a_missing_table_is_named) {
  EXPECT_THAT(refusal("counterflow_no_table"), HasSubstr("no table counterflow_gadgets"));
}

TEST(PluginRefusal, the_loader_speaks_for_itself) {
  EXPECT_THAT(refusal("counterflow_unresolved"),
              AllOf(HasSubstr("does not load: "), HasSubstr("counterflow_symbol_that_nobody_has")));
}

TEST(PluginRefusal, a_missing_file_is_named_with_the_folders) {
  EXPECT_THAT(refusal("counterflow_tset_gadgets", kGood),
              AllOf(HasSubstr(kGood), HasSubstr("did you mean 'counterflow_test_gadgets'?")));
  EXPECT_THAT(refusal("counterflow_x", "/nowhere"), HasSubstr("--plugins"));
}

TEST(Plugin, broken_ones_are_listed_with_what_is_wrong) {
  const auto all = PluginFolders({kBroken}).all();
  ASSERT_EQ(all.size(), 4u);
  for (const auto& found : all) EXPECT_TRUE(found.gadget == nullptr && !found.problem.empty()) << found.dll;
}

}  // namespace
}  // namespace counterflow
