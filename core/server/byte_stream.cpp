#include "core/server/byte_stream.h"

#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/ssl.hpp>

#include "core/error.h"

namespace counterflow {

class TlsContext {
 public:
  asio::ssl::context context{asio::ssl::context::tls};
  asio::ssl::stream_base::handshake_type side = asio::ssl::stream_base::server;
  std::string host;  // of the server, for a client
};

namespace {

using Socket = asio::generic::stream_protocol::socket;

Socket taken_over(asio::io_context& io, int socket) {
  Socket taken(io);
  taken.assign(asio::generic::stream_protocol(AF_INET, 0), socket);
  taken.non_blocking(true);
  return taken;
}

std::array<asio::mutable_buffer, 2> buffers_of(const std::array<std::span<std::byte>, 2>& space) {
  return {asio::buffer(space[0].data(), space[0].size()), asio::buffer(space[1].data(), space[1].size())};
}

std::vector<asio::const_buffer> buffers_of(const std::vector<std::span<const std::byte>>& pieces) {
  std::vector<asio::const_buffer> buffers;
  for (const auto& piece : pieces) buffers.emplace_back(piece.data(), piece.size());
  return buffers;
}

template <class Stream>
Task<std::size_t> read_some(Stream& stream, std::array<std::span<std::byte>, 2> space) {
  boost::system::error_code error;
  const std::size_t n = co_await stream.async_read_some(buffers_of(space), asio::redirect_error(asio::use_awaitable, error));
  if (error == asio::error::eof || error == asio::ssl::error::stream_truncated) co_return 0;
  if (error) throw boost::system::system_error(error);
  co_return n;
}

class PlainStream final : public ByteStream {
 public:
  PlainStream(asio::io_context& io, int socket) : socket_(taken_over(io, socket)) {}
  Task<void> handshake() override { co_return; }
  Task<std::size_t> read(std::array<std::span<std::byte>, 2> space, std::size_t missing) override {
    const int enough = missing < kLarge ? 1 : static_cast<int>(std::min(missing, kMostAtOnce));
    if (enough != enough_) ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVLOWAT, &enough, sizeof enough);
    enough_ = enough;
    return read_some(socket_, space);
  }
  Task<std::size_t> write(const std::vector<std::span<const std::byte>>& pieces) override {
    co_return co_await socket_.async_write_some(buffers_of(pieces), asio::use_awaitable);
  }
  std::size_t write_at_once(const std::vector<std::span<const std::byte>>& pieces) override {
    std::array<iovec, 16> parts{};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = std::min(parts.size(), pieces.size());
    for (std::size_t i = 0; i < message.msg_iovlen; ++i) parts[i] = {const_cast<std::byte*>(pieces[i].data()), pieces[i].size()};
    return static_cast<std::size_t>(
        std::max<ssize_t>(0, ::sendmsg(socket_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL)));
  }
  void end_writing() override {
    boost::system::error_code ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
  }
  void close() override {
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

 private:
  static constexpr std::size_t kLarge = std::size_t{64} << 10, kMostAtOnce = std::size_t{256} << 10;
  Socket socket_;
  int enough_ = 1;  // bytes for which reading is woken up
};

class TlsStream final : public ByteStream {
 public:
  TlsStream(asio::io_context& io, int socket, std::shared_ptr<TlsContext> tls)
      : tls_(std::move(tls)), stream_(taken_over(io, socket), tls_->context) {
    if (tls_->host.empty()) return;
    stream_.set_verify_callback(asio::ssl::host_name_verification(tls_->host));
    SSL_set_tlsext_host_name(stream_.native_handle(), tls_->host.c_str());
  }
  Task<void> handshake() override { co_await stream_.async_handshake(tls_->side, asio::use_awaitable); }
  Task<std::size_t> read(std::array<std::span<std::byte>, 2> space, std::size_t) override { return read_some(stream_, space); }
  Task<std::size_t> write(const std::vector<std::span<const std::byte>>& pieces) override {
    co_return co_await stream_.async_write_some(buffers_of(pieces), asio::use_awaitable);
  }
  void end_writing() override {}  // TLS 1.3 could, Asio cannot: CLOSE says it
  void close() override {
    SSL_shutdown(stream_.native_handle());  // as far as it goes at once
    boost::system::error_code ignored;
    stream_.lowest_layer().close(ignored);
  }

 private:
  std::shared_ptr<TlsContext> tls_;
  asio::ssl::stream<Socket> stream_;
};

std::shared_ptr<TlsContext> context_of(const TlsFiles& files, const char* other_side) {
  if (files.none()) return nullptr;
  for (const auto& [name, file] : {std::pair{"--certificate", files.certificate},
                                   {"--key", files.key},
                                   {"the authority that signed the other side's certificate", files.authority}})
    if (file.empty())
      throw ConfigError(std::string("TLS needs a certificate, its key and an authority: ") + name + " is missing");
  auto tls = std::make_shared<TlsContext>();
  const std::filesystem::path* at = &files.certificate;
  try {
    SSL_CTX_set_min_proto_version(tls->context.native_handle(), TLS1_3_VERSION);
    tls->context.use_certificate_chain_file(files.certificate.string());
    at = &files.key;
    tls->context.use_private_key_file(files.key.string(), asio::ssl::context::pem);
    at = &files.authority;
    tls->context.load_verify_file(files.authority.string());
  } catch (const boost::system::system_error& error) {
    throw ConfigError(at->string() + ": cannot be used for TLS (" + error.code().message() +
                      "): expected a certificate with its chain, the key that belongs to it, and the authority of the " +
                      other_side + ", each a PEM file");
  }
  tls->context.set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
  return tls;
}

}  // namespace

std::shared_ptr<TlsContext> server_tls(const TlsFiles& files) { return context_of(files, "clients"); }

std::shared_ptr<TlsContext> client_tls(const TlsFiles& files, const std::string& host) {
  auto tls = context_of(files, "server");
  if (tls) {
    tls->side = asio::ssl::stream_base::client;
    tls->host = host;
  }
  return tls;
}

std::unique_ptr<ByteStream> open_stream(asio::io_context& io, int socket, const std::shared_ptr<TlsContext>& tls) {
  if (tls) return std::make_unique<TlsStream>(io, socket, tls);
  return std::make_unique<PlainStream>(io, socket);
}

}  // namespace counterflow
