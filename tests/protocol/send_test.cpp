// `counterflow send` to `counterflow serve` gives what `run` gives, bit for bit; and says what it could not have.
#include <gmock/gmock.h>

#include <map>
#include <memory>

#include "core/archive/archive.h"
#include "core/archive/image_file.h"
#include "core/testing/folder.h"
#include "pipelines/counterflow/test_command.h"
#include "tests/support.h"

namespace counterflow::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kCommon = " --quiet --cache " COUNTERFLOW_TEST_CACHE " --plugins " COUNTERFLOW_TEST_PLUGIN_DIR;

// A scan, chains and a server in a folder of its own.
class Send : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::filesystem::path chains = folder_ / "chains";
    std::filesystem::permissions(folder_.path(), std::filesystem::perms(0755));
    std::filesystem::create_directory(chains);
    for (const auto& [name, xml] : chains_) write_file(chains / name, xml);
    const std::string scenario = COUNTERFLOW_SOURCE_DIR "/tests/protocol/small.xml";
    ASSERT_EQ(run("simulate " + scenario + " -o " + file("scan.h5") + kCommon).code, 0);
  }

  void serve(const std::string& options = "") {
    const std::string common = " --cache " COUNTERFLOW_TEST_CACHE " --plugins " COUNTERFLOW_TEST_PLUGIN_DIR;
    server_ = std::make_unique<Running>("exec " COUNTERFLOW_COMMAND " serve --listen 127.0.0.1:0 --chains " + file("chains") +
                                            user_option() + common + " " + options,
                                        folder_ / "log");
    const std::string words = "listening on ";
    ASSERT_TRUE(server_->says(words)) << server_->text();
    while (server_->text().find('\n', server_->text().find(words)) == std::string::npos) usleep(500);
    const std::string text = server_->text();
    const auto at = text.find(words) + words.size();
    address_ = text.substr(at, text.find('\n', at) - at);
  }

  std::string file(const std::string& name) const { return (folder_ / name).string(); }
  Result send(const std::string& options, const std::string& images = "images.h5", const std::string& common = kCommon) {
    return run("send " + file("scan.h5") + " --to " + address_ + " -o " + file(images) + " " + options + common);
  }
  void expect_same_images(const std::string& a, const std::string& b) {
    const auto x = read_images(folder_ / a), y = read_images(folder_ / b);
    ASSERT_EQ(x.size(), y.size());
    for (std::size_t k = 0; k < x.size(); ++k) {
      EXPECT_EQ(x[k].number, y[k].number);
      EXPECT_EQ(x[k].value, y[k].value);
      EXPECT_EQ(x[k].grid, y[k].grid);
      EXPECT_EQ(x[k].channels, y[k].channels);
      EXPECT_EQ(x[k].meta, y[k].meta);
    }
  }

  Folder folder_;
  std::unique_ptr<Running> server_;
  std::string address_;
  const std::string air_ = gadget("air_calibration", "AirCalibration", {});
  const std::string likelihood_ = gadget("decomposition", "MaximumLikelihood", {{"materials", "water iodine"}});
  const std::string pass_ = gadget("test_gadgets", "FaultyCounts", {});
  const std::map<std::string, std::string> chains_ = {
      {"images.xml", read_file(source_dir() / "xml/chains/material_images.xml")},
      {"views.xml", chain_of(air_ + likelihood_)},
      {"counts.xml", chain_of(pass_)},
      {"late.xml", chain_of(air_ + likelihood_ + gadget("test_gadgets", "FaultyPaths", {{"moment", "view"}, {"at", "30"}}) +
                            gadget("fbp", "FilteredBackprojection", {}))},
      {"crash.xml", chain_of(gadget("test_gadgets", "FaultyCounts", {{"moment", "view"}, {"at", "9"}, {"fault", "crash"}}))}};
};

TEST_F(Send, gives_the_images_of_run_bit_for_bit_compact_and_plain_paced_and_not) {
  serve();
  ASSERT_EQ(run("run " + file("chains/images.xml") + " " + file("scan.h5") + " -o " + file("run.h5") + kCommon).code, 0);
  for (const char* options : {"", "--plain", "--previews", "--plain --previews", "--rate 300", "--rate scanner --previews"}) {
    const Result result = send("--chain images.xml " + std::string(options));
    ASSERT_EQ(result.code, 0) << options << ": " << result.text;
    EXPECT_EQ(result.text, "");
    expect_same_images("images.h5", "run.h5");
  }
  ASSERT_EQ(run_line("cat " + file("scan.h5") +
                     " > /dev/null; " COUNTERFLOW_COMMAND " simulate " COUNTERFLOW_SOURCE_DIR "/tests/protocol/small.xml -o -" +
                     kCommon + " | " COUNTERFLOW_COMMAND " send - --to " + address_ + " --chain images.xml -o " +
                     file("piped.h5") + kCommon)
                .code,
            0);
  expect_same_images("piped.h5", "run.h5");
}

