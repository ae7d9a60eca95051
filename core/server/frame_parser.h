// Bytes in; a message, need-more, or a named error out. No socket inside.
//
// A length is believed only as its bytes arrive: memory grows with what has come, but for a view whose size the scan's own header
// has confirmed. Large payloads are put by the reader where they stay; small ones are copied once.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "core/message/scan_header.h"
#include "core/server/wire.h"

namespace counterflow::wire {

// What may come next. To a server: config, then header, then stream; on a pipe: header, then stream. To a client: answers. Texts
// and CLOSE are accepted in each, queries and wishes in each of the first three.
enum class Phase { config, header, stream, answers };

class FrameParser {
 public:
  explicit FrameParser(Phase phase, const Limits& limits = {});
  FrameParser(FrameParser&&) noexcept;
  FrameParser& operator=(FrameParser&&) noexcept;
  ~FrameParser();

  // Where the next bytes go: the rest of a payload, then room behind it; the second may be empty, the first never is. Ask for
  // it when next() has given all there was.
  std::array<std::span<std::byte>, 2> space();
  // `n` bytes have been put there.
  void commit(std::size_t n);
  // The next whole message; empty: more bytes are needed. Throws ProtocolError "NAME (id I) at byte N: ...", N = where the
  // message begins; what follows an error cannot be parsed.
  std::optional<Frame> next();

  // The least number of bytes that must come before it is worth asking next(), as far as is known.
  std::size_t missing() const;

  Phase phase() const;
  void enter(Phase phase);
  // Acquisitions and views must have this scan's shape from now on.
  void expect(const ScanHeader& scan);
  std::uint64_t position() const;  // of the first byte not yet given out as a message
  bool between_messages() const;   // whether nothing of a next message has come
  // Throws ProtocolError that says in the middle of what the bytes ended, unless between messages.
  void end() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace counterflow::wire
