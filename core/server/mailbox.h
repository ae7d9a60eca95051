// Between the thread that talks to the client and the threads that compute: views on their way in, results on their way out. Both
// are bounded in bytes, so a slow chain makes the client wait, and a slow client the chain.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "core/server/frame_writer.h"
#include "core/server/notice.h"

namespace counterflow {

// Messages that wait take this much each way, and one message more [byte]: small enough for the caches, large enough that neither
// side waits for every message of the other.
constexpr std::size_t kMailboxBytes = std::size_t{4} << 20;

class Inbox {
 public:
  explicit Inbox(Notice& room) : room_(room) {}

  // By the talking thread, which waits for room itself.
  void put(std::vector<wire::Frame> frames, std::size_t bytes);
  bool crowded() const { return waiting_bytes() >= kMailboxBytes; }
  // No more comes: what waits is still taken. With an error, what waits is thrown away and the error is thrown instead.
  void close(std::exception_ptr error = nullptr);

  // By the computing thread: the next message, waiting for it; empty at the end.
  std::optional<wire::Frame> take();

  std::size_t waiting_bytes() const;
  // Messages taken so far: for who watches that the chain goes on.
  std::uint64_t taken() const;

 private:
  struct Batch {
    std::vector<wire::Frame> frames;
    std::size_t bytes = 0;
  };
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Batch> batches_;
  std::size_t bytes_ = 0;
  bool closed_ = false;
  std::exception_ptr error_;
  std::atomic<std::uint64_t> count_{0};
  Notice& room_;
  Batch current_;  // of the taking thread alone
  std::size_t next_ = 0;
};

class Outbox {
 public:
  Outbox(asio::io_context& io, Notice& room) : arrived_(io), room_for_more_(room) {}

  // Writes what it can at once; how much, 0 where that is nothing. Saves a computing thread's message the way over the talking
  // thread, where nothing waits before it.
  using WriteAtOnce = std::function<std::size_t(const std::vector<std::span<const std::byte>>&)>;
  void write_at_once_by(WriteAtOnce write) { write_at_once_ = std::move(write); }

  // By a computing thread: waits while much waits to be written. Throws ProtocolError once the client is gone.
  void put(wire::Outgoing&& message);
  // By any thread; never waits.
  void put_at_once(wire::Outgoing&& message);
  bool crowded() const;  // whether put() might wait

  std::uint64_t written_at_once() const { return written_at_once_; }  // [byte]

  // By the talking thread. Something waits, or nothing can be written any more.
  Task<void> arrival() {
    return arrived_.wait_until([this] { return failed() || !empty(); });
  }
  wire::Outgoing take_all();
  void written(std::size_t bytes);
  void fail();  // nothing can be written any more
  bool failed() const;
  bool empty() const;
  std::size_t waiting_bytes() const;  // not yet written

 private:
  mutable std::mutex mutex_;
  std::condition_variable room_;
  wire::Outgoing waiting_;
  std::size_t unwritten_ = 0;  // of waiting_ and of what was taken
  WriteAtOnce write_at_once_;
  std::atomic<std::uint64_t> written_at_once_{0};
  bool failed_ = false;
  Notice arrived_;
  Notice& room_for_more_;
};

}  // namespace counterflow
