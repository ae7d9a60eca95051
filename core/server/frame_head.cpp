#include "core/server/frame_head.h"

#include <bit>
#include <cstring>
#include <initializer_list>
#include <type_traits>

#include "core/server/crc32c.h"

namespace counterflow::wire {
namespace {

static_assert(std::endian::native == std::endian::little, "the protocol is little-endian and so is this code");
static_assert(sizeof(ISMRMRD::ISMRMRD_AcquisitionHeader) == 340);
static_assert(sizeof(ISMRMRD::ISMRMRD_ImageHeader) == 198);
static_assert(sizeof(ISMRMRD::ISMRMRD_WaveformHeader) == 40);

constexpr std::size_t kConfigName = 1024, kEnvelope = 12, kViewHead = 80, kNhlbiHead = 13;

template <class T>
T take(std::span<const std::byte>& bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes = bytes.subspan(sizeof value);
  return value;
}

// The product; empty where it is more than `most`.
std::optional<std::uint64_t> product(std::initializer_list<std::uint64_t> factors, std::uint64_t most) {
  std::uint64_t size = 1;
  for (const std::uint64_t factor : factors) {
    if (factor != 0 && size > most / factor) return {};
    size *= factor;
  }
  return size;
}

// One head on its way to a frame.
struct Reader {
  Id id;
  std::span<const std::byte> head;
  const Limits& limits;
  const std::optional<ViewShape>& expected;
  std::uint64_t at;

  [[noreturn]] void refuse(const std::string& what) const { wire::refuse(id, at, what); }
  std::uint64_t within(std::uint64_t n, std::uint64_t limit) const {
    if (n > limit) refuse("claims " + std::to_string(n) + " bytes; at most " + std::to_string(limit) + " are accepted");
    return n;
  }
  // Against the scan's header.
  void equal(std::uint64_t got, std::uint64_t header, const char* what) const {
    if (got != header) refuse("expected " + std::to_string(header) + " " + what + ", got " + std::to_string(got));
  }
  Begun text(Frame frame, std::uint64_t n, std::uint64_t limit) const {
    return {.frame = std::move(frame), .text = within(n, limit)};
  }
  Begun envelope(std::uint64_t least, std::uint64_t most);

