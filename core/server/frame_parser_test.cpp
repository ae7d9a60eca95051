// Messages come out as they went in, however the bytes are cut; ids are legal in their phases only; errors say where.
#include "core/server/frame_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "core/server/test_frames.h"

namespace counterflow::wire {
namespace {

using counterflow::testing::refusal;
using testing::bytes_of;
using testing::ByteVector;
using ::testing::HasSubstr;

#if defined(__SANITIZE_ADDRESS__)
constexpr unsigned kStride = 31;  // among ids of nothing; a parser takes longer to make there
#else
constexpr unsigned kStride = 1;
#endif

const std::map<Phase, std::set<Id>> kLegal = {
    {Phase::config, {Id::config_file, Id::config_script, Id::close, Id::text, Id::query, Id::wish}},
    {Phase::header, {Id::header, Id::close, Id::text, Id::query, Id::wish}},
    {Phase::stream, {Id::acquisition, Id::view, Id::waveform, Id::close, Id::text, Id::query, Id::wish}},
    {Phase::answers,
     {Id::header, Id::image, Id::acquisition, Id::view, Id::waveform, Id::close, Id::text, Id::response, Id::receipt,
      Id::ending}}};

Phase phase_of(Id id) {
  for (const auto& [phase, ids] : kLegal)
    if (ids.contains(id)) return phase;
  return Phase::config;
}

std::vector<Frame> parse(Phase phase, std::span<const std::byte> bytes, std::size_t step = SIZE_MAX) {
  FrameParser parser(phase);
  std::vector<Frame> frames;
  testing::feed(parser, bytes, step, [&](Frame&& frame) { frames.push_back(std::move(frame)); });
  parser.end();
  return frames;
}

std::string parse_refusal(Phase phase, const ByteVector& bytes) {
  return refusal<ProtocolError>([&] { parse(phase, bytes); });
}

ByteVector joined(const ByteVector& a, const ByteVector& b) {
  ByteVector both = a;
  both.insert(both.end(), b.begin(), b.end());
  return both;
}

template <class T>
void set(ByteVector& bytes, std::size_t at, T value) {
  ASSERT_LE(at + sizeof value, bytes.size());
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

TEST(FrameParser, every_message_comes_out_as_it_went_in) {
  for (const auto& [id, frame] : testing::examples()) {
    const ByteVector bytes = bytes_of(frame);
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, SIZE_MAX}) {
      const auto frames = parse(phase_of(id), bytes, step);
      ASSERT_EQ(frames.size(), 1u) << name_of(id);
      EXPECT_EQ(frames[0].index(), frame.index()) << name_of(id);
      EXPECT_EQ(bytes_of(frames[0]), bytes) << name_of(id) << " in steps of " << step;
    }
  }
}

TEST(FrameParser, what_is_in_a_message_is_what_was_put_there) {
  const auto query = std::get<Query>(parse(Phase::config, bytes_of(testing::examples()[Id::query]))[0]);
  EXPECT_EQ(query.correlation, 17u);
  EXPECT_EQ(query.question, "gadgetron::info");
  const auto view = std::move(std::get<CompactView>(parse(Phase::stream, bytes_of(Frame(testing::view_example())))[0]));
  EXPECT_EQ(view.view, testing::view_example().view);
  EXPECT_EQ(view.columns, 7u);
  const auto ending = std::get<Ending>(parse(Phase::answers, bytes_of(Frame(Ending{true, ""})))[0]);
  EXPECT_TRUE(ending.complete);
}

TEST(FrameParser, images_of_every_pixel_type_are_read) {
  for (std::uint16_t type = 1; type <= 8; ++type) {
    const Frame image = testing::image_example(type);
    EXPECT_EQ(bytes_of(parse(Phase::answers, bytes_of(image))[0]), bytes_of(image)) << type;
  }
  ByteVector bytes = bytes_of(Frame(testing::image_example()));
  for (const std::uint16_t type : std::initializer_list<std::uint16_t>{0, 9, 65535}) {
    set(bytes, 4, type);
    EXPECT_THAT(parse_refusal(Phase::answers, bytes), HasSubstr("expected a pixel type (data_type) from 1 to 8, got")) << type;
  }
}

TEST(FrameParser, the_nul_at_the_end_of_an_images_meta_is_optional) {
  Image image = testing::image_example();
  for (const std::string meta : {"", "<m/>"}) {
    for (const bool nul : {false, true}) {
      image.meta = meta + (nul ? std::string(1, '\0') : "");
      Outgoing out;
      testing::Put{out}(image);
      EXPECT_EQ(std::get<Image>(parse(Phase::answers, bytes_of(out))[0]).meta, meta);
    }
  }
}

TEST(FrameWriter, the_gaps_of_a_waveforms_header_are_sent_as_zeros) {
  Waveform waveform = testing::waveform_example();
  std::memset(&waveform.head, 0xff, sizeof waveform.head);
  waveform.head.number_of_samples = 9;
  waveform.head.channels = 2;
  const ByteVector bytes = bytes_of(Frame(std::move(waveform)));
  for (const std::size_t at : {4, 9, 40, 41}) EXPECT_EQ(bytes[at], std::byte{0}) << at;
  for (const std::size_t at : {2, 3, 10, 30, 38, 39}) EXPECT_NE(bytes[at], std::byte{0}) << at;
}

TEST(FrameParser, a_stream_cut_in_two_anywhere_gives_the_same_messages) {
  const auto stream = testing::scan_stream();
  const auto parse_in_two = [&](std::size_t cut) {
    FrameParser parser(Phase::config);
    auto frames = testing::parse_scan(parser, std::span(stream.bytes).first(cut), SIZE_MAX, stream.scan);
    for (Frame& f : testing::parse_scan(parser, std::span(stream.bytes).subspan(cut), SIZE_MAX, stream.scan))
      frames.push_back(std::move(f));
    parser.end();
    ByteVector again;
    for (const Frame& f : frames) again = joined(again, bytes_of(f));
    return again;
  };
  for (std::size_t cut = 0; cut <= stream.bytes.size(); ++cut) ASSERT_EQ(parse_in_two(cut), stream.bytes) << cut;
}

TEST(FrameParser, payloads_larger_than_the_buffer_come_whole_in_any_steps) {
  CompactView view = testing::view_example(Encoding::f32);
  view.bins = 5;
  view.rows = 311;
  view.columns = 701;
  view.values = testing::payload_of(5 * 311 * 701 * 4);
  Outgoing out;
  for (int k = 0; k < 3; ++k) {
    put_view(out, view, view.values.bytes(), nullptr);
    testing::Put{out}(testing::acquisition_example());
  }
  const ByteVector bytes = bytes_of(out);
  for (const std::size_t step : {std::size_t{1021}, std::size_t{65536}, std::size_t{1000003}, SIZE_MAX}) {
    ByteVector again;
    for (const Frame& f : parse(Phase::stream, bytes, step)) again = joined(again, bytes_of(f));
    EXPECT_TRUE(again == bytes) << step;
  }
}

TEST(FrameParser, small_messages_pass_the_end_of_the_buffer) {
  Outgoing out;
  for (std::size_t k = 0; k < 20'000; ++k) put_query(out, k, std::string(k % 37, 'x'));
  const ByteVector bytes = bytes_of(out);
  ASSERT_GT(bytes.size(), std::size_t{3} << 18);  // three buffers
  for (const std::size_t step : {std::size_t{1021}, std::size_t{100003}, SIZE_MAX}) {
    Outgoing again;
    for (const Frame& f : parse(Phase::stream, bytes, step)) std::visit(testing::Put{again}, f);
    EXPECT_TRUE(bytes_of(again) == bytes) << step;
  }
}

TEST(FrameParser, every_id_is_read_in_its_phases_and_refused_by_name_elsewhere) {
  for (const auto& [phase, legal] : kLegal) {
    for (unsigned number = 0; number <= 0xffff; number += number < 2100 ? 1 : kStride) {
      const Id id{static_cast<std::uint16_t>(number)};
      FrameParser parser(phase);
      std::memcpy(parser.space()[0].data(), &id, 2);
      parser.commit(2);
      const std::string got = refusal<ProtocolError>([&] { parser.next(); });
      if (legal.contains(id)) ASSERT_EQ(got, "accepted") << number;
      else ASSERT_EQ(got.find(name_of(id) + " in the "), 0u) << got;
    }
  }
}

TEST(FrameParser, every_pair_of_messages_is_read_or_the_illegal_one_is_named_with_its_place) {
  auto all = testing::examples();
  std::map<Id, ByteVector> bytes;
  for (const auto& [id, frame] : all) bytes[id] = bytes_of(frame);
  for (const std::uint16_t unknown : std::initializer_list<std::uint16_t>{0, 8, 1018, 2004, 65535}) {
    ByteVector message(64);
    std::memcpy(message.data(), &unknown, 2);
    bytes[Id{unknown}] = message;
  }
  for (const auto& [phase, legal] : kLegal)
    for (const auto& [first, a] : bytes)
      for (const auto& [second, b] : bytes) {
        const std::string got = parse_refusal(phase, joined(a, b));
        const bool good_first = legal.contains(first), good_second = legal.contains(second);
        if (good_first && good_second) {
          EXPECT_EQ(got, "accepted") << name_of(first) << ", " << name_of(second);
          continue;
        }
        EXPECT_THAT(got, HasSubstr(name_of(good_first ? second : first) + " in the "));
        EXPECT_THAT(got, HasSubstr(" phase at byte " + std::to_string(good_first ? a.size() : 0) + "; expected "));
      }
}

TEST(FrameParser, errors_name_the_place_where_the_message_begins) {
  const auto stream = testing::scan_stream();
  for (std::size_t k = 0; k < stream.begins.size(); ++k) {
    ByteVector bytes = stream.bytes;
    set(bytes, stream.begins[k], std::uint16_t{999});
    FrameParser parser(Phase::config);
    const std::string got = refusal<ProtocolError>([&] { testing::parse_scan(parser, bytes, 64, stream.scan); });
    EXPECT_THAT(got, HasSubstr("unknown message id 999"));
    EXPECT_THAT(got, HasSubstr(" at byte " + std::to_string(stream.begins[k]) + ";"));
    EXPECT_EQ(parser.position(), stream.begins[k]);
  }
}

TEST(FrameParser, acquisitions_and_views_of_another_shape_are_refused_before_their_values_come) {
  const ScanHeader scan = counterflow::testing::small_header();  // 3 bins, 5 rows, 7 columns
  const auto head_refusal = [&](const ByteVector& bytes, std::size_t head) {
    FrameParser parser(Phase::stream);
    parser.expect(scan);
    return refusal<ProtocolError>([&] { testing::feed(parser, std::span(bytes).first(head), SIZE_MAX, [](Frame&&) {}); });
  };
  EXPECT_EQ(head_refusal(bytes_of(Frame(testing::acquisition_example(7, 15))), 342), "accepted");
  EXPECT_THAT(head_refusal(bytes_of(Frame(testing::acquisition_example(8, 15))), 342),
              HasSubstr("acquisition (id 1008) at byte 0: expected 7 samples (detector_columns), got 8"));
  EXPECT_THAT(head_refusal(bytes_of(Frame(testing::acquisition_example(7, 14))), 342),
              HasSubstr("expected 15 channels (detector_rows x energy_bins), got 14"));
  EXPECT_EQ(head_refusal(bytes_of(Frame(testing::view_example())), 94), "accepted");
  const std::pair<std::size_t, const char*> fields[] = {{70, "3 bins"}, {78, "5 rows"}, {86, "7 columns"}};
  for (const auto& [at, text] : fields) {
    ByteVector bytes = bytes_of(Frame(testing::view_example()));
    set(bytes, at, std::uint64_t{4});
    EXPECT_THAT(head_refusal(bytes, 94), HasSubstr(std::string("view (id 2001) at byte 0: expected ") + text)) << at;
  }
}

TEST(FrameParser, what_cannot_be_read_is_refused_with_the_way_out) {
  ByteVector bytes = bytes_of(Frame(testing::acquisition_example()));
  set(bytes, 4, std::uint64_t{1} << 52);
  EXPECT_THAT(parse_refusal(Phase::stream, bytes), HasSubstr("is compressed by ZFP (flag 53)"));
  EXPECT_THAT(parse_refusal(Phase::stream, bytes), HasSubstr("NHLBI's (flag 54)"));
  Acquisition acquisition = testing::acquisition_example();
  acquisition.head.trajectory_dimensions = 2;
  EXPECT_THAT(parse_refusal(Phase::stream, bytes_of(Frame(std::move(acquisition)))), HasSubstr("has 2 trajectory dimensions"));
  bytes = bytes_of(Frame(testing::view_example()));
  set(bytes, 14, std::uint32_t{4});
  EXPECT_THAT(parse_refusal(Phase::stream, bytes), HasSubstr("expected the encoding 1 (u16), 2 (u32) or 3 (f32), got 4"));
  bytes = bytes_of(Frame(testing::view_example()));
  set(bytes, 18, std::uint32_t{2});
  EXPECT_THAT(parse_refusal(Phase::stream, bytes), HasSubstr("expected the flags 0 or 1 (air), got 2"));
  bytes = bytes_of(Frame(Query{1, "x"}));
  set(bytes, 2, std::uint64_t{5});
  EXPECT_THAT(parse_refusal(Phase::config, bytes), HasSubstr("expected a zero before the correlation number, got 5"));
  bytes = bytes_of(Frame(ConfigFile{"x"}));
  std::fill(bytes.begin() + 2, bytes.end(), std::byte{'x'});
  EXPECT_THAT(parse_refusal(Phase::config, bytes), HasSubstr("expected a name with a NUL at its end in 1024 bytes"));
  bytes = bytes_of(Frame(Ending{}));
  set(bytes, 14, std::uint32_t{7});
  EXPECT_THAT(parse_refusal(Phase::answers, bytes), HasSubstr("expected 0 (an error) or 1 (complete), got 7"));
}

TEST(FrameParser, a_flipped_bit_of_our_messages_is_found) {
  for (const Id id : {Id::wish, Id::view, Id::receipt, Id::ending}) {
    const ByteVector whole = bytes_of(testing::examples()[id]);
    for (std::size_t bit = 10 * 8; bit < whole.size() * 8; ++bit) {  // behind id and length: the CRC and what it covers
      ByteVector bytes = whole;
      bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
      ASSERT_NE(parse_refusal(phase_of(id), bytes), "accepted") << name_of(id) << ", bit " << bit;
    }
  }
  ByteVector bytes = bytes_of(Frame(testing::view_example()));
  bytes.back() ^= std::byte{1};
  EXPECT_THAT(parse_refusal(Phase::stream, bytes), HasSubstr("bytes were damaged on the way"));
}

TEST(FrameParser, the_state_between_messages_is_known) {
  FrameParser parser(Phase::stream);
  EXPECT_TRUE(parser.between_messages());
  EXPECT_EQ(parser.missing(), 2u);
  const ByteVector bytes = bytes_of(Frame(Text{"hello"}));
  testing::feed(parser, std::span(bytes).first(3), SIZE_MAX, [](Frame&&) { FAIL(); });
  EXPECT_FALSE(parser.between_messages());
  EXPECT_EQ(parser.missing(), 3u);
  EXPECT_THAT(refusal<ProtocolError>([&] { parser.end(); }),
              HasSubstr("the stream ends at byte 3 in the middle of the head of text (id 5)"));
  testing::feed(parser, std::span(bytes).subspan(3, 4), SIZE_MAX, [](Frame&&) { FAIL(); });
  EXPECT_EQ(parser.missing(), 4u);
  EXPECT_THAT(refusal<ProtocolError>([&] { parser.end(); }),
              HasSubstr("in the middle of text (id 5), of which 4 bytes are missing"));
  testing::feed(parser, std::span(bytes).subspan(7), SIZE_MAX, [](Frame&&) {});
  EXPECT_TRUE(parser.between_messages());
  EXPECT_EQ(parser.position(), bytes.size());
}

}  // namespace
}  // namespace counterflow::wire
