#include "core/server/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <limits>
#include <random>
#include <sstream>

#include "core/server/status_json.h"

namespace counterflow {
namespace {

namespace fs = std::filesystem;

class Status : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "status_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string content(const std::string& file) const {
    std::ifstream in(folder_ / file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void put(const std::string& file, const std::string& bytes) const {
    fs::remove(folder_ / file);  // writing over a file waits for the disk
    std::ofstream(folder_ / file, std::ios::binary | std::ios::trunc) << bytes;
  }
  fs::path folder_;
};

SessionStatus session(std::uint64_t number) {
  SessionStatus s;
  s.number = number;
  s.peer = "127.0.0.1:40312";
  s.chain = "material_images.xml", s.chain_hash = "4f0c", s.parameters = "initial", s.parameters_file = "";
  s.state = "stream";
  s.views = 300, s.air_views = 20, s.promised_views = 720;
  s.bytes_in = std::uint64_t{5} << 40, s.bytes_out = 7, s.images = 1, s.previews = 3, s.waiting_bytes = 11;
  s.started = 1.5e9 + 0.25, s.told = 1.5e9 + 2, s.last_view = 1.5e9 + 1.75, s.last_image_latency = 0.125, s.threads = 4;
  s.recording = "/data/scan \"1\".h5";
  s.gadgets = {{"air", "AirCalibration", "Counts", "Counts", 300, 2, 0.5, ""},
               {"mono", "MonoenergeticImage", "Image", "Image", 3, 0, 0.25, "fbp"}};
  return s;
}

StatusPicture picture(std::uint64_t version) {
  StatusPicture p;
  p.version = version;
  p.preview = true;
  p.channels = {"density", "g/cm^3", {"water", "iodine"}};
  p.grid = {.nx = 7, .ny = 5, .nz = 9, .voxel_x = 0.5, .voxel_y = 0.25, .voxel_z = 2, .centre_x = 1, .centre_y = -2};
  p.slice = 4;
  p.value = Array<float, 3>({2, 5, 7});
  std::mt19937 random(3);
  for (float& v : p.value) v = std::uniform_real_distribution<float>(-1, 1)(random);
  p.value[6] = std::numeric_limits<float>::quiet_NaN();
  return p;
}

void expect_same(const StatusPicture& a, const StatusPicture& b) {
  EXPECT_EQ(a.version, b.version);
  EXPECT_EQ(a.preview, b.preview);
  EXPECT_EQ(a.channels, b.channels);
  EXPECT_EQ(a.grid, b.grid);
  EXPECT_EQ(a.slice, b.slice);
  ASSERT_EQ(a.value.shape(), b.value.shape());
  EXPECT_EQ(std::memcmp(a.value.data(), b.value.data(), a.value.size() * sizeof(float)), 0);
}

TEST_F(Status, comes_back_as_it_was_written_and_sessions_stand_by_number) {
  for (std::uint64_t n : {10, 9, 1}) ASSERT_TRUE(write_status(folder_, session(n)));
  const auto read = read_statuses(folder_);
  ASSERT_EQ(read.size(), 3U);
  EXPECT_EQ(read[0].number, 1U);
  EXPECT_EQ(read[1].number, 9U);
  EXPECT_EQ(to_json(read[2]), to_json(session(10)));
  EXPECT_EQ(read[2].bytes_in, std::uint64_t{5} << 40);
  EXPECT_EQ(read[2].started, 1.5e9 + 0.25);
  EXPECT_EQ(read[2].recording, "/data/scan \"1\".h5");
  ASSERT_EQ(read[2].gadgets.size(), 2U);
  EXPECT_EQ(read[2].gadgets[1].after, "fbp");
  EXPECT_EQ(read[2].gadgets[0].busy, 0.5);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 3) << "nothing temporary is left";
}

TEST_F(Status, text_that_is_not_utf8_and_numbers_that_are_none_are_repaired) {
  auto s = session(2);
  s.error = "gadget \xff\xfe said\n\"no\"";
  s.last_image_latency = std::numeric_limits<double>::quiet_NaN();
  s.last_view = std::numeric_limits<double>::infinity();
  ASSERT_TRUE(write_status(folder_, s));
  const auto read = read_status(folder_, 2);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->error, "gadget \xef\xbf\xbd\xef\xbf\xbd said\n\"no\"");
  EXPECT_EQ(read->last_image_latency, 0);
  EXPECT_EQ(read->last_view, 0);
}

