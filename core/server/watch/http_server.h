// A small HTTP/1.1 server for browsers on this machine: GET and HEAD, one thread, everything bounded.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>  // Asio 1.74 misses it

namespace counterflow {

struct HttpAnswer {
  int status = 200;
  std::string type, body;  // MIME type
};

struct HttpLimits {
  std::uint32_t header = 8192;                    // of a request [byte]
  std::size_t connections = 64, requests = 1000;  // at a time; on one connection
  std::size_t waiting = std::size_t{256} << 20;   // answers not yet sent, of all connections [byte]
  std::chrono::seconds idle{30};                  // for a request to come or an answer to go
};

class HttpServer {
 public:
  using Handler = std::function<HttpAnswer(const std::string& target)>;
  // Listens from here on; throws ConfigError where it cannot. The handler is called by run() with the path and query of a
  // request.
  HttpServer(const std::string& host, std::uint16_t port, Handler handler, const HttpLimits& limits = {});
  ~HttpServer();
  std::uint16_t port() const;
  void every(std::chrono::milliseconds period, std::function<void()> work);  // work is called by run()
  void stop_on_readable(int descriptor);                                     // run() ends when there is something to read
  void run();                                                                // until stop()
  void stop();                                                               // from any thread

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Whether a request's Host is a name of this machine: a page of another origin whose name was made to point here says its own.
bool is_loopback_host(const std::string& host);

}  // namespace counterflow
