// The page that shows what the server is doing, and its figures for Prometheus (docs/watching.md): reads the status folder, and
// nothing else. A process of its own, so that neither can harm the other.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

namespace counterflow {

struct WatchSettings {
  std::filesystem::path status;            // folder (core/server/status.h)
  std::string address = "127.0.0.1:8080";  // of this machine alone; port 0: one that is free
  std::string title;                       // what is being watched, "counterflow serve 127.0.0.1:9002"
  std::string version;
  std::size_t kept_sessions = 50;  // that have ended; older ones are removed from the folder
};

class WatchServer {
 public:
  // Listens from here on. Throws ConfigError for an address that is not of this machine alone, or that is taken.
  explicit WatchServer(const WatchSettings& settings);
  ~WatchServer();
  std::string url() const;
  void run();                             // until stop()
  void stop();                            // from any thread
  void stop_on_readable(int descriptor);  // run() ends when there is something to read

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Serves until SIGTERM or SIGINT, or until the process that started this one ends. `listening` is told the page's URL. For a
// process of its own with one thread.
void watch(const WatchSettings& settings, const std::function<void(const std::string& url)>& listening = {});

// The address of a page: HOST:PORT with a loopback address or "localhost". Throws ConfigError, with the way out for others.
struct LoopbackAddress {
  std::string host;  // 127.0.0.1 or ::1
  std::uint16_t port = 0;
};
LoopbackAddress loopback_address(const std::string& text);

}  // namespace counterflow
