// TLS 1.3 with certificates on both sides: who has none that the authority signed does not get in.
#pragma once
#include <filesystem>
#include <memory>
#include <string>

namespace counterflow {

struct TlsFiles {
  std::filesystem::path certificate, key;  // of this side, PEM
  std::filesystem::path authority;         // that signed the other side's, PEM
  bool none() const { return certificate.empty() && key.empty() && authority.empty(); }
};

class TlsContext;  // a boost::asio::ssl::context (byte_stream.cpp)

// Null where no file is named. Throws ConfigError where some are missing, or cannot be read or do not belong together.
std::shared_ptr<TlsContext> server_tls(const TlsFiles& files);
// `host` must be what the server's certificate was made for.
std::shared_ptr<TlsContext> client_tls(const TlsFiles& files, const std::string& host);

}  // namespace counterflow
