// Whatever bytes come, the parser gives messages or a named error, and takes no memory for what has not come.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "core/server/test_frames.h"

namespace {
std::atomic<std::size_t> held{0}, peak{0};
}
void* operator new(std::size_t size) {
  void* p = std::malloc(size);
  if (!p) throw std::bad_alloc();
  const std::size_t now = held += malloc_usable_size(p);
  if (now > peak) peak = now;
  return p;
}
void* operator new[](std::size_t size) { return operator new(size); }
void operator delete(void* p) noexcept {
  held -= malloc_usable_size(p);
  std::free(p);
}
void operator delete[](void* p) noexcept { operator delete(p); }
void operator delete(void* p, std::size_t) noexcept { operator delete(p); }
void operator delete[](void* p, std::size_t) noexcept { operator delete(p); }

namespace counterflow::wire {
namespace {

using counterflow::testing::refusal;
using testing::bytes_of;
using testing::ByteVector;
using ::testing::HasSubstr;

// The most that `call` holds beyond what was held before.
template <class Call>
std::size_t peak_of(Call&& call) {
  const std::size_t before = held;
  peak = before;
  call();
  return peak - before;
}

constexpr std::size_t kOwn = std::size_t{300} << 10;  // the parser's buffer and small things
constexpr std::size_t kStep = std::size_t{1} << 20;   // by which payloads grow that the scan's header has not confirmed

struct LengthField {
  Id id;
  Phase phase;
  std::size_t at, width;  // in the message [byte]
  std::uint64_t limit;    // 0 = by its values' own
};

const LengthField kLengths[] = {{Id::config_script, Phase::config, 2, 4, Limits{}.config},
                                {Id::header, Phase::header, 2, 4, Limits{}.header},
                                {Id::text, Phase::stream, 2, 4, Limits{}.text},
                                {Id::query, Phase::stream, 18, 8, Limits{}.text},
                                {Id::response, Phase::answers, 10, 8, Limits{}.text},
                                {Id::acquisition, Phase::stream, 36, 2, 0},
                                {Id::acquisition, Phase::stream, 40, 2, 0},
                                {Id::image, Phase::answers, 18, 2, 0},
                                {Id::image, Phase::answers, 20, 2, 0},
                                {Id::image, Phase::answers, 22, 2, 0},
                                {Id::image, Phase::answers, 36, 2, 0},
                                {Id::image, Phase::answers, 200, 8, Limits{}.text},
                                {Id::waveform, Phase::stream, 30, 2, 0},
                                {Id::waveform, Phase::stream, 32, 2, 0},
                                {Id::wish, Phase::stream, 2, 8, Limits{}.text},
                                {Id::view, Phase::stream, 2, 8, 0},
                                {Id::view, Phase::stream, 70, 8, 0},
                                {Id::view, Phase::stream, 78, 8, 0},
                                {Id::view, Phase::stream, 86, 8, 0},
                                {Id::receipt, Phase::answers, 2, 8, 0},
                                {Id::ending, Phase::answers, 2, 8, Limits{}.text + 4}};

std::vector<std::uint64_t> lengths_for(const LengthField& field) {
  std::vector<std::uint64_t> values = {0, 1, 1u << 15, 0xffff};
  if (field.width >= 4)
    for (const std::uint64_t v : {0x7fffffffull, 0x80000000ull, 0x80000001ull, 0xffffffffull}) values.push_back(v);
  if (field.width == 8)
    for (const std::uint64_t v : {1ull << 40, 1ull << 63, ~0ull}) values.push_back(v);
  if (field.limit > 0)
    for (const std::uint64_t v : {field.limit - 1, field.limit, field.limit + 1}) values.push_back(v);
  return values;
}

TEST(FrameDamage, no_length_is_believed_before_its_bytes_come) {
  for (const LengthField& field : kLengths) {
    for (const std::uint64_t length : lengths_for(field)) {
      ByteVector bytes = bytes_of(testing::examples()[field.id]);
      std::memcpy(bytes.data() + field.at, &length, field.width);
      std::string got;
      const std::size_t took = peak_of([&] {
        FrameParser parser(field.phase);
        got = refusal<ProtocolError>([&] { testing::feed(parser, bytes, SIZE_MAX, [](Frame&&) {}); });
      });
      const std::string what = name_of(field.id) + ", byte " + std::to_string(field.at) + ": " + std::to_string(length);
      EXPECT_LT(took, kOwn + kStep + 2 * bytes.size()) << what;
      if (field.limit > 0 && length > field.limit) {
        EXPECT_THAT(got, HasSubstr(name_of(field.id) + " at byte 0: claims " + std::to_string(length) + " bytes; at most " +
                                   std::to_string(field.limit) + " are accepted"));
      } else if (got != "accepted") {  // the rest of the example is no message of that length
        EXPECT_THAT(got, HasSubstr(" at byte ")) << what;
      }
    }
  }
}

TEST(FrameDamage, a_text_of_the_most_that_is_accepted_comes_whole) {
  const std::string longest(Limits{}.header, 'x');
  Outgoing out;
  put_header(out, longest);
  FrameParser parser(Phase::header);
  std::string got;
  testing::feed(parser, bytes_of(out), 1000, [&](Frame&& f) { got = std::get<Header>(f).xml; });
  EXPECT_EQ(got, longest);
}

TEST(FrameDamage, sizes_that_overflow_are_refused) {
  Image image = testing::image_example(8);
  const std::uint16_t most[] = {0xffff, 0xffff, 0xffff};
  std::memcpy(image.head.matrix_size, most, sizeof most);
  image.head.channels = 0xffff;
  ByteVector bytes = bytes_of(Frame(testing::image_example(8)));
  std::memcpy(bytes.data() + 2, &image.head, sizeof image.head);
  FrameParser parser(Phase::answers);
  EXPECT_THAT(refusal<ProtocolError>([&] { testing::feed(parser, bytes, SIZE_MAX, [](Frame&&) {}); }),
              HasSubstr("claims 65535 x 65535 x 65535 x 65535 pixels of 16 bytes; at most 1073741824 bytes are accepted"));
  // 2^32 x 2^32 x 4 values of 2 bytes: 2^67, which is 0 in 64 bits.
  bytes = bytes_of(Frame(testing::view_example()));
  const std::uint64_t n = 80, extents[] = {std::uint64_t{1} << 32, std::uint64_t{1} << 32, 4};
  std::memcpy(bytes.data() + 2, &n, 8);
  std::memcpy(bytes.data() + 70, extents, sizeof extents);
  FrameParser server(Phase::stream);
  EXPECT_THAT(refusal<ProtocolError>([&] { testing::feed(server, bytes, SIZE_MAX, [](Frame&&) {}); }),
              HasSubstr("claims 80 bytes for 4294967296 x 4294967296 x 4 values"));
}

TEST(FrameDamage, a_scan_cut_at_any_byte_says_in_the_middle_of_what) {
  const auto stream = testing::scan_stream();
  std::set<std::size_t> begins(stream.begins.begin(), stream.begins.end());
  for (std::size_t n = 0; n < stream.bytes.size(); ++n) {
    FrameParser parser(Phase::config);
    testing::parse_scan(parser, std::span(stream.bytes).first(n), SIZE_MAX, stream.scan);
    const std::string got = refusal<ProtocolError>([&] { parser.end(); });
    ASSERT_EQ(parser.between_messages(), begins.contains(n)) << n;
    if (begins.contains(n)) ASSERT_EQ(got, "accepted") << n;
    else ASSERT_EQ(got.find("the stream ends at byte " + std::to_string(n) + " in the middle of "), 0u) << n << ": " << got;
  }
}

TEST(FrameDamage, ten_thousand_flipped_bits_give_messages_or_a_named_error) {
  const auto stream = testing::scan_stream();
  std::mt19937_64 random(5);
  std::size_t refused = 0;
  for (int k = 0; k < 10'000; ++k) {
    ByteVector bytes = stream.bytes;
    const std::size_t bit = random() % (bytes.size() * 8);
    bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    std::string got;
    const std::size_t took = peak_of([&] {
      FrameParser parser(Phase::config);
      got = refusal<ProtocolError>([&] {
        testing::parse_scan(parser, bytes, SIZE_MAX, stream.scan);
        parser.end();
      });
    });
    ASSERT_LT(took, kOwn + kStep + 4 * bytes.size()) << "bit " << bit;
    if (got == "accepted") continue;
    ++refused;
    ASSERT_THAT(got, HasSubstr(" at byte ")) << "bit " << bit;
  }
  EXPECT_GT(refused, 1'000u);   // whatever a CRC covers, ids, lengths
  EXPECT_LT(refused, 10'000u);  // what ISMRMRD's messages carry unguarded
}

}  // namespace
}  // namespace counterflow::wire
