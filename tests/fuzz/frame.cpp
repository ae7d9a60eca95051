// What comes over a connection: the first byte says to whom (the phase, + 4 where the scan's shape is expected), the second in
// how large pieces the same bytes are given once more. With + 8 the bytes are the payload of one of our messages (id 2000 + 16ths
// of the first byte), whose CRC is right: damage under a valid checksum. Both times the same messages and the same error come
// out; a message written again is the bytes it came from; views and images are decoded; nothing is held beyond what came, one
// step of a payload and the parser's own buffer.
#include "core/server/crc32c.h"
#include "core/server/test_frames.h"
#include "tests/fuzz/target.h"

namespace counterflow::wire {
namespace {

using fuzz::require;

const ScanHeader& scan() {
  static const ScanHeader header = counterflow::testing::small_header();
  return header;
}

struct Outcome {
  std::vector<testing::ByteVector> messages;
  std::string error;
  std::uint64_t position = 0;
};

testing::ByteVector message_of(std::uint16_t id, std::span<const std::byte> payload) {
  const std::uint64_t size = payload.size();
  const std::uint32_t crc = crc32c(payload);
  Outgoing out;
  out.put(std::as_bytes(std::span(&id, 1)));
  out.put(std::as_bytes(std::span(&size, 1)));
  out.put(std::as_bytes(std::span(&crc, 1)));
  out.put(payload);
  return testing::bytes_of(out);
}

void decode(const Frame& frame, ViewDecoder& decoder) {
  if (const auto* a = std::get_if<Acquisition>(&frame)) decoder.decode<float>(*a);
  if (const auto* v = std::get_if<CompactView>(&frame)) decoder.decode<double>(*v);
}

Outcome parse(Phase phase, bool expect, std::span<const std::byte> bytes, std::size_t step) {
  Outcome outcome;
  FrameParser parser(phase);
  if (expect) parser.expect(scan());
  ViewDecoder decoder(scan(), "fuzz");
  outcome.error = fuzz::refusal([&] {
    testing::feed(parser, bytes, step, [&](Frame&& frame) {
      if (std::holds_alternative<ConfigFile>(frame) || std::holds_alternative<ConfigScript>(frame)) parser.enter(Phase::header);
      if (std::holds_alternative<Header>(frame)) parser.enter(Phase::stream);
      outcome.messages.push_back(testing::bytes_of(frame));
      outcome.position = parser.position();
      decode(frame, decoder);
    });
    parser.end();
  });
  return outcome;
}

// Messages are the bytes they came from, in a row; but names of chains may be padded with anything, so may the headers of
// waveforms, and metas may end in a NUL.
void check_messages(const Outcome& outcome, std::span<const std::byte> bytes) {
  std::size_t at = 0;
  for (const auto& message : outcome.messages) {
    Id id{};
    std::memcpy(&id, message.data(), sizeof id);
    if (id == Id::image) return;
    require(at + message.size() <= bytes.size(), "a message is not longer than what came");
    if (id != Id::config_file && id != Id::waveform)
      require(std::equal(message.begin(), message.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at)),
              "a message written again is what came");
    at += message.size();
  }
  require(at == outcome.position, "the position is behind the last message");
}

}  // namespace
}  // namespace counterflow::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace counterflow::wire;
  if (size < 2) return 0;
  const auto phase = static_cast<Phase>(data[0] % 4);
  const bool expect = (data[0] & 4) != 0;
  std::span<const std::byte> bytes = std::as_bytes(std::span(data, size)).subspan(2);
  counterflow::wire::testing::ByteVector message;
  if ((data[0] & 8) != 0) bytes = message = message_of(static_cast<std::uint16_t>(2000 + data[0] / 16 % 4), bytes);
  const Outcome whole = parse(phase, expect, bytes, SIZE_MAX), pieces = parse(phase, expect, bytes, 1u + data[1]);
  counterflow::fuzz::require(whole.messages == pieces.messages, "the messages do not depend on how the bytes are cut");
  counterflow::fuzz::require(whole.error == pieces.error, "the error does not depend on how the bytes are cut");
  check_messages(whole, bytes);
  return 0;
}
