#include "core/server/frame_parser.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "core/server/crc32c.h"
#include "core/server/frame_head.h"

namespace counterflow::wire {
namespace {

constexpr std::size_t kBuffer = std::size_t{256} << 10;
// Behind a payload of at least kLarge, of which the next is likely to be one more, room is given for no more than its head: what
// lands in the buffer is copied once.
constexpr std::size_t kLarge = std::size_t{64} << 10, kRoomForHead = 4096;
// A text grows by such a step or by what has come of it, so does a payload that the scan's header has not confirmed.
constexpr std::size_t kTextStep = 4096, kPayloadStep = std::size_t{1} << 20;
static_assert(kRoomForHead > kMostHead);

const char* name_of(Phase phase) {
  switch (phase) {
    case Phase::config:
      return "config";
    case Phase::header:
      return "header";
    case Phase::stream:
      return "stream";
    case Phase::answers:
      return "answers";
  }
  return "";
}

std::span<const Id> allowed(Phase phase) {
  static constexpr Id config[] = {Id::config_file, Id::config_script, Id::close, Id::text, Id::query, Id::wish};
  static constexpr Id header[] = {Id::header, Id::close, Id::text, Id::query, Id::wish};
  static constexpr Id stream[] = {Id::acquisition, Id::view, Id::waveform, Id::close, Id::text, Id::query, Id::wish};
  static constexpr Id answers[] = {Id::header, Id::image, Id::acquisition, Id::view,    Id::waveform,
                                   Id::close,  Id::text,  Id::response,    Id::receipt, Id::ending};
  switch (phase) {
    case Phase::config:
      return config;
    case Phase::header:
      return header;
    case Phase::stream:
      return stream;
    case Phase::answers:
      return answers;
  }
  return {};
}

void check_allowed(Id id, Phase phase, std::uint64_t at) {
  const auto ids = allowed(phase);
  if (std::find(ids.begin(), ids.end(), id) != ids.end()) return;
  std::string expected;
  for (const Id other : ids) expected += (other == ids.front() ? "" : other == ids.back() ? " or " : ", ") + wire::name_of(other);
  throw ProtocolError(wire::name_of(id) + " in the " + name_of(phase) + " phase at byte " + std::to_string(at) + "; expected " +
                      expected);
}

}  // namespace

struct FrameParser::Impl {
  Impl(Phase p, const Limits& l) : phase(p), limits(l) {}

  std::size_t buffered() const { return end - begin; }
  Id next_id() const;
  std::uint64_t left() const { return coming->text - text_come + coming->payload - payload_come; }  // of the coming message
  bool begin_next();
  bool fill();
  bool fill_text();
  bool fill_payload();
  std::size_t move_from_buffer(std::span<std::byte> to);
  void grow_text(std::string& text);
  void grow_payload(Payload& payload);
  Frame finished();

