#include "core/server/mailbox.h"

#include <algorithm>

#include "core/error.h"

namespace counterflow {
namespace {

constexpr std::size_t kPiecesAtOnce = 16;
constexpr std::size_t kLarge = std::size_t{64} << 10;  // smaller messages are better written several together

}  // namespace

void Inbox::put(std::vector<wire::Frame> frames, std::size_t bytes) {
  if (frames.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    if (error_) return;
    batches_.push_back({std::move(frames), bytes});
    bytes_ += bytes;
  }
  arrived_.notify_one();
}

void Inbox::close(std::exception_ptr error) {
  std::deque<Batch> dropped;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    if (error && !error_) {
      error_ = error;
      dropped.swap(batches_);
      bytes_ = 0;
    }
  }
  arrived_.notify_one();
  room_.raise();
}

std::optional<wire::Frame> Inbox::take() {
  if (next_ == current_.frames.size()) {
    {
      std::unique_lock lock(mutex_);
      current_ = {};
      next_ = 0;
      arrived_.wait(lock, [this] { return !batches_.empty() || closed_; });
      if (error_) std::rethrow_exception(error_);
      if (batches_.empty()) return std::nullopt;
      current_ = std::move(batches_.front());
      batches_.pop_front();
      bytes_ -= current_.bytes;
    }
    room_.raise();
  }
  ++count_;
  return std::move(current_.frames[next_++]);
}

std::size_t Inbox::waiting_bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

std::uint64_t Inbox::taken() const { return count_; }

void Outbox::put(wire::Outgoing&& message) {
  {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] { return unwritten_ < kMailboxBytes || failed_; });
    if (failed_) throw ProtocolError("the client is gone: what the chain gives cannot be delivered");
    if (unwritten_ == 0 && message.size() >= kLarge && write_at_once_) {
      const std::size_t n = write_at_once_(message.pieces(kPiecesAtOnce));
      message.drop(n);
      written_at_once_ += n;
      if (message.empty()) return;
    }
    unwritten_ += message.size();
    waiting_.append(std::move(message));
  }
  arrived_.raise();
}

void Outbox::put_at_once(wire::Outgoing&& message) {
  {
    const std::lock_guard lock(mutex_);
    if (failed_) return;
    unwritten_ += message.size();
    waiting_.append(std::move(message));
  }
  arrived_.raise();
}

bool Outbox::crowded() const { return waiting_bytes() >= kMailboxBytes; }

wire::Outgoing Outbox::take_all() {
  const std::lock_guard lock(mutex_);
  return std::exchange(waiting_, {});
}

void Outbox::written(std::size_t bytes) {
  bool was_crowded = false;
  {
    const std::lock_guard lock(mutex_);
    was_crowded = unwritten_ >= kMailboxBytes;
    unwritten_ -= std::min(bytes, unwritten_);
  }
  if (!was_crowded) return;
  room_.notify_all();
  room_for_more_.raise();
}

void Outbox::fail() {
  {
    const std::lock_guard lock(mutex_);
    failed_ = true;
    waiting_ = {};
    unwritten_ = 0;
  }
  room_.notify_all();
  arrived_.raise();
}

bool Outbox::failed() const {
  const std::lock_guard lock(mutex_);
  return failed_;
}

bool Outbox::empty() const {
  const std::lock_guard lock(mutex_);
  return waiting_.empty();
}

std::size_t Outbox::waiting_bytes() const {
  const std::lock_guard lock(mutex_);
  return unwritten_;
}

}  // namespace counterflow
