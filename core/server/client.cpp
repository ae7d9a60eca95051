#include "core/server/client.h"

#include <netinet/tcp.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>

#include "core/error.h"
#include "core/server/byte_stream.h"
#include "core/server/frame_parser.h"
#include "core/text.h"

namespace counterflow {
namespace {

using asio::ip::tcp;

constexpr auto kConnecting = std::chrono::seconds(10);
constexpr std::size_t kWaiting = std::size_t{1} << 20;  // [byte] that may wait to be sent
constexpr std::size_t kPieces = 64;                     // of one gathered write
constexpr std::size_t kLarge = std::size_t{64} << 10;   // smaller messages are better written several together
// A server that is gone without a word is noticed after a minute.
constexpr int kIdleSeconds = 30, kProbeSeconds = 10, kProbes = 3, kUnacknowledged = 60'000;

struct Address {
  std::string host, port;
};

Address address_of(const std::string& text) {
  const auto colon = text.rfind(':');
  Address address{text.substr(0, colon), colon == std::string::npos ? "" : text.substr(colon + 1)};
  if (address.host.starts_with('[') && address.host.ends_with(']'))
    address.host = address.host.substr(1, address.host.size() - 2);
  if (address.host.empty() || address.port.empty() || address.port.find_first_not_of("0123456789") != std::string::npos)
    throw ConfigError("'" + text + "' is no address: expected HOST:PORT, for example 127.0.0.1:9002");
  return address;
}

void set_options(tcp::socket& socket) {
  const int fd = socket.native_handle();
  const auto set = [fd](int level, int name, int value) { ::setsockopt(fd, level, name, &value, sizeof value); };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, kIdleSeconds);
  set(IPPROTO_TCP, TCP_KEEPINTVL, kProbeSeconds);
  set(IPPROTO_TCP, TCP_KEEPCNT, kProbes);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, kUnacknowledged);
}

std::string without_line_break(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\0')) text.pop_back();
  return text;
}

}  // namespace

struct Client::Impl {
  Impl(const std::string& where, const TlsFiles& tls, Take t, const wire::Limits& limits);
  ~Impl();

  int connected_socket(const Address& address);
  void run_for_a_while(const char* what);
  Task<void> shake_hands();
  Task<void> read();
  Task<void> write();
  void receive(wire::Frame&& frame, Clock::time_point when);
  void end(ClientEnd::Kind kind, const std::string& words);
  bool put(wire::Outgoing messages, std::size_t most);

  std::string where;
  Take take;
  asio::io_context io{1};
  std::unique_ptr<ByteStream> stream;
  wire::FrameParser parser;
  std::optional<std::string> last_text;  // where a text was the last that came
  std::optional<wire::Ending> said;      // what the server says of the end, to a client of our own

  std::mutex mutex;
  std::condition_variable changed;
  wire::Outgoing waiting;
  bool writing = false, closed = false;  // by us
  std::optional<ClientEnd> over;
  std::map<std::uint64_t, std::string> answers;
  std::uint64_t questions = 0;
  std::thread network;
};

Client::Impl::Impl(const std::string& address, const TlsFiles& tls, Take t, const wire::Limits& limits)
    : where(address), take(std::move(t)), parser(wire::Phase::answers, limits) {
  const Address parts = address_of(address);
  const auto context = client_tls(tls, parts.host);
  stream = open_stream(io, connected_socket(parts), context);
  asio::co_spawn(io, shake_hands(), [this](const std::exception_ptr& failed) {
    try {
      if (failed) std::rethrow_exception(failed);
    } catch (const boost::system::system_error& error) {
      over = ClientEnd{ClientEnd::Kind::lost, error.code().message()};
    }
  });
  run_for_a_while("TLS handshake");
  if (over)
    throw ProtocolError(where + ": the TLS handshake failed (" + over->words +
                        "): does the server have a certificate for this name, and ours from an authority that it knows?");
  asio::co_spawn(io, read(), asio::detached);
  network = std::thread([this] { io.run(); });
}

Client::Impl::~Impl() {
  asio::post(io, [this] { stream->close(); });
  if (network.joinable()) network.join();
}

void Client::Impl::run_for_a_while(const char* what) {
  io.run_for(kConnecting);
  if (!io.stopped())
    throw ProtocolError(where + ": nobody answers (" + what + ", " + std::to_string(kConnecting.count()) +
                        " s): is `counterflow serve` running there?");
  io.restart();
}

