// What tests of the wire share: messages as bytes, bytes as messages, one example of each message, a scan.
#pragma once
#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "core/archive/scan_header_xml.h"
#include "core/archive/test_scan.h"
#include "core/server/frame_head.h"
#include "core/server/view_codec.h"

namespace counterflow::wire::testing {

using ByteVector = std::vector<std::byte>;

inline ByteVector bytes_of(const Outgoing& out) {
  ByteVector bytes;
  for (const auto piece : out.pieces(out.size())) bytes.insert(bytes.end(), piece.begin(), piece.end());
  return bytes;
}

// A frame written again.
struct Put {
  Outgoing& out;
  void operator()(const ConfigFile& m) { put_config_file(out, m.name); }
  void operator()(const ConfigScript& m) { put_config_script(out, m.xml); }
  void operator()(const Header& m) { put_header(out, m.xml); }
  void operator()(const Close&) { put_close(out); }
  void operator()(const Text& m) { put_text(out, m.text); }
  void operator()(const Query& m) { put_query(out, m.correlation, m.question); }
  void operator()(const Response& m) { put_response(out, m.correlation, m.answer); }
  // Written here as they came: compressed data are only ever read.
  void operator()(const Acquisition& m) {
    const Id id = Id::acquisition;
    out.put(std::as_bytes(std::span(&id, 1)));
    out.put(std::as_bytes(std::span(&m.head, 1)));
    const auto size = static_cast<std::uint32_t>(m.data.size());
    if (m.compressed) out.put(std::as_bytes(std::span(&size, 1)));
    out.put(m.data.bytes());
  }
  void operator()(const Image& m) { put_image(out, m.head, m.meta, m.pixels.bytes(), nullptr); }
  void operator()(const Waveform& m) { put_waveform(out, std::shared_ptr<const Waveform>(std::shared_ptr<void>(), &m)); }
  void operator()(const Wish& m) { put_wish(out, m.words); }
  void operator()(const CompactView& m) { put_view(out, m, m.values.bytes(), nullptr); }
  void operator()(const Receipt& m) { put_receipt(out, m); }
  void operator()(const Ending& m) { put_ending(out, m); }
};
inline ByteVector bytes_of(const Frame& frame) {
  Outgoing out;
  std::visit(Put{out}, frame);
  return bytes_of(out);
}

inline Payload payload_of(std::size_t size) {
  Payload payload(size);
  for (std::size_t i = 0; i < size; ++i) payload.bytes()[i] = static_cast<std::byte>(i * 37 + 11);
  return payload;
}

inline Acquisition acquisition_example(std::uint16_t samples = 7, std::uint16_t channels = 15) {
  Acquisition m{};
  m.head.version = 1;
  m.head.number_of_samples = samples;
  m.head.active_channels = channels;
  m.data = payload_of(std::size_t{samples} * channels * 8);
  return m;
}

inline Image image_example(std::uint16_t data_type = 5) {
  Image m{};
  m.head.data_type = data_type;
  const std::uint16_t sizes[] = {5, 4, 3};
  std::memcpy(m.head.matrix_size, sizes, sizeof sizes);
  m.head.channels = 2;
  m.meta = "<ismrmrdMeta/>";
  constexpr std::size_t kSizes[] = {0, 2, 2, 4, 4, 4, 8, 8, 16};
  m.pixels = payload_of(5 * 4 * 3 * 2 * kSizes[data_type]);
  return m;
}

inline Waveform waveform_example() {
  Waveform m;
  std::memset(&m.head, 0, sizeof m.head);
  m.head.number_of_samples = 9;
  m.head.channels = 2;
  m.data = payload_of(9 * 2 * 4);
  return m;
}

inline CompactView view_example(Encoding encoding = Encoding::u16) {
  CompactView m;
  m.view = {.index = 3, .angle = 0.1, .exposure = 0.75, .table_position = -12.5, .time = 0.003, .rotation = 1, .air = true};
  m.encoding = encoding;
  m.bins = 3;
  m.rows = 5;
  m.columns = 7;
  m.values = payload_of(3 * 5 * 7 * (encoding == Encoding::u16 ? 2u : 4u));
  return m;
}

// One of each.
inline std::map<Id, Frame> examples() {
  std::map<Id, Frame> all;
  all[Id::config_file] = ConfigFile{"material_images.xml"};
  all[Id::config_script] = ConfigScript{"<configuration/>"};
  all[Id::header] = Header{"<ismrmrdHeader/>"};
  all[Id::close] = Close{};
  all[Id::text] = Text{"Guten Tag, \xC3\xA4 \n"};
  all[Id::query] = Query{17, "gadgetron::info"};
  all[Id::response] = Response{17, "counterflow"};
  all[Id::acquisition] = acquisition_example();
  all[Id::image] = image_example();
  all[Id::waveform] = waveform_example();
  all[Id::wish] = Wish{"views receipts"};
  all[Id::view] = view_example();
  all[Id::receipt] = Receipt{1000, 900};
  all[Id::ending] = Ending{false, "the tube is cold"};
  return all;
}

// Gives the parser all bytes, at most `step` at a time, in the spaces it asks for.
inline void feed(FrameParser& parser, std::span<const std::byte> bytes, std::size_t step,
                 const std::function<void(Frame&&)>& take) {
  const auto drain = [&] {
    while (auto frame = parser.next()) take(std::move(*frame));
  };
  drain();
  while (!bytes.empty()) {
    std::size_t put = 0;
    for (const auto space : parser.space()) {
      const std::size_t n = std::min({space.size(), bytes.size(), step - put});
      std::copy_n(bytes.begin(), n, space.begin());
      bytes = bytes.subspan(n);
      put += n;
      if (n < space.size()) break;
    }
    parser.commit(put);
    drain();
  }
}

// A server's parser: config, header, stream.
inline std::vector<Frame> parse_scan(FrameParser& parser, std::span<const std::byte> bytes, std::size_t step,
                                     const ScanHeader& scan) {
  std::vector<Frame> frames;
  feed(parser, bytes, step, [&](Frame&& frame) {
    if (std::holds_alternative<ConfigFile>(frame) || std::holds_alternative<ConfigScript>(frame)) parser.enter(Phase::header);
    if (std::holds_alternative<Header>(frame)) {
      parser.enter(Phase::stream);
      parser.expect(scan);
    }
    frames.push_back(std::move(frame));
  });
  return frames;
}

// As NHLBI's encoder does: integers of `bits` bits, lowest first.
inline ByteVector nhlbi_blob(const std::vector<std::int64_t>& integers, float scale, std::uint8_t bits) {
  const std::uint64_t n = integers.size();
  ByteVector blob(13 + (n * bits + 7) / 8);
  std::memcpy(blob.data(), &n, 8);
  std::memcpy(blob.data() + 8, &scale, 4);
  std::memcpy(blob.data() + 12, &bits, 1);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t b = 0; b < bits; ++b)
      if ((integers[i] >> b & 1) != 0) blob[13 + (i * bits + b) / 8] |= static_cast<std::byte>(1 << (i * bits + b) % 8);
  return blob;
}

