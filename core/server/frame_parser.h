// Bytes in; a message, need-more, or a named error out. No socket inside.
//
// A length is believed only as its bytes arrive: nothing is allocated for what has not come, but for a view or an image whose
// size the scan's own header (or the message's own header, within the limit) has confirmed.
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

// What may come next. To a server: config, then header, then stream; on a pipe: header, then stream. To a client: answers.
// Texts, queries, wishes and CLOSE are accepted in each of the first three.
enum class Phase { config, header, stream, answers };

class FrameParser {
 public:
  explicit FrameParser(Phase phase, const Limits& limits = {});
  ~FrameParser();

  // Where the next bytes go: the rest of a large payload, then room behind it; the second may be empty, the first never is.
  std::array<std::span<std::byte>, 2> space();
  // `n` bytes have been put there.
  void commit(std::size_t n);
  // The next whole message; empty: more bytes are needed. Throws ProtocolError "... at byte N" naming the message; what follows
  // an error cannot be parsed.
  std::optional<Frame> next();

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