  Phase phase;
  Limits limits;
  std::optional<ViewShape> expected;
  std::unique_ptr<std::byte[]> buffer = std::make_unique_for_overwrite<std::byte[]>(kBuffer);
  std::size_t begin = 0, end = 0;  // of what is in the buffer
  std::uint64_t come = 0;          // bytes in all
  std::uint64_t at = 0;            // where the message begins that comes next or is coming
  std::optional<Begun> coming;
  Id id = Id::close;                              // of the coming one
  std::uint64_t text_come = 0, payload_come = 0;  // of its text and payload
};

Id FrameParser::Impl::next_id() const {
  Id next{};
  std::memcpy(&next, buffer.get() + begin, sizeof next);
  return next;
}

// From the buffer to `to`, as much as there is.
std::size_t FrameParser::Impl::move_from_buffer(std::span<std::byte> to) {
  const std::size_t n = std::min(to.size(), buffered());
  if (n > 0) std::memcpy(to.data(), buffer.get() + begin, n);
  begin += n;
  return n;
}

bool FrameParser::Impl::begin_next() {
  if (buffered() < sizeof id) return false;
  id = next_id();
  check_allowed(id, phase, at);
  const std::span<const std::byte> bytes(buffer.get() + begin + sizeof id, buffered() - sizeof id);
  const std::size_t size = head_size(id, bytes);
  if (bytes.size() < size) return false;
  coming = begin_message(id, bytes.first(size), limits, expected, at);
  begin += sizeof id + size;
  text_come = payload_come = 0;
  if (coming->confirmed) *payload_of(coming->frame) = Payload(coming->payload);
  return true;
}

// Only as far as bytes come: by a step, or by as much as there is already.
void FrameParser::Impl::grow_text(std::string& text) {
  const std::uint64_t step = std::max<std::uint64_t>({kTextStep, text_come, buffered()});
  text.resize(std::min(coming->text, text_come + step));
}

bool FrameParser::Impl::fill_text() {
  std::string* text = text_of(coming->frame);
  while (text_come < coming->text) {
    if (text_come == text->size()) grow_text(*text);
    const std::size_t n = move_from_buffer(std::as_writable_bytes(std::span(*text)).subspan(text_come));
    if (n == 0) return false;
    text_come += n;
  }
  return true;
}

void FrameParser::Impl::grow_payload(Payload& payload) {
  Payload larger(std::min(coming->payload, payload_come + std::max<std::uint64_t>(kPayloadStep, payload_come)));
  if (payload_come > 0) std::memcpy(larger.bytes().data(), payload.bytes().data(), payload_come);
  payload = std::move(larger);
}

bool FrameParser::Impl::fill_payload() {
  Payload* payload = payload_of(coming->frame);
  while (payload_come < coming->payload) {
    if (payload_come == payload->size()) grow_payload(*payload);
    const std::size_t n = move_from_buffer(payload->bytes().subspan(payload_come));
    if (n == 0) return false;
    payload_come += n;
  }
  return true;
}

bool FrameParser::Impl::fill() { return fill_text() && fill_payload(); }

Frame FrameParser::Impl::finished() {
  Begun whole = std::move(*coming);
  coming.reset();
  if (whole.guarded) {
    std::uint32_t crc = whole.crc_of_head;
    if (const std::string* text = text_of(whole.frame)) crc = crc32c(std::as_bytes(std::span(*text)), crc);
    if (Payload* payload = payload_of(whole.frame)) crc = crc32c(payload->bytes(), crc);
    if (crc != whole.crc)
      refuse(id, at,
             "its CRC32C is " + std::to_string(crc) + ", it was sent with " + std::to_string(whole.crc) +
                 ": bytes were damaged on the way");
  }
  if (auto* config = std::get_if<ConfigFile>(&whole.frame)) {
    const auto nul = config->name.find('\0');
    if (nul == std::string::npos) refuse(id, at, "expected a name with a NUL at its end in 1024 bytes");
    config->name.resize(nul);
  }
  if (auto* image = std::get_if<Image>(&whole.frame); image && image->meta.ends_with('\0')) image->meta.pop_back();
  at = come - buffered();
  return std::move(whole.frame);
}

FrameParser::FrameParser(Phase phase, const Limits& limits) : impl_(std::make_unique<Impl>(phase, limits)) {}
FrameParser::~FrameParser() = default;
FrameParser::FrameParser(FrameParser&&) noexcept = default;
FrameParser& FrameParser::operator=(FrameParser&&) noexcept = default;

std::array<std::span<std::byte>, 2> FrameParser::space() {
  Impl& m = *impl_;
  std::byte* const buffer = m.buffer.get();
  if (m.coming && m.text_come < m.coming->text) {
    std::string& text = *text_of(m.coming->frame);
    if (m.text_come == text.size()) m.grow_text(text);
    return {std::as_writable_bytes(std::span(text)).subspan(m.text_come), {}};
  }
  if (m.begin == m.end) m.begin = m.end = 0;
  if (m.coming && m.payload_come < m.coming->payload) {
    Payload& payload = *payload_of(m.coming->frame);
    if (m.payload_come == payload.size()) m.grow_payload(payload);
    const std::size_t room = payload.size() < m.coming->payload ? 0 : payload.size() < kLarge ? kBuffer : kRoomForHead;
    return {payload.bytes().subspan(m.payload_come), std::span(buffer, room)};
  }
  if (m.begin > 0 && kBuffer - m.end < kRoomForHead) {
    std::memmove(buffer, buffer + m.begin, m.buffered());  // no more than a head, where next() has been asked for all there was
    m.end -= m.begin;
    m.begin = 0;
  }
  if (m.end == kBuffer) throw Error("a frame parser was given more bytes than its buffer holds before it was asked for messages");
  return {std::span(buffer + m.end, kBuffer - m.end), {}};
}

void FrameParser::commit(std::size_t n) {
  Impl& m = *impl_;
  m.come += n;
  if (m.coming && m.text_come < m.coming->text) {
    m.text_come += n;
    return;
  }
  if (m.coming) {
    const Payload* payload = payload_of(m.coming->frame);
    const std::size_t direct = payload ? std::min<std::uint64_t>(n, payload->size() - m.payload_come) : 0;
    m.payload_come += direct;
    n -= direct;
  }
  m.end += n;
}

std::optional<Frame> FrameParser::next() {
  if (!impl_->coming && !impl_->begin_next()) return {};
  if (!impl_->fill()) return {};
  return impl_->finished();
}

std::size_t FrameParser::missing() const {
  const Impl& m = *impl_;
  if (m.coming) return m.left();
  if (m.buffered() < sizeof(Id)) return sizeof(Id) - m.buffered();
  const std::size_t whole =
      sizeof(Id) + head_size(m.next_id(), {m.buffer.get() + m.begin + sizeof(Id), m.buffered() - sizeof(Id)});
  return whole - std::min(whole, m.buffered());
}

Phase FrameParser::phase() const { return impl_->phase; }
void FrameParser::enter(Phase phase) { impl_->phase = phase; }
void FrameParser::expect(const ScanHeader& scan) {
  impl_->expected = ViewShape{scan.bins(), scan.geometry.rows, scan.geometry.columns};
}
std::uint64_t FrameParser::position() const { return impl_->at; }
bool FrameParser::between_messages() const { return impl_->come == impl_->at; }

void FrameParser::end() const {
  const Impl& m = *impl_;
  if (between_messages()) return;
  std::string what = "a message's id", missing;
  if (m.coming) {
    what = wire::name_of(m.id);
    missing = ", of which " + std::to_string(m.left()) + " bytes are missing";
  } else if (m.buffered() >= sizeof(Id)) {
    what = "the head of " + wire::name_of(m.next_id());
  }
  throw ProtocolError("the stream ends at byte " + std::to_string(m.come) + " in the middle of " + what + missing);
}

}  // namespace counterflow::wire
