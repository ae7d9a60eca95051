// A recorded scan is the scan; one that a crash cut short is what had reached the disk.
#include "core/server/recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "core/archive/test_scan.h"

namespace counterflow::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

Sent<Counts<float>> sent(const Counts<float>& view) { return std::make_shared<const Counts<float>>(view); }

// The views of an archive.
std::vector<Counts<float>> views_of(const fs::path& archive) {
  ArchiveReader reader(archive);
  std::vector<Counts<float>> views;
  for (auto view = reader.next<float>(); view.index() != 0; view = reader.next<float>())
    views.push_back(*std::get<Sent<Counts<float>>>(view));
  return views;
}

void expect_same(const std::vector<Counts<float>>& got, const std::vector<Counts<float>>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].view, expected[i].view) << i;
    EXPECT_EQ(got[i].counts, expected[i].counts) << i;
  }
}

class RecorderTest : public ::testing::Test {
 protected:
  Folder folder_;
  ScanHeader header_ = small_header();
  std::vector<Counts<float>> views_ = small_views(header_);
};

TEST_F(RecorderTest, a_recorded_scan_is_the_scan) {
  write_scan(folder_ / "original.h5", header_, views_);
  {
    Recorder recorder(folder_.path(), "scan", header_, [](std::uint64_t) {});
    for (const auto& view : views_) recorder.write(sent(view));
    recorder.finish();
    EXPECT_EQ(recorder.file(), folder_ / "scan.h5");
  }
  EXPECT_THAT(folder_.names(), UnorderedElementsAre("original.h5", "scan.h5"));
  expect_same(views_of(folder_ / "scan.h5"), views_of(folder_ / "original.h5"));
}

TEST_F(RecorderTest, expected_counts_are_recorded_to_the_bit) {
  for (auto& view : views_)
    for (float& v : view.counts) v += 0.37f;
  {
    Recorder recorder(folder_.path(), "scan", header_, [](std::uint64_t) {});
    for (const auto& view : views_) recorder.write(sent(view));
    recorder.finish();
  }
  expect_same(views_of(folder_ / "scan.h5"), views_);
}

TEST_F(RecorderTest, a_scan_that_did_not_end_leaves_an_archive_of_what_came) {
  {
    Recorder recorder(folder_.path(), "scan", header_, [](std::uint64_t) {});
    for (std::size_t i = 0; i < 4; ++i) recorder.write(sent(views_[i]));  // two of air, two of four object views
  }
  EXPECT_THAT(folder_.names(), ElementsAre("scan-incomplete.h5"));
  EXPECT_EQ(ArchiveReader(folder_ / "scan-incomplete.h5").header().geometry.views, 2u);
  expect_same(views_of(folder_ / "scan-incomplete.h5"), {views_.begin(), views_.begin() + 4});
}

TEST_F(RecorderTest, a_scan_without_object_views_leaves_nothing) {
  {
    Recorder recorder(folder_.path(), "scan", header_, [](std::uint64_t) {});
    recorder.write(sent(views_[0]));
  }
  EXPECT_THAT(folder_.names(), ElementsAre());
}

// A process that is killed as soon as it has heard that `enough` views are safe.
void record_until_killed(const fs::path& folder, const ScanHeader& header, const std::vector<Counts<float>>& views,
                         std::uint64_t enough) {
  const pid_t child = fork();
  if (child == 0) {
    Recorder recorder(folder, "scan", header, [&](std::uint64_t safe) {
      if (safe >= enough) ::kill(::getpid(), SIGKILL);
    });
    for (std::size_t i = 0; i < views.size(); ++i) {
      recorder.write(sent(views[i]));
      if (i + 1 >= enough) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    for (;;) ::pause();
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
}

TEST_F(RecorderTest, what_was_acknowledged_survives_kill_9) {
  for (const std::uint64_t enough : {3, 4, 5}) {
    record_until_killed(folder_.path(), header_, views_, enough);
    const auto recovered = recover_recordings(folder_.path(), [](const std::string&) {});
    ASSERT_EQ(recovered.size(), 1u) << enough;
    const auto views = views_of(recovered[0]);
    ASSERT_GE(views.size(), enough);
    expect_same(views, {views_.begin(), views_.begin() + static_cast<std::ptrdiff_t>(views.size())});
    fs::remove(recovered[0]);
  }
}

// Every way in which the end of a journal may be missing or wrong after a crash.
TEST_F(RecorderTest, a_journal_cut_or_damaged_anywhere_gives_the_views_before_it) {
  record_until_killed(folder_.path(), header_, views_, views_.size());
  const fs::path journal = folder_ / ".scan.journal";
  std::ifstream in(journal, std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(in), {}};
  std::size_t archives = 0;
  for (std::size_t size = whole.size(); size > 0; size -= std::min<std::size_t>(size, 97)) {
    const bool damaged = size % 2 == 1;
    std::string bytes = damaged ? whole : whole.substr(0, size);
    if (damaged) bytes[size - 1] = static_cast<char>(bytes[size - 1] ^ 16);
    std::ofstream(journal, std::ios::binary) << bytes;
    for (const auto& archive : recover_recordings(folder_.path(), [](const std::string&) {})) {
      ++archives;
      const auto views = views_of(archive);
      if (size > 4000) expect_same(views, {views_.begin(), views_.begin() + static_cast<std::ptrdiff_t>(views.size())});
      fs::remove(archive);
    }
    fs::remove(journal);  // one without a header is kept
  }
  EXPECT_GT(archives, 10u);
}

TEST_F(RecorderTest, the_journal_of_a_session_that_runs_is_left_alone) {
  Recorder recorder(folder_.path(), "scan", header_, [](std::uint64_t) {});
  for (const auto& view : views_) recorder.write(sent(view));
  EXPECT_TRUE(recover_recordings(folder_.path(), [](const std::string&) {}).empty());
  recorder.finish();
  EXPECT_THAT(folder_.names(), ElementsAre("scan.h5"));
}

TEST_F(RecorderTest, what_is_no_journal_is_kept_and_told) {
  std::ofstream(folder_ / ".other.journal") << "no journal";
  std::string told;
  EXPECT_TRUE(recover_recordings(folder_.path(), [&](const std::string& text) { told += text; }).empty());
  EXPECT_THAT(told, HasSubstr(".other.journal: has no header of a scan"));
  EXPECT_TRUE(fs::exists(folder_ / ".other.journal"));
}

TEST_F(RecorderTest, a_folder_that_is_not_there_is_refused) {
  EXPECT_THAT(refusal<ArchiveError>([&] { Recorder(folder_ / "none", "scan", header_, [](std::uint64_t) {}); }),
              HasSubstr("none/.scan.journal: cannot be opened"));
}

}  // namespace
}  // namespace counterflow::testing
