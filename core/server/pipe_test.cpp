// Scans and images on pipes: bit-exact, and every way of being cut or damaged is a named error.
#include "core/server/pipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <ismrmrd/ismrmrd.h>

#include <cstring>
#include <random>
#include <sstream>

#include "core/testing/refusal.h"

namespace counterflow {
namespace {

using ::testing::HasSubstr;

ScanHeader small_header() {
  ScanHeader h;
  h.geometry = {.beam = Beam::fan_arc,
                .columns = 7,
                .rows = 2,
                .views = 3,
                .views_per_rotation = 3,
                .source_to_isocenter = 570,
                .source_to_detector = 1040,
                .column_pitch = 0.5,
                .row_pitch = 0.5,
                .angle_step = 2};
  h.grid = {.nx = 4, .ny = 3, .nz = 2};
  h.system.bins = 2;
  h.system.thresholds = {20, 60};
  h.system.tube_voltage = 120;
  h.system.detector = "CdTe 1.6";
  h.system.open_beam_counts = 1000;
  return h;
}

Counts<float> view_of_scan(const ScanHeader& h, std::size_t index) {
  Counts<float> x;
  x.view.index = index;
  x.view.angle = 2.0 * static_cast<double>(index);
  x.counts = Array<float, 3>({h.bins(), h.geometry.rows, h.geometry.columns});
  std::mt19937 random(static_cast<unsigned>(index));
  for (float& v : x.counts) v = static_cast<float>(random() % 1000);
  return x;
}

std::string scan_bytes() {
  const ScanHeader h = small_header();
  std::ostringstream out;
  PipeScanWriter writer(out, h);
  for (std::size_t v = 0; v < h.geometry.views; ++v) writer.write(view_of_scan(h, v));
  writer.finish();
  return out.str();
}

// All views of a stream; throws as the reader does.
std::vector<Counts<float>> read_all(const std::string& bytes) {
  std::istringstream in(bytes);
  PipeReader reader(in);
  std::vector<Counts<float>> views;
  for (auto m = reader.next<float>(); m.index() != 0; m = reader.next<float>())
    views.push_back(*std::get<Sent<Counts<float>>>(m));
  return views;
}

std::string refusal(const std::string& bytes) {
  return testing::refusal([&] { read_all(bytes); });
}

TEST(Pipe, a_scan_comes_out_as_it_went_in) {
  const auto views = read_all(scan_bytes());
  ASSERT_EQ(views.size(), 3u);
  for (std::size_t v = 0; v < views.size(); ++v) {
    EXPECT_EQ(views[v].counts, view_of_scan(small_header(), v).counts);
    EXPECT_EQ(views[v].view.index, v);
    EXPECT_FLOAT_EQ(static_cast<float>(views[v].view.angle), 2.f * static_cast<float>(v));
  }
}

TEST(Pipe, a_stream_cut_at_any_byte_is_refused) {
  const std::string whole = scan_bytes();
  for (std::size_t n = 0; n < whole.size(); n += n < 2600 ? 13 : 1)
    ASSERT_THAT(refusal(whole.substr(0, n)), HasSubstr("the stream ends at byte " + std::to_string(n))) << n;
}

TEST(Pipe, a_scan_closed_before_its_last_view_is_refused) {
  const ScanHeader h = small_header();
  std::ostringstream out;
  PipeScanWriter writer(out, h);
  writer.write(view_of_scan(h, 0));
  writer.finish();
  EXPECT_THAT(refusal(out.str()), HasSubstr("3"));
  EXPECT_NE(refusal(out.str()), "accepted");
}

TEST(Pipe, an_unknown_message_is_named) {
  std::string bytes = scan_bytes();
  const std::uint16_t id = 1018;
  std::memcpy(bytes.data() + bytes.size() - 2, &id, 2);
  EXPECT_THAT(refusal(bytes),
              HasSubstr("unknown message id 1018 in the stream phase at byte " + std::to_string(bytes.size() - 2)));
  std::memcpy(bytes.data(), &id, 2);
  EXPECT_THAT(refusal(bytes), HasSubstr("unknown message id 1018 in the header phase at byte 0; expected header (id 3)"));
}

TEST(Pipe, a_claimed_length_is_not_believed) {
  std::string bytes = scan_bytes();
  const std::uint32_t claimed = 0xFFFFFFFFu;
  std::memcpy(bytes.data() + 2, &claimed, 4);
  EXPECT_THAT(refusal(bytes), HasSubstr("claims 4294967295 bytes"));
}

TEST(Pipe, every_byte_changed_is_read_or_refused_but_never_crashes) {
  const std::string whole = scan_bytes();
  for (std::size_t n = 0; n < whole.size(); n += 3) {
    std::string bytes = whole;
    bytes[n] = static_cast<char>(bytes[n] ^ 0x40);
    EXPECT_FALSE(refusal(bytes).empty());
  }
}

TEST(Pipe, images_leave_with_header_meta_and_pixels) {
  Image<float> image;
  image.value = Array<float, 4>({2, 1, 3, 4});
  for (std::size_t i = 0; i < image.value.size(); ++i) image.value[i] = static_cast<float>(i);
  image.grid = small_header().grid;
  image.slice = 1;
  image.channels = std::make_shared<Channels>(Channels{"density", "g/cm^3", {"water", "iodine"}});
  std::ostringstream out;
  PipeWriter writer(out, small_header(), {"abc", "def"});
  const std::size_t begin = out.str().size();
  writer.write(image);
  writer.finish();

  const std::string bytes = out.str().substr(begin);
  std::uint16_t id = 0;
  std::memcpy(&id, bytes.data(), 2);
  EXPECT_EQ(id, 1022);
  ISMRMRD::ISMRMRD_ImageHeader head;
  std::memcpy(&head, bytes.data() + 2, sizeof head);
  const std::uint16_t channels = head.channels, slice = head.slice, nx = head.matrix_size[0];
  EXPECT_EQ(channels, 2);
  EXPECT_EQ(slice, 1);
  EXPECT_EQ(nx, 4);
  std::uint64_t meta = 0;
  std::memcpy(&meta, bytes.data() + 200, 8);
  EXPECT_THAT(bytes.substr(208, meta), HasSubstr("g/cm^3"));
  ASSERT_EQ(bytes.size(), 208 + meta + 24 * sizeof(float) + 2);
  EXPECT_EQ(std::memcmp(bytes.data() + 208 + meta, image.value.data(), 24 * sizeof(float)), 0);
  std::memcpy(&id, bytes.data() + bytes.size() - 2, 2);
  EXPECT_EQ(id, 4);
}

}  // namespace
}  // namespace counterflow
