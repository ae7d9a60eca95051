// Views on the wire and back, in both encodings: bit for bit, in order, and what is wrong is named.
#include "core/server/view_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/server/crc32c.h"
#include "core/server/nhlbi.h"
#include "core/server/test_frames.h"

namespace counterflow::wire {
namespace {

using counterflow::testing::refusal;
using counterflow::testing::small_header;
using counterflow::testing::small_views;
using testing::bytes_of;
using ::testing::HasSubstr;

Frame parsed(const Outgoing& out, Phase phase = Phase::stream) {
  FrameParser parser(phase);
  std::optional<Frame> got;
  testing::feed(parser, bytes_of(out), SIZE_MAX, [&](Frame&& f) { got = std::move(f); });
  parser.end();
  return std::move(*got);
}

template <class T>
Sent<T> sent(T x) {
  return std::make_shared<const T>(std::move(x));
}

TEST(Crc32c, of_the_nine_digits_is_the_one_in_the_books) {
  const std::string digits = "123456789";
  EXPECT_EQ(crc32c(std::as_bytes(std::span(digits))), 0xE3069283u);
  EXPECT_EQ(crc32c({}), 0u);
  const std::string a = "1234", b = "56789";
  EXPECT_EQ(crc32c(std::as_bytes(std::span(b)), crc32c(std::as_bytes(std::span(a)))), 0xE3069283u);
}

TEST(ViewCodec, views_come_back_bit_for_bit_in_every_encoding) {
  const ScanHeader scan = small_header();
  const int largest[] = {65535, (1 << 24) - 1};
  for (const int encoding : {1, 2, 3}) {
    ViewDecoder decoder(scan, "here");
    for (const auto& view : small_views(scan, 2, encoding == 1 ? largest[0] : largest[1])) {
      Outgoing out;
      put_view(out, sent(view), encoding == 3);
      const auto compact = std::get<CompactView>(parsed(out));
      EXPECT_EQ(static_cast<int>(compact.encoding), encoding);
      const auto got = std::get<Sent<Counts<float>>>(decoder.decode<float>(compact));
      EXPECT_EQ(got->view, view.view);
      EXPECT_EQ(got->counts, view.counts);
    }
    decoder.finish();
  }
}

TEST(ViewCodec, counts_that_are_no_whole_numbers_go_as_floats) {
  const ScanHeader scan = small_header();
  const float inf = std::numeric_limits<float>::infinity();
  for (const float value : {0.5f, 65535.5f, 8388607.5f, 4294967296.0f, -1.0f, -0.0f, inf, -inf, std::nanf("")}) {
    Counts<float> view = small_views(scan)[2];
    view.counts[17] = value;
    Outgoing out;
    put_view(out, sent(view));
    const auto compact = std::get<CompactView>(parsed(out));
    EXPECT_EQ(compact.encoding, Encoding::f32) << value;
    EXPECT_EQ(std::memcmp(compact.values.bytes().data(), view.counts.data(), compact.values.size()), 0) << value;
  }
  for (const float value : {65536.0f, 16777216.0f, 4294967040.0f}) {
    Counts<float> view = small_views(scan, 0, 100)[0];
    view.counts[17] = value;
    Outgoing out;
    put_view(out, sent(view));
    const auto compact = std::get<CompactView>(parsed(out));
    EXPECT_EQ(compact.encoding, Encoding::u32);
    ViewDecoder decoder(scan, "here");
    EXPECT_EQ(std::get<Sent<Counts<float>>>(decoder.decode<float>(compact))->counts, view.counts);
  }
}

TEST(ViewCodec, floats_go_without_a_copy) {
  const ScanHeader scan = small_header();
  const auto view = sent(small_views(scan)[0]);
  Outgoing out;
  put_view(out, view, true);
  const auto pieces = out.pieces(10);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(static_cast<const void*>(pieces[1].data()), view->counts.data());
}

TEST(ViewCodec, acquisitions_and_compact_views_of_one_scan_may_alternate) {
  const auto stream = testing::scan_stream();
  FrameParser parser(Phase::config);
  ViewDecoder decoder(stream.scan, "here");
  std::size_t n = 0;
  for (const Frame& frame : testing::parse_scan(parser, stream.bytes, SIZE_MAX, stream.scan)) {
    Message<double> message;
    if (const auto* a = std::get_if<Acquisition>(&frame)) message = decoder.decode<double>(*a);
    else if (const auto* v = std::get_if<CompactView>(&frame)) message = decoder.decode<double>(*v);
    else continue;
    const auto& got = *std::get<Sent<Counts<double>>>(message);
    ASSERT_LT(n, stream.views.size());
    EXPECT_TRUE(std::equal(got.counts.begin(), got.counts.end(), stream.views[n].counts.begin(),
                           [](double a, float b) { return a == static_cast<double>(b); }));
    EXPECT_EQ(got.view.index, stream.views[n++].view.index);
  }
  EXPECT_EQ(n, stream.views.size());
  decoder.finish();
}

TEST(ViewCodec, line_integrals_come_back_with_the_names_of_their_bins) {
  const ScanHeader scan = small_header(Quantity::line_integrals);
  PathLengths<float> view;
  view.view = small_views(scan, 0)[0].view;
  view.view.exposure = 1;
  view.areal_density = Array<float, 3>({scan.bins(), scan.geometry.rows, scan.geometry.columns}, -0.25f);
  Outgoing out;
  put_view(out, sent(view));
  ViewDecoder decoder(scan, "here");
  const auto got = std::get<Sent<PathLengths<float>>>(decoder.decode<float>(std::get<CompactView>(parsed(out))));
  EXPECT_EQ(got->areal_density, view.areal_density);
  EXPECT_EQ(got->channels->names[2], "bin 2");
}

// What is wrong with the k-th view, when its copy is changed by `change`.
template <class Change>
std::string refusal_of(std::size_t k, Change&& change) {
  const ScanHeader scan = small_header();
  auto views = small_views(scan);
  change(views);
  ViewDecoder decoder(scan, "here");
  return refusal<ArchiveError>([&] {
    for (std::size_t v = 0; v <= k; ++v) {
      Outgoing out;
      put_view(out, sent(views[v]));
      decoder.decode<float>(std::get<CompactView>(parsed(out)));
    }
  });
}

TEST(ViewCodec, views_out_of_order_are_refused) {
  using Views = std::vector<Counts<float>>;
  EXPECT_EQ(refusal_of(5, [](Views&) {}), "accepted");
  EXPECT_THAT(refusal_of(3, [](Views& v) { v.erase(v.begin() + 2); }), HasSubstr("here: view 0: expected the index 0, got 1"));
  EXPECT_THAT(refusal_of(3, [](Views& v) { v[3] = v[2]; }), HasSubstr("view 1: expected the index 1, got 0"));
  EXPECT_THAT(refusal_of(2, [](Views& v) { std::swap(v[1], v[2]); }), HasSubstr("an air view after object views"));
  EXPECT_THAT(refusal_of(6, [](Views& v) { v.push_back(v[5]); }), HasSubstr("more object views than the header's 4"));
  EXPECT_THAT(refusal_of(0, [](Views& v) { v[0].view.exposure = 0; }),
              HasSubstr("air view 0: expected a positive exposure, got 0"));
  EXPECT_THAT(refusal_of(2, [](Views& v) { v[2].view.angle = std::nan(""); }), HasSubstr("view 0: expected a finite angle"));
  EXPECT_THAT(refusal_of(2, [](Views& v) { v[2].view.time = INFINITY; }), HasSubstr("view 0: expected a finite angle"));
}

TEST(ViewCodec, values_that_are_no_counts_are_named_with_their_place) {
  const float inf = std::numeric_limits<float>::infinity();
  for (const float value : {-1.0f, inf, -inf, std::nanf("")}) {
    const std::string got = refusal_of(2, [&](auto& v) { v[2].counts(1, 4, 6) = value; });
    EXPECT_THAT(got, HasSubstr("here, view 0: bin 1, row 4, column 6: expected a ")) << value;
  }
  EXPECT_EQ(refusal_of(2, [&](auto& v) { v[2].counts(1, 4, 6) = -0.0f; }), "accepted");
}

TEST(ViewCodec, a_view_of_another_shape_is_refused_where_the_parser_expected_none) {
  ViewDecoder decoder(small_header(), "here");
  CompactView view = testing::view_example();
  view.view.index = 0;
  view.rows = 4;
  EXPECT_THAT(
      refusal<ArchiveError>([&] { decoder.decode<float>(view); }),
      HasSubstr("here, air view 0: expected 3 x 5 x 7 values (energy_bins x detector_rows x detector_columns), got 3 x 4 x 7"));
}

TEST(ViewCodec, previews_go_into_a_series_of_their_own) {
  counterflow::Image<float> image;
  image.value = Array<float, 4>({2, 1, 3, 4}, 1.5f);
  image.grid = {.nx = 4, .ny = 3, .nz = 2};
  image.channels = std::make_shared<Channels>(Channels{"density", "g/cm^3", {"water", "iodine"}});
  for (const bool preview : {false, true}) {
    image.view.preview = preview;
    Outgoing out;
    put_image(out, image, {"abc", "def"}, "here");
    const Image got = std::get<Image>(parsed(out, Phase::answers));
    EXPECT_EQ(got.head.image_series_index, preview ? 65535 : 0);
    EXPECT_EQ(got.pixels.size(), 24 * sizeof(float));
    EXPECT_THAT(got.meta, HasSubstr("iodine"));
  }
}

TEST(Nhlbi, integers_of_every_width_come_back) {
  std::mt19937_64 random(3);
  for (std::uint8_t bits = 1; bits <= 32; ++bits) {
    const std::int64_t half = std::int64_t{1} << (bits - 1);
    std::vector<std::int64_t> integers = {-half, half - 1, 0, -1};
    for (int k = 0; k < 97; ++k)
      integers.push_back(static_cast<std::int64_t>(random() % (2 * static_cast<std::uint64_t>(half))) - half);
    const auto floats = nhlbi_floats(testing::nhlbi_blob(integers, 4.0f, bits), integers.size());
    for (std::size_t i = 0; i < integers.size(); ++i)
      ASSERT_EQ(floats[i], static_cast<float>(integers[i]) / 4.0f) << int{bits} << " bits, value " << i;
  }
}

TEST(Nhlbi, damaged_blobs_are_refused) {
  const auto blob = testing::nhlbi_blob({1, 2, 3}, 1, 5);
  const auto with = [&](auto change, std::size_t count = 3) {
    auto b = blob;
    change(b);
    return refusal<DataError>([&] { nhlbi_floats(b, count); });
  };
  EXPECT_EQ(with([](auto&) {}), "accepted");
  EXPECT_THAT(with([](auto&) {}, 4), HasSubstr("expected 4 compressed floats, got 3"));
  EXPECT_THAT(with([](auto& b) { b.resize(12); }), HasSubstr("a head of 13 bytes, got 12 bytes"));
  EXPECT_THAT(with([](auto& b) { b.pop_back(); }), HasSubstr("expected 2 bytes of compressed floats, got 1"));
  EXPECT_THAT(with([](auto& b) { b.push_back({}); }), HasSubstr("expected 2 bytes of compressed floats, got 3"));
  EXPECT_THAT(with([](auto& b) { b[12] = std::byte{0}; }), HasSubstr("expected compressed floats of 1 to 32 bits, got 0"));
  EXPECT_THAT(with([](auto& b) { b[12] = std::byte{33}; }), HasSubstr("got 33"));
  EXPECT_THAT(with([](auto& b) { std::memset(&b[8], 0, 4); }), HasSubstr("expected a positive scale"));
  EXPECT_THAT(with([](auto& b) { std::memset(&b[8], 0xff, 4); }), HasSubstr("expected a positive scale"));
}

TEST(Nhlbi, a_compressed_acquisition_is_a_view) {
  const ScanHeader scan = small_header();
  const Counts<float> view = small_views(scan, 0, 1000)[0];
  Acquisition acquisition = testing::compressed(sent(view), scan, 11);
  Outgoing out;
  testing::Put{out}(acquisition);
  FrameParser parser(Phase::stream);
  parser.expect(scan);
  ViewDecoder decoder(scan, "here");
  testing::feed(parser, bytes_of(out), 100, [&](Frame&& f) {
    const auto got = std::get<Sent<Counts<float>>>(decoder.decode<float>(std::get<Acquisition>(f)));
    EXPECT_EQ(got->counts, view.counts);
  });
  EXPECT_EQ(decoder.sequence().object_views(), 1u);
  acquisition.data.bytes()[12] = std::byte{40};
  ViewDecoder again(scan, "here");
  EXPECT_THAT(refusal<ArchiveError>([&] { again.decode<float>(acquisition); }),
              HasSubstr("here, view 0: expected compressed floats of 1 to 32 bits, got 40"));
}

TEST(Outgoing, pieces_stay_while_more_is_put_and_are_dropped_by_bytes) {
  Outgoing out;
  std::string expected;
  const auto put = [&](const std::string& text) {
    out.put(std::as_bytes(std::span(text)));
    expected += text;
  };
  put("abc");
  const auto before = out.pieces(1)[0];
  const std::string large(1000, 'x');
  out.put(std::as_bytes(std::span(large)), std::make_shared<int>(0));
  expected += large;
  for (int k = 0; k < 100; ++k) put("small part " + std::to_string(k));
  EXPECT_EQ(std::memcmp(before.data(), "abc", 3), 0);
  Outgoing other;
  other.put(std::as_bytes(std::span(large)));
  other.drop(990);
  expected += std::string(10, 'x');
  out.append(std::move(other));
  std::string got;
  while (!out.empty()) {
    EXPECT_EQ(out.size(), expected.size() - got.size());
    const auto piece = out.pieces(3)[0];
    const std::size_t n = std::min<std::size_t>(piece.size(), 7);
    got.append(reinterpret_cast<const char*>(piece.data()), n);
    out.drop(n);
  }
  EXPECT_EQ(got, expected);
}

TEST(FrameWriter, what_others_would_refuse_is_not_written) {
  Outgoing out;
  EXPECT_THAT(refusal<ConfigError>([&] { put_config_file(out, std::string(1024, 'x')); }), HasSubstr("at most 1023 bytes"));
  EXPECT_THAT(refusal<ConfigError>([&] { put_config_file(out, std::string("a\0b", 3)); }), HasSubstr("no NUL"));
  EXPECT_TRUE(out.empty());
  put_text(out, std::string(Limits{}.text - 1, 'x') + "\xC3\xA4");
  EXPECT_EQ(std::get<Text>(parsed(out)).text, std::string(Limits{}.text - 1, 'x'));  // cut between characters
}

}  // namespace
}  // namespace counterflow::wire