int Client::Impl::connected_socket(const Address& address) {
  tcp::socket socket(io);
  boost::system::error_code failed;
  const auto found = tcp::resolver(io).resolve(address.host, address.port, failed);
  if (failed) throw ProtocolError(where + ": the name cannot be resolved (" + failed.message() + ")");
  asio::async_connect(socket, found, [&failed](const boost::system::error_code& error, const tcp::endpoint&) { failed = error; });
  run_for_a_while("connect");
  if (failed) throw ProtocolError(where + ": cannot connect (" + failed.message() + "): is `counterflow serve` running there?");
  set_options(socket);
  return socket.release();
}

Task<void> Client::Impl::shake_hands() { co_await stream->handshake(); }

Task<void> Client::Impl::read() {
  try {
    for (;;) {
      const std::size_t n = co_await stream->read(parser.space(), parser.missing());
      const auto now = Clock::now();
      if (n == 0) {
        parser.end();
        throw ProtocolError("the connection ended without CLOSE");
      }
      parser.commit(n);
      while (auto frame = parser.next()) {
        receive(std::move(*frame), now);
        if (over) co_return;
      }
    }
  } catch (const boost::system::system_error& error) {
    end(ClientEnd::Kind::lost, "the connection was lost: " + error.code().message());
  } catch (const std::exception& error) {
    end(ClientEnd::Kind::lost, error.what());
  }
}

void Client::Impl::receive(wire::Frame&& frame, Clock::time_point when) {
  if (const auto* close = std::get_if<wire::Close>(&frame); close) {
    if (said && !said->complete) return end(ClientEnd::Kind::error, said->error);
    if (!said && last_text) return end(ClientEnd::Kind::error, *last_text);
    return end(ClientEnd::Kind::complete, "");
  }
  last_text.reset();
  if (auto* ending = std::get_if<wire::Ending>(&frame)) {
    said = std::move(*ending);
  } else if (auto* response = std::get_if<wire::Response>(&frame)) {
    const std::lock_guard lock(mutex);
    answers[response->correlation] = std::move(response->answer);
    changed.notify_all();
  } else {
    if (const auto* text = std::get_if<wire::Text>(&frame)) last_text = text->text;
    take(std::move(frame), when);
  }
}

// The first end counts.
void Client::Impl::end(ClientEnd::Kind kind, const std::string& words) {
  const std::lock_guard lock(mutex);
  if (!over) over = ClientEnd{kind, without_line_break(words)};
  changed.notify_all();
}

bool Client::Impl::put(wire::Outgoing messages, std::size_t most) {
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return over || waiting.size() < most; });
  if (over) return false;
  if (!writing && messages.size() >= kLarge) messages.drop(stream->write_at_once(messages.pieces(kPieces)));
  if (messages.empty()) return true;
  waiting.append(std::move(messages));
  if (!std::exchange(writing, true)) asio::post(io, [this] { asio::co_spawn(io, write(), asio::detached); });
  return true;
}

// Until nothing waits any more.
Task<void> Client::Impl::write() {
  try {
    for (;;) {
      wire::Outgoing now;
      {
        const std::lock_guard lock(mutex);
        now = std::exchange(waiting, {});
        changed.notify_all();
        if (now.empty()) {
          writing = false;
          co_return;
        }
      }
      while (!now.empty()) now.drop(co_await stream->write(now.pieces(kPieces)));
    }
  } catch (const boost::system::system_error&) {
    // What the server said before may still come; if not, reading finds the connection lost.
  }
}

Client::Client(const std::string& address, const TlsFiles& tls, Take take, const wire::Limits& limits)
    : impl_(std::make_unique<Impl>(address, tls, std::move(take), limits)) {}
Client::~Client() = default;

bool Client::send(wire::Outgoing messages) { return impl_->put(std::move(messages), kWaiting); }

std::optional<std::string> Client::ask(std::string_view question) {
  wire::Outgoing query;
  const std::uint64_t number = ++impl_->questions;
  wire::put_query(query, number, question);
  if (!send(std::move(query))) return std::nullopt;
  std::unique_lock lock(impl_->mutex);
  impl_->changed.wait(lock, [&] { return impl_->over || impl_->answers.count(number); });
  const auto found = impl_->answers.find(number);
  return found == impl_->answers.end() ? std::nullopt : std::optional(found->second);
}

ClientEnd Client::finish() {
  wire::Outgoing close;
  wire::put_close(close);
  if (!std::exchange(impl_->closed, true)) impl_->put(std::move(close), std::size_t(-1));
  std::unique_lock lock(impl_->mutex);
  impl_->changed.wait(lock, [&] { return impl_->over.has_value(); });
  return *impl_->over;
}

bool offers_compact_views(const std::string& info) {
  std::istringstream lines(info);
  for (std::string line; std::getline(lines, line);) {
    const auto values = words(line);
    if (!values.empty() && values.front() == "message_ids:") return std::ranges::find(values, "2001") != values.end();
  }
  return false;
}

}  // namespace counterflow
