// What the first bytes of a message say of the rest: sizes in 64 bits, checked against limits and the scan's header before
// anything is allocated for them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "core/server/wire.h"

namespace counterflow::wire {

// Of the scan's views.
struct ViewShape {
  std::uint64_t bins = 0, rows = 0, columns = 0;
};

// Behind the head come `text` bytes, then `payload` bytes.
struct Begun {
  Frame frame = {};  // all but text and payload
  std::uint64_t text = 0, payload = 0;
  bool confirmed = false;         // the size of the payload, by the scan's header
  bool guarded = false;           // by a CRC32C: ours
  std::uint32_t crc = 0;          // as sent: of all behind it
  std::uint32_t crc_of_head = 0;  // of that part of it which the head holds
};

// Bytes of the head behind the id, as far as `come`, what has come of them, tells; the most there can be.
std::size_t head_size(Id id, std::span<const std::byte> come);
constexpr std::size_t kMostHead = 2 + 340 + 4;  // with the id

// Reads a whole head. `at` is the position of its message in the stream, for errors. Throws ProtocolError.
Begun begin_message(Id id, std::span<const std::byte> head, const Limits& limits, const std::optional<ViewShape>& expected,
                    std::uint64_t at);

// "acquisition (id 1008) at byte 7: WHAT"
[[noreturn]] void refuse(Id id, std::uint64_t at, const std::string& what);

// The text of a frame and its payload; null where it has none.
std::string* text_of(Frame& frame);
Payload* payload_of(Frame& frame);

// Bytes of one value; 0 for what is no encoding or no pixel type (ISMRMRD's 1 to 8).
std::size_t value_size(Encoding encoding);
std::size_t pixel_size(std::uint16_t data_type);
// Bytes of all pixels; empty where they are more than `most`.
std::optional<std::uint64_t> pixels_size(const ISMRMRD::ISMRMRD_ImageHeader& head, std::uint64_t most);

// Flags of acquisitions whose data are compressed; ISMRMRD counts them from 1.
constexpr std::uint64_t kZfpCompressed = std::uint64_t{1} << 52, kNhlbiCompressed = std::uint64_t{1} << 53;
constexpr std::uint32_t kAirFlag = 1;  // of views

}  // namespace counterflow::wire
