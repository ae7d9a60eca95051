// One session with a server, seen from the client: connects, sends what it is given and takes what comes, both at the same time.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/server/frame_writer.h"
#include "core/server/tls.h"
#include "core/server/wire.h"

namespace counterflow {

// How a session ended: complete, as CLOSE says; with an error of the server's, a text before CLOSE; lost, without CLOSE.
struct ClientEnd {
  enum class Kind { complete, error, lost } kind = Kind::lost;
  std::string words;  // of the error, or why it was lost; without a line break at the end
};

class Client {
 public:
  using Clock = std::chrono::steady_clock;
  // What comes, in order, and when its last byte did; called on another thread. What it throws ends the session as lost.
  using Take = std::function<void(wire::Frame&&, Clock::time_point)>;

  // Connects to "HOST:PORT". Throws ConfigError for what is no address, ProtocolError where nobody answers or TLS fails.
  Client(const std::string& address, const TlsFiles& tls, Take take, const wire::Limits& limits = {});
  ~Client();  // ends the connection

  // Sends a few whole messages; waits while as much as this is still waiting. False: the session is over, nothing was sent.
  bool send(wire::Outgoing messages);
  // What the server answers to a query; empty where the session ended instead.
  std::optional<std::string> ask(std::string_view question);
  // Sends CLOSE and waits for the server's, or for the end of the connection.
  ClientEnd finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What a server says of itself (the query counterflow::info): lines "name: value".
bool offers_compact_views(const std::string& info);

}  // namespace counterflow