TEST_F(Status, members_of_another_type_keep_their_default) {
  put("4.json", R"({"number":4,"views":-1,"peer":{"a":1},"busy":3,"started":"now","bytes_in":1e300,"threads":1e9,)"
                R"("gadgets":[1,{"name":7,"messages":2.5},"x",{"name":"fbp","messages":2}]})");
  const auto read = read_status(folder_, 4);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->views + read->bytes_in, 0U);
  EXPECT_EQ(read->peer, "");
  EXPECT_EQ(read->threads, 0);
  ASSERT_EQ(read->gadgets.size(), 2U);
  EXPECT_EQ(read->gadgets[1].name, "fbp");
  EXPECT_EQ(read->gadgets[1].messages, 2U);
}

TEST_F(Status, what_is_no_status_is_left_out_and_blocks_nobody) {
  ASSERT_TRUE(write_status(folder_, session(1)));
  put("2.json", "[" + std::string(900'000, '['));
  put("3.json", to_json(session(4)));  // of another number
  put("5.json", to_json(session(5)) + std::string(2 << 20, ' '));
  put("06.json", to_json(session(6)));
  put("18446744073709551616.json", "{}");
  put("x.json", "{}");
  ASSERT_EQ(::mkfifo((folder_ / "7.json").c_str(), 0600), 0);
  fs::create_directory(folder_ / "8.json");
  fs::create_symlink("1.json", folder_ / "1.image");
  const auto read = read_statuses(folder_);
  ASSERT_EQ(read.size(), 1U);
  EXPECT_EQ(read[0].number, 1U);
  EXPECT_FALSE(read_picture(folder_, 1));
  EXPECT_TRUE(read_statuses(folder_ / "none").empty());
  EXPECT_FALSE(write_status(folder_ / "none", session(1)));
}

TEST_F(Status, cut_anywhere_or_with_flipped_bits_never_throws) {
  const std::string text = to_json(session(1));
  for (std::size_t n = 0; n < text.size(); ++n) {
    put("1.json", text.substr(0, n));
    EXPECT_FALSE(read_status(folder_, 1)) << n;
  }
  std::mt19937 random(1);
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = text;
    for (int k = 0; k < 1 + i % 4; ++k) damaged[random() % damaged.size()] ^= static_cast<char>(1 << random() % 8);
    EXPECT_NO_THROW(session_of_json(damaged));
  }
}

TEST_F(Status, lost_is_told_of_a_session_that_had_not_ended) {
  write_status(folder_, session(1));
  auto done = session(2);
  done.state = "complete";
  write_status(folder_, done);
  for (std::uint64_t n : {1, 2, 3}) tell_lost(folder_, n, 2e9, "its process ended by signal 11");
  const auto read = read_statuses(folder_);
  ASSERT_EQ(read.size(), 3U);
  EXPECT_EQ(read[0].state, "lost");
  EXPECT_EQ(read[0].error, "its process ended by signal 11");
  EXPECT_EQ(read[0].ended, 2e9);
  EXPECT_EQ(read[0].views, 300U);
  EXPECT_EQ(read[1].state, "complete");
  EXPECT_EQ(read[2].state, "lost");
}

TEST_F(Status, a_picture_comes_back_bit_by_bit_whole_and_by_planes) {
  const auto p = picture(17);
  ASSERT_TRUE(write_picture(folder_, 3, p));
  const auto read = read_picture(folder_, 3);
  ASSERT_TRUE(read.has_value());
  expect_same(*read, p);
  const auto head = read_picture_head(folder_, 3);
  ASSERT_TRUE(head.has_value());
  EXPECT_EQ(head->picture.grid, p.grid);
  EXPECT_EQ(head->channels, 2U);
  const auto plane = read_picture_plane(folder_, 3, 17, 1);
  ASSERT_TRUE(plane.has_value());
  EXPECT_EQ(std::memcmp(plane->data(), p.value.block(1).data(), 35 * sizeof(float)), 0);
  EXPECT_FALSE(read_picture_plane(folder_, 3, 16, 1)) << "another version";
  EXPECT_FALSE(read_picture_plane(folder_, 3, 17, 2)) << "no such channel";
}

TEST_F(Status, a_picture_beyond_the_limits_is_not_written) {
  auto p = picture(1);
  p.value = Array<float, 3>({2, 1, kMostPictureSide + 1});
  EXPECT_FALSE(write_picture(folder_, 1, p));
  p.value = {};
  EXPECT_FALSE(write_picture(folder_, 1, p));
  p = picture(1);
  p.channels.names.pop_back();
  EXPECT_FALSE(write_picture(folder_, 1, p));
}

TEST_F(Status, a_damaged_picture_is_left_out) {
  write_picture(folder_, 1, picture(1));
  const std::string whole = content("1.image");
  for (std::size_t n = 0; n < whole.size(); ++n) {
    put("1.image", whole.substr(0, n));
    EXPECT_FALSE(read_picture(folder_, 1)) << n;
  }
  put("1.image", whole + "x");
  EXPECT_FALSE(read_picture(folder_, 1));
  std::mt19937 random(2);
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = whole;
    damaged[random() % 400] ^= static_cast<char>(1 << random() % 8);
    put("1.image", damaged);
    EXPECT_NO_THROW(read_picture(folder_, 1));
  }
  const std::string head = R"({"version":1,"preview":false,"quantity":"","unit":"","names":["a"],"grid":[1,1,1],"voxel":[1,1,1],)"
                           R"("centre":[0,0,0],"slice":0,"shape":)";
  for (const char* shape :
       {"[1,4294967296,4294967296]", "[1,1e300,1]", "[1,-1,-1]", "[1,1]", "[1,0,0]", "[1,4097,1]", "3", "[1,2,3]"}) {
    const std::string text = head + shape + "}";
    const auto length = static_cast<std::uint32_t>(text.size());
    put("1.image", "CFPICT1\n" + std::string(reinterpret_cast<const char*>(&length), 4) + text + std::string(4, '\0'));
    EXPECT_FALSE(read_picture(folder_, 1)) << shape;
  }
}

TEST_F(Status, the_log_keeps_its_newest_lines_of_all_writers) {
  constexpr int kWriters = 3, kLines = 1500;
  for (int w = 0; w < kWriters; ++w)
    if (::fork() == 0) {
      for (int i = 0; i < kLines; ++i)
        append_log(folder_, std::to_string(w) + " " + std::to_string(i) + std::string(100, '.') + " end");
      ::_exit(0);
    }
  for (int w = 0; w < kWriters; ++w) ::wait(nullptr);
  EXPECT_LE(fs::file_size(folder_ / "log"), 256U << 10);
  std::istringstream lines(read_log(folder_, 1 << 20));
  std::map<int, int> last;
  int count = 0, writer = 0, number = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    ASSERT_TRUE(line.ends_with("... end")) << line;
    std::istringstream(line) >> writer >> number;
    if (last.contains(writer)) {
      EXPECT_EQ(number, last[writer] + 1);
    }
    last[writer] = number;
  }
  EXPECT_GT(count, 900);
  EXPECT_LE(read_log(folder_, 1000).size(), 1000U);
  EXPECT_TRUE(read_log(folder_, 1000).ends_with("end\n"));
}