TEST_F(Send, gives_the_views_of_run_where_a_chain_ends_in_views) {
  serve();
  ASSERT_EQ(run("run " + file("chains/views.xml") + " " + file("scan.h5") + " -o " + file("run.h5") + kCommon).code, 0);
  const Result result = send("--chain views.xml", "views.h5");
  ASSERT_EQ(result.code, 0) << result.text;
  ArchiveReader a(folder_ / "views.h5"), b(folder_ / "run.h5");
  EXPECT_EQ(a.header().quantity, Quantity::line_integrals);
  for (std::size_t v = 0; v < b.header().geometry.views; ++v)
    EXPECT_EQ(std::get<Sent<PathLengths<float>>>(a.next<float>())->areal_density,
              std::get<Sent<PathLengths<float>>>(b.next<float>())->areal_density);

  EXPECT_THAT(send("--chain counts.xml", "counts.h5").text, HasSubstr("gives counts"));
  const Result measured = run("send " + file("scan.h5") + " --to " + address_ + " --chain counts.xml");
  EXPECT_EQ(measured.code, 0);
  EXPECT_THAT(measured.text, HasSubstr("round trips of 36 views: p50 "));
  EXPECT_THAT(send("--plain --chain views.xml", "plain.h5").text, HasSubstr("cannot carry"));
}

TEST_F(Send, tells_how_long_it_took) {
  serve();
  const std::string loud = " --cache " COUNTERFLOW_TEST_CACHE;
  EXPECT_THAT(send("--chain images.xml --rate 300", "images.h5", loud).text,
              AllOf(HasSubstr("39 views (compact, "), HasSubstr("MB/s"), HasSubstr("messages/s"),
                    HasSubstr("paced at 300 views/s"), HasSubstr("last view to last image: "), HasSubstr("8 images")));
  EXPECT_THAT(send("--plain --chain images.xml", "images.h5", loud).text, HasSubstr("39 views (acquisitions, "));
  EXPECT_THAT(send("--chain views.xml", "views.h5", loud).text,
              AllOf(HasSubstr("round trips of 36 views: p50 "), HasSubstr("p99 "), HasSubstr("36 views")));
}

TEST_F(Send, tells_errors_and_losses_apart_and_leaves_no_file) {
  serve("--allow-client-chains");
  const auto refused = [&](const std::string& options, const auto& words) {
    const Result result = send(options, "none.h5");
    EXPECT_EQ(result.code, 1) << options;
    EXPECT_THAT(result.text, words) << options;
    EXPECT_EQ(std::count(result.text.begin(), result.text.end(), '\n'), 1) << result.text;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "none.h5")) << options;
  };
  const std::string error = "the server ended the scan with an error: ";
  refused("--chain imagse.xml", AllOf(HasSubstr(error), HasSubstr("images.xml")));
  refused("--chain late.xml", AllOf(HasSubstr(error), HasSubstr("view 30: asked to fail")));
  refused("--chain crash.xml", AllOf(HasSubstr("the scan is lost: "), Not(HasSubstr(error))));
  write_file(folder_ / "mine.xml", "<configuration/>");
  refused("--chain-file " + file("mine.xml"), HasSubstr(error));
  refused("--chain images.xml --rate 0", HasSubstr("--rate: expected views per second"));
  refused("--chain images.xml --rate fast", HasSubstr("'scanner'"));
  EXPECT_THAT(send("--chain images.xml", "nowhere/x.h5").text, HasSubstr("nowhere"));
  server_->kill();
  refused("--chain images.xml", HasSubstr("cannot connect"));
}

TEST_F(Send, runs_a_chain_of_ones_own_where_that_is_allowed) {
  serve("--allow-client-chains");
  ASSERT_EQ(run("run " + file("chains/images.xml") + " " + file("scan.h5") + " -o " + file("run.h5") + kCommon).code, 0);
  const Result result = send("--chain-file " + file("chains/images.xml"));
  ASSERT_EQ(result.code, 0) << result.text << server_->text();
  expect_same_images("images.h5", "run.h5");
}

}  // namespace
}  // namespace counterflow::testing
