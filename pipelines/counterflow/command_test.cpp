// The program itself: what it prints and how it exits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Result {
  int code;
  std::string text;  // of both outputs
};

Result run(const std::string& arguments) {
  const std::string line = std::string(COUNTERFLOW_COMMAND) + " " + arguments + " 2>&1";
  FILE* pipe = popen(line.c_str(), "r");
  std::string text;
  std::array<char, 4096> buffer;
  for (std::size_t n; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) text.append(buffer.data(), n);
  const int status = pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text};
}

std::string chain_file(const std::string& gadgets) {
  const auto file = std::filesystem::path(::testing::TempDir()) / "command_test_chain.xml";
  std::ofstream(file) << "<configuration>\n<stream>\n" << gadgets << "</stream>\n</configuration>\n";
  return file.string();
}
const std::string kGain = "<gadget><dll>counterflow_test_gadgets</dll><classname>TestGain</classname></gadget>\n";
const std::string kPlugins = " --plugins " COUNTERFLOW_TEST_PLUGIN_DIR;

TEST(Command, helps_and_tells_its_version) {
  EXPECT_EQ(run("--version").code, 0);
  EXPECT_THAT(run("--version").text, StartsWith("counterflow 0."));
  const auto help = run("--help");
  EXPECT_EQ(help.code, 0);
  for (const char* verb : {"simulate", "run", "check", "describe", "evaluate", "view", "import", "--threads"})
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
  const auto missing = run("check /nowhere/chain.xml");
  EXPECT_EQ(missing.code, 1);
  EXPECT_THAT(missing.text, StartsWith("counterflow: /nowhere/chain.xml: "));
  const auto misspelt =
      run("check " + chain_file("<gadget><dll>counterflow_test_gadget</dll><classname>T</classname></gadget>") + kPlugins);
  EXPECT_EQ(misspelt.code, 1);
  EXPECT_THAT(misspelt.text, HasSubstr("did you mean 'counterflow_test_gadgets'?\n"));
}

TEST(Command, common_options_work_before_and_after_the_verb) {
  const std::string file = chain_file(kGain);
  EXPECT_EQ(run("check " + file + kPlugins + " --threads 1").code, 0);
  const auto before = run(kPlugins.substr(1) + " --threads 1 --quiet check " + file);
  EXPECT_EQ(before.code, 0) << before.text;
  EXPECT_THAT(run("check " + file + kPlugins + " --log debug").text, HasSubstr("plugins in " COUNTERFLOW_TEST_PLUGIN_DIR));
}

TEST(Command, what_cannot_be_written_fails) {
  const auto full = run("describe --xsd > /dev/full");
  EXPECT_EQ(full.code, 1);
}

TEST(Command, finds_the_plugins_that_were_built_with_it) {
  const auto result = run("describe");
  EXPECT_EQ(result.code, 0) << result.text;
}

}  // namespace
