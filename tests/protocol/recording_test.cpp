// What a server keeps, and what it uses of what was learned: recordings of its scans, whatever happens, and the newest
// parameters.
#include <gmock/gmock.h>

#include <memory>
#include <thread>

#include "core/archive/archive.h"
#include "core/archive/image_file.h"
#include "core/archive/learned_parameters.h"
#include "core/archive/scan_header_xml.h"
#include "core/server/client.h"
#include "core/server/view_codec.h"
#include "core/testing/folder.h"
#include "pipelines/counterflow/test_command.h"
#include "tests/support.h"

namespace counterflow::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

const std::string kCommon = " --cache " COUNTERFLOW_TEST_CACHE " --plugins " COUNTERFLOW_TEST_PLUGIN_DIR;

// A scan, a chain with something to learn, and a server.
class Kept : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::permissions(folder_.path(), fs::perms(0755));
    for (const char* name : {"chains", "recordings", "learned"}) {
      fs::create_directory(folder_ / name);
      fs::permissions(folder_ / name, fs::perms(0777));  // the server becomes nobody where it is started as root
    }
    write_file(folder_ / "chains" / "images.xml",
               chain_of(gadget("test_gadgets", "TestGain", {{"start", "0"}}) + gadget("air_calibration", "AirCalibration", {}) +
                        gadget("decomposition", "MaximumLikelihood", {{"materials", "water iodine"}}) +
                        gadget("fbp", "FilteredBackprojection", {})));
    ASSERT_EQ(
        run("simulate " COUNTERFLOW_SOURCE_DIR "/tests/protocol/small.xml -o " + file("scan.h5") + kCommon + " --quiet").code, 0);
  }

  void serve(const std::string& options) {
    server_ = std::make_unique<Running>("exec " COUNTERFLOW_COMMAND " serve --listen 127.0.0.1:0 --chains " + file("chains") +
                                            user_option() + kCommon + " " + options,
                                        folder_ / "log");
    ASSERT_TRUE(server_->says("\n")) << server_->text();
    const std::string text = server_->text(), words = "listening on ";
    const auto at = text.find(words);
    ASSERT_NE(at, std::string::npos) << text;
    address_ = text.substr(at + words.size(), text.find('\n', at) - at - words.size());
  }

  std::string file(const std::string& name) const { return (folder_ / name).string(); }
  void send(const std::string& images) {
    const Result result =
        run("send " + file("scan.h5") + " --to " + address_ + " --chain images.xml -o " + file(images) + " --quiet");
    ASSERT_EQ(result.code, 0) << result.text;
  }
  std::vector<std::string> recordings() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_ / "recordings")) names.push_back(entry.path().filename().string());
    return names;
  }
  // Sends so many views of the scan, then nothing more; returns once the server has acknowledged `safe` of them.
  void send_some(std::size_t count, std::size_t safe) {
    ArchiveReader scan(folder_ / "scan.h5");
    std::atomic<std::uint64_t> recorded{0};
    client_ = std::make_unique<Client>(address_, TlsFiles{}, [&](wire::Frame&& frame, Client::Clock::time_point) {
      if (const auto* receipt = std::get_if<wire::Receipt>(&frame)) recorded = receipt->recorded;
    });
    wire::Outgoing out;
    wire::put_wish(out, "receipts");
    wire::put_config_file(out, "images.xml");
    wire::put_header(out, header_to_xml(scan.header()));
    for (std::size_t k = 0; k < count; ++k) wire::put_view(out, std::get<Sent<Counts<float>>>(scan.next<float>()));
    ASSERT_TRUE(client_->send(std::move(out)));
    for (int waited = 0; recorded < safe && waited < 20'000; ++waited) usleep(1000);
    ASSERT_GE(recorded, safe) << server_->text();
  }

  Folder folder_;
  std::unique_ptr<Running> server_;
  std::unique_ptr<Client> client_;
  std::string address_;
};

void expect_first_views(const fs::path& recorded, const fs::path& original, std::size_t at_least) {
  ArchiveReader a(recorded), b(original);
  std::size_t views = 0;
  for (auto x = a.next<float>(); x.index() != 0; x = a.next<float>(), ++views) {
    const auto& got = *std::get<Sent<Counts<float>>>(x);
    const auto y = b.next<float>();
    const auto& expected = *std::get<Sent<Counts<float>>>(y);
    EXPECT_EQ(got.view, expected.view);
    EXPECT_EQ(got.counts, expected.counts);
  }
  EXPECT_GE(views, at_least);
}

