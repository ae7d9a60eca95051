// Waits for clients and gives each a process of its own. It reads nothing of what they send, so nothing they send can harm it.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "core/server/session.h"

namespace counterflow {

struct ListenerSettings {
  std::string address = "127.0.0.1:9002";  // host:port; port 0 = any that is free
  std::size_t sessions = 64, sessions_per_address = 8;
  std::chrono::milliseconds drain{30'000};  // after SIGTERM sessions may go on for so long
  std::string user;                         // to become; needed where the server is started as root
  std::size_t log_lines = 100;              // a second
  bool quiet = false;
  TlsFiles tls;      // needed for any address but loopback
  std::string http;  // host:port of the page for watching; "" = none
  SessionSettings session;
};

class Listener {
 public:
  // Binds, listens, and becomes the user. Throws ConfigError for what is refused and ArchiveError for what the system refuses.
  explicit Listener(ListenerSettings settings);
  ~Listener();
  std::string address() const;  // "127.0.0.1:9002"
  std::string page() const;     // URL for watching; "" = none
  // Serves until SIGTERM or SIGINT, then drains: takes no one in, waits for the sessions there are, and ends those that last too
  // long.
  void run();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace counterflow
