// Lets a coroutine wait for what another thread does.
#pragma once
#include <atomic>
#include <functional>

#include "core/server/asio.h"

namespace counterflow {

class Notice {
 public:
  explicit Notice(asio::io_context& io) : io_(io), timer_(io) {}
  // Returns once `ready` holds; called on the thread of the io_context alone.
  Task<void> wait_until(std::function<bool()> ready) {
    for (;;) {
      waiting_ = true;
      if (ready()) break;
      timer_.expires_at(asio::steady_timer::time_point::max());
      boost::system::error_code cancelled;
      co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    }
    waiting_ = false;
  }
  // On any thread, after what `ready` looks at has changed.
  void raise() {
    if (waiting_.exchange(false)) asio::post(io_, [this] { timer_.cancel(); });
  }

 private:
  asio::io_context& io_;
  asio::steady_timer timer_;
  std::atomic<bool> waiting_{false};
};

}  // namespace counterflow