TEST_F(Kept, a_scan_that_passes_is_there_when_close_comes_and_gives_the_same_images) {
  serve("--record " + file("recordings"));
  send("live.h5");
  ASSERT_THAT(recordings(), ElementsAre(MatchesRegex("[0-9]{8}T[0-9]{6}Z-1\\.h5")));
  const std::string recorded = file("recordings/" + recordings()[0]);
  const Result again =
      run("run " + file("chains/images.xml") + " " + recorded + " -o " + file("again.h5") + kCommon + " --quiet");
  ASSERT_EQ(again.code, 0) << again.text;
  const auto x = read_images(folder_ / "live.h5"), y = read_images(folder_ / "again.h5");
  ASSERT_EQ(x.size(), y.size());
  for (std::size_t k = 0; k < x.size(); ++k) EXPECT_EQ(x[k].value, y[k].value);
}

TEST_F(Kept, what_was_acknowledged_survives_kill_9_of_the_server_and_its_sessions) {
  serve("--record " + file("recordings"));
  send_some(20, 20);
  server_->kill();
  server_->wait();
  client_.reset();
  ASSERT_THAT(recordings(), ElementsAre(MatchesRegex("\\..*\\.journal")));
  serve("--record " + file("recordings"));
  const auto recovering = [&] { return recordings().size() != 1 || recordings()[0].ends_with(".journal"); };
  for (int waited = 0; waited < 10'000 && recovering(); ++waited) usleep(1000);
  ASSERT_THAT(recordings(), ElementsAre(MatchesRegex(".*-1-incomplete\\.h5")));
  expect_first_views(folder_ / "recordings" / recordings()[0], folder_ / "scan.h5", 20);
}

TEST_F(Kept, a_client_that_is_lost_leaves_what_it_sent) {
  serve("--record " + file("recordings"));
  send_some(15, 15);
  client_.reset();
  ASSERT_TRUE(server_->says("session 1: lost")) << server_->text();
  ASSERT_THAT(recordings(), ElementsAre(MatchesRegex(".*-1-incomplete\\.h5")));
  expect_first_views(folder_ / "recordings" / recordings()[0], folder_ / "scan.h5", 15);
}

TEST_F(Kept, the_newest_parameters_are_taken_at_each_scans_start_and_images_say_which) {
  const PluginFolders plugins({COUNTERFLOW_TEST_PLUGIN_DIR, COUNTERFLOW_PLUGIN_DIR});
  const auto chain = load_chain<float>(folder_ / "chains" / "images.xml", plugins);
  const ScanHeader header = ArchiveReader(folder_ / "scan.h5").header();
  const auto block = chain.stages[0]->blocks(header).at(0);
  const auto learn = [&](const std::string& name, double value) {
    LearnedParameters learned;
    learned.blocks.push_back({chain.stages[0]->name, chain.stages[0]->classname, block.name, block.doc.unit, block.doc.axes,
                              block.doc.shape, std::vector<double>(block.size, value)});
    write_parameters(folder_ / "learned" / name, learned);
    return parameters_hash(learned);
  };
  const auto said = [&](const std::string& images) { return read_images(folder_ / images).at(0).meta.at("parameters"); };
  serve("--parameters " + file("learned"));
  send("a.h5");
  EXPECT_EQ(said("a.h5"), "initial");
  const std::string first = learn("b.h5", 0.01);
  send("b.h5");
  EXPECT_EQ(said("b.h5"), first);
  usleep(20'000);  // files have times
  const std::string second = learn("a.h5", 0.02);
  send("c.h5");
  EXPECT_EQ(said("c.h5"), second);
  EXPECT_NE(read_images(folder_ / "b.h5").at(0).value, read_images(folder_ / "c.h5").at(0).value);
  const Result result = run("run " + file("chains/images.xml") + " " + file("scan.h5") + " --parameters " + file("learned/a.h5") +
                            " -o " + file("run.h5") + kCommon + " --quiet");
  ASSERT_EQ(result.code, 0) << result.text;
  EXPECT_EQ(read_images(folder_ / "run.h5").at(0).value, read_images(folder_ / "c.h5").at(0).value);
  write_file(folder_ / "learned" / "z.h5", "damaged");
  const Result damaged =
      run("send " + file("scan.h5") + " --to " + address_ + " --chain images.xml -o " + file("d.h5") + " --quiet");
  EXPECT_EQ(damaged.code, 1);
  EXPECT_THAT(damaged.text, HasSubstr("z.h5"));
}

}  // namespace
}  // namespace counterflow::testing