TEST_F(Status, a_line_of_the_log_is_one_line) {
  append_log(folder_, "evil\nline\x1b[31m\t" + std::string(5000, 'x'));
  const std::string log = read_log(folder_);
  EXPECT_TRUE(log.starts_with("evil line [31m xxx"));
  EXPECT_EQ(log.size(), 2049U);
}

TEST_F(Status, totals_never_fall_when_old_sessions_are_removed) {
  for (std::uint64_t n = 1; n <= 6; ++n) {
    auto s = session(n);
    s.state = n == 2 ? "stream" : n % 2 == 1 ? "complete" : "error";
    s.ended = n == 2 ? 0 : 100 - static_cast<double>(n);  // 1 ended last
    write_status(folder_, s);
    write_picture(folder_, n, picture(1));
  }
  const auto before = read_totals(folder_, read_statuses(folder_));
  EXPECT_EQ(before.views, 1800U);
  EXPECT_EQ(before.ends, (std::map<std::string, std::uint64_t>{{"complete", 3}, {"error", 2}}));
  const std::string copy = content("6.json");
  remove_old_sessions(folder_, 2);
  auto present = read_statuses(folder_);
  std::vector<std::uint64_t> numbers;
  for (const auto& s : present) numbers.push_back(s.number);
  EXPECT_EQ(numbers, (std::vector<std::uint64_t>{1, 2, 3})) << "the newest two and what has not ended";
  EXPECT_FALSE(fs::exists(folder_ / "6.image"));
  const auto after = read_totals(folder_, present);
  EXPECT_EQ(after.views, before.views);
  EXPECT_EQ(after.bytes_in, before.bytes_in);
  EXPECT_EQ(after.ends, before.ends);
  put("6.json", copy);  // as if interrupted after the totals were written
  EXPECT_EQ(read_totals(folder_, read_statuses(folder_)).views, before.views);
  remove_old_sessions(folder_, 1);
  EXPECT_FALSE(fs::exists(folder_ / "6.json"));
  EXPECT_EQ(read_totals(folder_, read_statuses(folder_)).views, before.views);
  EXPECT_EQ(read_totals(folder_, read_statuses(folder_)).ends, before.ends);
}

}  // namespace
}  // namespace counterflow
