#include "core/server/watch/watch.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <chrono>

#include "core/error.h"
#include "core/server/small_file.h"
#include "core/server/status.h"
#include "core/server/watch/api.h"
#include "core/server/watch/http_server.h"

namespace counterflow {
namespace {

double seconds_since_1970() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

}  // namespace

LoopbackAddress loopback_address(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  const std::string host = text.substr(0, colon), port = colon == std::string::npos ? "" : text.substr(colon + 1);
  if (port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != std::string::npos || std::stoul(port) > 65535)
    throw ConfigError("expected an address and a port for the page, as 127.0.0.1:8080, got '" + text + "'");
  if (!is_loopback_host(host))
    throw ConfigError(
        "the page asks for no password and is shown on this machine alone: expected a loopback address, as 127.0.0.1:" + port +
        ", got '" + text + "'; to watch from another machine, open a tunnel there: ssh -L " + port + ":127.0.0.1:" + port +
        " THIS_MACHINE");
  return {host == "localhost" ? "127.0.0.1" : host == "[::1]" ? "::1" : host, static_cast<std::uint16_t>(std::stoul(port))};
}

struct WatchServer::Impl {
  WatchSettings settings;
  LoopbackAddress address;
  WatchApi api;
  HttpServer http;

  explicit Impl(const WatchSettings& s)
      : settings(s),
        address(loopback_address(s.address)),
        api(s, seconds_since_1970),
        http(address.host, address.port, [this](const std::string& target) { return api.answer(target); }) {
    http.every(std::chrono::seconds(2), [this] { remove_old_sessions(settings.status, settings.kept_sessions); });
  }
};

WatchServer::WatchServer(const WatchSettings& settings) : impl_(std::make_unique<Impl>(settings)) {}
WatchServer::~WatchServer() = default;

std::string WatchServer::url() const {
  const std::string& host = impl_->address.host;
  return "http://" + (host == "::1" ? "[::1]" : host) + ":" + std::to_string(impl_->http.port()) + "/";
}

void WatchServer::run() { impl_->http.run(); }
void WatchServer::stop() { impl_->http.stop(); }
void WatchServer::stop_on_readable(int descriptor) { impl_->http.stop_on_readable(descriptor); }

// Signals are read from a descriptor: nothing of the process that started this one is in the way.
void watch(const WatchSettings& settings, const std::function<void(const std::string& url)>& listening) {
  sigset_t ends;
  ::sigemptyset(&ends);
  for (const int number : {SIGTERM, SIGINT}) {
    ::sigaddset(&ends, number);
    ::signal(number, SIG_DFL);
  }
  ::sigprocmask(SIG_BLOCK, &ends, nullptr);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  const Descriptor signals(::signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals) throw ConfigError("the page cannot be served: no descriptor for signals");
  WatchServer server(settings);
  server.stop_on_readable(signals.get());
  if (listening) listening(server.url());
  server.run();
}

}  // namespace counterflow