// A view of whole counts, compressed with scale 1.
inline Acquisition compressed(const Sent<Counts<float>>& view, const ScanHeader& scan, std::uint8_t bits) {
  Outgoing out;
  put_acquisition(out, Message<float>(view), scan, 0);
  FrameParser parser(Phase::stream);
  Acquisition acquisition{};
  feed(parser, bytes_of(out), SIZE_MAX, [&](Frame&& f) { acquisition = std::get<Acquisition>(std::move(f)); });
  const auto* floats = reinterpret_cast<const float*>(acquisition.data.bytes().data());
  const auto blob = nhlbi_blob({floats, floats + 2 * view->counts.size()}, 1, bits);
  acquisition.compressed = true;
  acquisition.head.flags = acquisition.head.flags | kNhlbiCompressed;
  acquisition.data = Payload(blob.size());
  std::copy(blob.begin(), blob.end(), acquisition.data.bytes().begin());
  return acquisition;
}

// A whole scan with everything that may be in it: both encodings of views, a waveform, a text, a query, a wish.
struct ScanStream {
  ScanHeader scan = counterflow::testing::small_header();
  std::vector<Counts<float>> views = counterflow::testing::small_views(scan);
  ByteVector bytes;
  std::vector<std::size_t> begins;  // of messages in it
};
inline ScanStream scan_stream(const std::string& chain = "material_images.xml", const std::string& detector = "CdTe 1.6") {
  ScanStream s;
  s.scan.system.detector = detector;
  Outgoing out;
  const auto mark = [&] { s.begins.push_back(out.size()); };
  mark(), put_query(out, 1, "counterflow::info");
  mark(), put_config_file(out, chain);
  mark(), put_wish(out, "receipts");
  mark(), put_header(out, header_to_xml(s.scan));
  for (std::size_t v = 0; v < s.views.size(); ++v) {
    const auto view = std::make_shared<const Counts<float>>(s.views[v]);
    mark();
    if (v % 2 == 0) put_acquisition(out, Message<float>(view), s.scan, v);
    else put_view(out, view, v == 3);
    if (v == 2) mark(), put_text(out, "half way");
    if (v == 3) mark(), put_waveform(out, std::make_shared<const Waveform>(waveform_example()));
  }
  mark(), put_close(out);
  s.bytes = bytes_of(out);
  return s;
}

}  // namespace counterflow::wire::testing