  Begun query();
  Begun acquisition();
  Begun compressed(Acquisition message);
  Begun image();
  Begun waveform();
  Begun view();
  Begun receipt();
  Begun ending();
};

Begun Reader::query() {
  if (const auto zero = take<std::uint64_t>(head); zero != 0)
    refuse("expected a zero before the correlation number, got " + std::to_string(zero));
  const auto correlation = take<std::uint64_t>(head);
  return text(Query{correlation, {}}, take<std::uint64_t>(head), limits.text);
}

Begun Reader::acquisition() {
  Acquisition message;
  message.head = take<ISMRMRD::ISMRMRD_AcquisitionHeader>(head);
  const auto& h = message.head;
  if (const std::uint16_t dimensions = h.trajectory_dimensions; dimensions != 0)
    refuse("has " + std::to_string(dimensions) + " trajectory dimensions; a view of counts has none");
  if ((h.flags & kZfpCompressed) != 0)
    refuse("is compressed by ZFP (flag 53), which is not read here; send it without compression or with NHLBI's (flag 54)");
  if (expected) {
    equal(h.number_of_samples, expected->columns, "samples (detector_columns)");
    equal(h.active_channels, expected->rows * expected->bins, "channels (detector_rows x energy_bins)");
  }
  if ((h.flags & kNhlbiCompressed) != 0) return compressed(std::move(message));
  const std::uint64_t size = std::uint64_t{h.number_of_samples} * h.active_channels * 8;
  return {.frame = std::move(message), .payload = within(size, limits.message), .confirmed = expected.has_value()};
}

// No larger than the floats would be in 32 bits each.
Begun Reader::compressed(Acquisition message) {
  message.compressed = true;
  const std::uint64_t size = take<std::uint32_t>(head);
  const std::uint64_t values = std::uint64_t{message.head.number_of_samples} * message.head.active_channels * 8;
  within(size, limits.message);
  if (size > values + values / 64 + kNhlbiHead)  // NHLBI's encoder rounds the number of bytes to a float
    refuse("claims " + std::to_string(size) + " compressed bytes for data of " + std::to_string(values));
  return {.frame = std::move(message), .payload = size, .confirmed = expected.has_value()};
}

Begun Reader::image() {
  Image message;
  message.head = take<ISMRMRD::ISMRMRD_ImageHeader>(head);
  const auto& h = message.head;
  if (const std::uint16_t type = h.data_type; pixel_size(type) == 0)
    refuse("expected a pixel type (data_type) from 1 to 8, got " + std::to_string(type));
  const auto size = pixels_size(h, limits.message);
  if (!size) {
    const auto number = [](std::uint16_t n) { return std::to_string(n); };
    refuse("claims " + number(h.channels) + " x " + number(h.matrix_size[2]) + " x " + number(h.matrix_size[1]) + " x " +
           number(h.matrix_size[0]) + " pixels of " + std::to_string(pixel_size(h.data_type)) + " bytes; at most " +
           std::to_string(limits.message) + " bytes are accepted");
  }
  Begun begun = text(std::move(message), take<std::uint64_t>(head), limits.text);
  begun.payload = *size;
  return begun;
}

Begun Reader::waveform() {
  Waveform message;
  message.head = take<ISMRMRD::ISMRMRD_WaveformHeader>(head);
  const std::uint64_t size = std::uint64_t{message.head.number_of_samples} * message.head.channels * 4;
  return {.frame = std::move(message), .payload = within(size, limits.message)};
}

// u64 n, u32 CRC; leaves what it covers in `head`, and n in `text`.
Begun Reader::envelope(std::uint64_t least, std::uint64_t most) {
  Begun begun;
  begun.text = take<std::uint64_t>(head);
  begun.guarded = true;
  begun.crc = take<std::uint32_t>(head);
  begun.crc_of_head = crc32c(head);
  within(begun.text, most);
  if (begun.text < least) refuse("claims " + std::to_string(begun.text) + " bytes; it has at least " + std::to_string(least));
  return begun;
}

Begun Reader::view() {
  Begun begun = envelope(kViewHead, limits.message + kViewHead);
  CompactView message;
  message.encoding = static_cast<Encoding>(take<std::uint32_t>(head));
  const auto flags = take<std::uint32_t>(head);
  View& v = message.view;
  v.air = (flags & kAirFlag) != 0;
  v.index = take<std::uint64_t>(head);
  for (double* value : {&v.angle, &v.exposure, &v.table_position, &v.time}) *value = take<double>(head);
  v.rotation = take<std::uint64_t>(head);
  for (std::uint64_t* extent : {&message.bins, &message.rows, &message.columns}) *extent = take<std::uint64_t>(head);
  const std::size_t bytes = value_size(message.encoding);
  if (bytes == 0)
    refuse("expected the encoding 1 (u16), 2 (u32) or 3 (f32), got " +
           std::to_string(static_cast<std::uint32_t>(message.encoding)));
  if ((flags & ~kAirFlag) != 0) refuse("expected the flags 0 or 1 (air), got " + std::to_string(flags));
  if (expected) {
    equal(message.bins, expected->bins, "bins (energy_bins)");
    equal(message.rows, expected->rows, "rows (detector_rows)");
    equal(message.columns, expected->columns, "columns (detector_columns)");
  }
  const auto size = product({bytes, message.bins, message.rows, message.columns}, limits.message);
  if (!size || *size + kViewHead != begun.text)
    refuse("claims " + std::to_string(begun.text) + " bytes for " + std::to_string(message.bins) + " x " +
           std::to_string(message.rows) + " x " + std::to_string(message.columns) + " values of " + std::to_string(bytes) +
           " bytes and a head of " + std::to_string(kViewHead));
  begun.frame = std::move(message);
  begun.text = 0;
  begun.payload = *size;
  begun.confirmed = expected.has_value();
  return begun;
}

Begun Reader::receipt() {
  Begun begun = envelope(16, 16);
  const auto received = take<std::uint64_t>(head);
  begun.frame = Receipt{received, take<std::uint64_t>(head)};
  begun.text = 0;
  return begun;
}

Begun Reader::ending() {
  Begun begun = envelope(4, 4 + limits.text);
  const auto complete = take<std::uint32_t>(head);
  if (complete > 1) refuse("expected 0 (an error) or 1 (complete), got " + std::to_string(complete));
  begun.frame = Ending{complete == 1, {}};
  begun.text -= 4;
  return begun;
}

}  // namespace

void refuse(Id id, std::uint64_t at, const std::string& what) {
  throw ProtocolError(name_of(id) + " at byte " + std::to_string(at) + ": " + what);
}

std::size_t head_size(Id id, std::span<const std::byte> come) {
  switch (id) {
    case Id::config_file:
    case Id::close:
      return 0;
    case Id::config_script:
    case Id::header:
    case Id::text:
      return 4;
    case Id::query:
      return 24;
    case Id::response:
      return 16;
    case Id::acquisition: {
      std::uint64_t flags = 0;
      if (come.size() >= 10) std::memcpy(&flags, come.data() + 2, sizeof flags);
      return (flags & kNhlbiCompressed) != 0 ? 344 : 340;
    }
    case Id::image:
      return 198 + 8;
    case Id::waveform:
      return 40;
    case Id::wish:
      return kEnvelope;
    case Id::view:
      return kEnvelope + kViewHead;
    case Id::receipt:
      return kEnvelope + 16;
    case Id::ending:
      return kEnvelope + 4;
  }
  return 0;
}

Begun begin_message(Id id, std::span<const std::byte> head, const Limits& limits, const std::optional<ViewShape>& expected,
                    std::uint64_t at) {
  Reader r{id, head, limits, expected, at};
  switch (id) {
    case Id::config_file:
      return r.text(ConfigFile{}, kConfigName, kConfigName);
    case Id::config_script:
      return r.text(ConfigScript{}, take<std::uint32_t>(r.head), limits.config);
    case Id::header:
      return r.text(Header{}, take<std::uint32_t>(r.head), limits.header);
    case Id::close:
      return {.frame = Close{}};
    case Id::text:
      return r.text(Text{}, take<std::uint32_t>(r.head), limits.text);
    case Id::query:
      return r.query();
    case Id::response: {
      const auto correlation = take<std::uint64_t>(r.head);
      return r.text(Response{correlation, {}}, take<std::uint64_t>(r.head), limits.text);
    }
    case Id::acquisition:
      return r.acquisition();
    case Id::image:
      return r.image();
    case Id::waveform:
      return r.waveform();
    case Id::wish: {
      Begun begun = r.envelope(0, limits.text);
      begun.frame = Wish{};
      return begun;
    }
    case Id::view:
      return r.view();
    case Id::receipt:
      return r.receipt();
    case Id::ending:
      return r.ending();
  }
  refuse(id, at, "not known");
}

std::string* text_of(Frame& frame) {
  return std::visit(
      []<class M>(M& m) -> std::string* {
        if constexpr (requires { m.name; }) return &m.name;
        else if constexpr (requires { m.xml; }) return &m.xml;
        else if constexpr (requires { m.text; }) return &m.text;
        else if constexpr (requires { m.question; }) return &m.question;
        else if constexpr (requires { m.answer; }) return &m.answer;
        else if constexpr (requires { m.meta; }) return &m.meta;
        else if constexpr (requires { m.words; }) return &m.words;
        else if constexpr (requires { m.error; }) return &m.error;
        else return nullptr;
      },
      frame);
}

Payload* payload_of(Frame& frame) {
  return std::visit(
      []<class M>(M& m) -> Payload* {
        if constexpr (requires { m.pixels; }) return &m.pixels;
        else if constexpr (requires { m.values; }) return &m.values;
        else if constexpr (requires { m.data; }) return &m.data;
        else return nullptr;
      },
      frame);
}

std::size_t value_size(Encoding encoding) {
  switch (encoding) {
    case Encoding::u16:
      return 2;
    case Encoding::u32:
    case Encoding::f32:
      return 4;
  }
  return 0;
}

std::size_t pixel_size(std::uint16_t data_type) {
  constexpr std::size_t kSizes[] = {0, 2, 2, 4, 4, 4, 8, 8, 16};
  return data_type < std::size(kSizes) ? kSizes[data_type] : 0;
}

std::optional<std::uint64_t> pixels_size(const ISMRMRD::ISMRMRD_ImageHeader& head, std::uint64_t most) {
  return product({pixel_size(head.data_type), head.channels, head.matrix_size[0], head.matrix_size[1], head.matrix_size[2]},
                 most);
}

}  // namespace counterflow::wire
