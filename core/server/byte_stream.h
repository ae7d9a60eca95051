// A connected socket, plain or under TLS. One read and one write may be under way at a time, on one thread.
#pragma once
#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/server/asio.h"
#include "core/server/tls.h"

namespace counterflow {

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  virtual Task<void> handshake() = 0;
  // At least one byte; 0 when the other side has ended. Of a large message `missing` bytes it may wait for many at once, which
  // costs less than one wake-up for each few. Throws boost::system::system_error.
  virtual Task<std::size_t> read(std::array<std::span<std::byte>, 2> space, std::size_t missing = 1) = 0;
  // As much as goes at once, on any thread while no write is under way: 0 where nothing does, or where this stream cannot.
  virtual std::size_t write_at_once(const std::vector<std::span<const std::byte>>& /*pieces*/) { return 0; }
  virtual Task<std::size_t> write(const std::vector<std::span<const std::byte>>& pieces) = 0;
  // Tells the other side that nothing more comes; it may still be read from.
  virtual void end_writing() = 0;
  virtual void close() = 0;
};

// Takes a connected socket over. `tls` may be null: plain.
std::unique_ptr<ByteStream> open_stream(asio::io_context& io, int socket, const std::shared_ptr<TlsContext>& tls);

}  // namespace counterflow
