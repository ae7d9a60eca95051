#include "core/server/watch/http_server.h"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include "core/error.h"

namespace counterflow {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Response = http::response<http::string_body>;

constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'";

HttpAnswer refusal(http::status status, const std::string& text) {
  return {static_cast<int>(status), "text/plain; charset=utf-8", text + "\n"};
}

// One that is counted as long as it lives.
struct Counted {
  explicit Counted(std::size_t& count) : count_(count) { ++count_; }
  ~Counted() { --count_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  std::size_t& count_;
};

}  // namespace

bool is_loopback_host(const std::string& host) {
  const std::size_t end = host.starts_with('[') ? host.find(']') + 1 : host.find(':');
  const std::string name = host.substr(0, end), port = host.substr(std::min(end, host.size()));
  if (!port.empty() && (port[0] != ':' || port.find_first_not_of("0123456789", 1) != std::string::npos)) return false;
  error_code error;
  const auto v4 = asio::ip::make_address_v4(name, error);
  return name == "localhost" || name == "[::1]" || (!error && v4.is_loopback());
}

struct HttpServer::Impl {
  asio::io_context context{1};
  tcp::acceptor acceptor{context};
  Handler handler;
  HttpLimits limits;
  std::size_t connections = 0, waiting = 0;

  HttpAnswer answer(const http::request<http::empty_body>& request) const;
  Response response_to(const http::request<http::empty_body>& request) const;
  asio::awaitable<void> accept();
  asio::awaitable<void> serve(tcp::socket socket);
  asio::awaitable<void> discard(beast::tcp_stream& stream, beast::flat_buffer& buffer) const;
  asio::awaitable<bool> send(beast::tcp_stream& stream, Response response, bool head);
};

HttpAnswer HttpServer::Impl::answer(const http::request<http::empty_body>& request) const {
  const auto hosts = request.equal_range(http::field::host);
  if (std::distance(hosts.first, hosts.second) != 1 || !is_loopback_host(std::string(hosts.first->value())))
    return refusal(http::status::forbidden, "expected Host: localhost or a loopback address: this page is of this machine alone");
  if (request.method() != http::verb::get && request.method() != http::verb::head)
    return refusal(http::status::method_not_allowed, "expected GET or HEAD: nothing can be changed from here");
  try {
    return handler(std::string(request.target()));
  } catch (const std::exception& error) {
    return refusal(http::status::internal_server_error, error.what());
  }
}

Response HttpServer::Impl::response_to(const http::request<http::empty_body>& request) const {
  HttpAnswer answered = answer(request);
  if (waiting + answered.body.size() > limits.waiting)
    answered = refusal(http::status::service_unavailable, "too much is being sent already: try again");
  Response response(static_cast<http::status>(answered.status), request.version());
  if (!answered.type.empty()) response.set(http::field::content_type, answered.type);
  response.set(http::field::cache_control, "no-store");
  response.set("Content-Security-Policy", kPolicy);
  response.set("X-Content-Type-Options", "nosniff");
  response.set("Referrer-Policy", "no-referrer");
  response.set("Cross-Origin-Resource-Policy", "same-origin");
  if (response.result() == http::status::method_not_allowed) response.set(http::field::allow, "GET, HEAD");
  response.body() = std::move(answered.body);
  if (response.result() != http::status::no_content) response.content_length(response.body().size());
  response.keep_alive(request.keep_alive());
  return response;
}

asio::awaitable<bool> HttpServer::Impl::send(beast::tcp_stream& stream, Response response, bool head) {
  error_code error;
  const std::size_t size = response.body().size();
  waiting += size;
  if (head) response.body().clear();
  http::response_serializer<http::string_body> serializer(response);
  stream.expires_after(limits.idle);
  co_await http::async_write(stream, serializer, asio::redirect_error(asio::use_awaitable, error));
  waiting -= size;
  co_return !error && response.keep_alive();
}

// Reads what still comes, for a while: closing before would take the answer back.
asio::awaitable<void> HttpServer::Impl::discard(beast::tcp_stream& stream, beast::flat_buffer& buffer) const {
  constexpr std::size_t kMost = std::size_t{4} << 20;
  error_code error;
  stream.socket().shutdown(tcp::socket::shutdown_send, error);
  stream.expires_after(std::chrono::seconds(2));
  for (std::size_t n = 0; !error && n < kMost;) {
    buffer.clear();
    n += co_await stream.async_read_some(buffer.prepare(limits.header), asio::redirect_error(asio::use_awaitable, error));
  }
}

// What cannot be parsed is answered and the connection ends.
asio::awaitable<void> HttpServer::Impl::serve(tcp::socket socket) {
  const Counted counted(connections);
  beast::tcp_stream stream(std::move(socket));
  beast::flat_buffer buffer(limits.header + 4096);
  error_code error;
  stream.socket().set_option(tcp::no_delay(true), error);
  bool more = true;
  for (std::size_t n = 0; more && n < limits.requests; ++n) {
    http::request_parser<http::empty_body> parser;
    parser.header_limit(limits.header);
    stream.expires_after(limits.idle);
    co_await http::async_read(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
    if (error == http::error::end_of_stream || error == beast::error::timeout) break;
    if (error && error.category() == asio::error::get_system_category()) break;  // the connection is gone
    auto request = parser.release();
    if (!error) {
      more = co_await send(stream, response_to(request), request.method() == http::verb::head);
      continue;
    }
    Response bad(error == http::error::header_limit ? http::status::request_header_fields_too_large : http::status::bad_request,
                 11);
    bad.set(http::field::content_type, "text/plain; charset=utf-8");
    bad.body() = "expected a GET of HTTP/1.1 without a body: " + error.message() + "\n";
    bad.keep_alive(false);
    bad.prepare_payload();
    more = co_await send(stream, std::move(bad), false);
    co_await discard(stream, buffer);
  }
  stream.socket().shutdown(tcp::socket::shutdown_send, error);
}

// Errors of accept (descriptors used up, a reset before) are waited out.
asio::awaitable<void> HttpServer::Impl::accept() {
  asio::steady_timer pause(context);
  for (;;) {
    error_code error;
    tcp::socket socket = co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      pause.expires_after(std::chrono::milliseconds(50));
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
    } else if (connections < limits.connections) {
      asio::co_spawn(context, serve(std::move(socket)), asio::detached);  // runs at once, up to its first wait
    }
  }
}

HttpServer::HttpServer(const std::string& host, std::uint16_t port, Handler handler, const HttpLimits& limits)
    : impl_(std::make_unique<Impl>()) {
  impl_->handler = std::move(handler);
  impl_->limits = limits;
  try {
    const tcp::endpoint at(asio::ip::make_address(host), port);
    impl_->acceptor.open(at.protocol());
    impl_->acceptor.set_option(tcp::acceptor::reuse_address(true));
    impl_->acceptor.bind(at);
    impl_->acceptor.listen();
  } catch (const boost::system::system_error& error) {
    throw ConfigError("cannot listen on " + host + " port " + std::to_string(port) + " for the page: " + error.code().message() +
                      "; choose another port, or 0 for one that is free");
  }
  asio::co_spawn(impl_->context, impl_->accept(), asio::detached);
}

HttpServer::~HttpServer() = default;

std::uint16_t HttpServer::port() const { return impl_->acceptor.local_endpoint().port(); }

void HttpServer::every(std::chrono::milliseconds period, std::function<void()> work) {
  asio::co_spawn(
      impl_->context,
      [](asio::io_context& context, auto wait, auto call) -> asio::awaitable<void> {
        for (asio::steady_timer timer(context);;) {
          call();
          timer.expires_after(wait);
          co_await timer.async_wait(asio::use_awaitable);
        }
      }(impl_->context, period, std::move(work)),
      asio::detached);
}

void HttpServer::stop_on_readable(int descriptor) {
  auto watched = std::make_shared<asio::posix::stream_descriptor>(impl_->context, descriptor);
  watched->async_wait(asio::posix::stream_descriptor::wait_read, [this, watched](const error_code&) {
    watched->release();
    stop();
  });
}

void HttpServer::run() { impl_->context.run(); }
void HttpServer::stop() { impl_->context.stop(); }

}  // namespace counterflow
