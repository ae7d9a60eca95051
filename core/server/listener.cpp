#include "core/server/listener.h"

#include <fcntl.h>
#include <grp.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>

#include "core/error.h"
#include "core/server/asio.h"
#include "core/server/frame_writer.h"
#include "core/server/recorder.h"
#include "core/server/server_log.h"
#include "core/server/status.h"
#include "core/server/watch/watch.h"

namespace counterflow {
namespace {

using asio::ip::tcp;

constexpr auto kEnding = std::chrono::seconds(4);        // between SIGTERM to a session and SIGKILL
constexpr auto kRefusing = std::chrono::seconds(1);      // for a client that is sent away to read why
constexpr auto kRetry = std::chrono::milliseconds(100);  // after accept() failed
constexpr auto kWatchAgain = std::chrono::seconds(1);    // after the page's process ended
constexpr std::size_t kMostRefusals = 32;                // at a time

double seconds_since_1970() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

struct Address {
  std::string host;
  std::string port;
};

Address address_of(const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == text.size())
    throw ConfigError("--listen expects HOST:PORT, such as 127.0.0.1:9002, got '" + text + "'");
  std::string host = text.substr(0, colon);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return {host, text.substr(colon + 1)};
}

std::string text_of(const tcp::endpoint& endpoint) {
  const std::string host = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(endpoint.port());
}

tcp::endpoint resolved(asio::io_context& io, const std::string& text) {
  const Address address = address_of(text);
  boost::system::error_code error;
  const auto found = tcp::resolver(io).resolve(address.host, address.port, tcp::resolver::passive, error);
  if (error || found.empty()) throw ConfigError("--listen " + text + ": " + error.message());
  return found.begin()->endpoint();
}

// For good: nothing of what was before can be had again.
void become(const std::string& user) {
  if (user.empty()) return;
  errno = 0;
  const passwd* entry = getpwnam(user.c_str());
  if (!entry) throw ConfigError("--user " + user + ": this machine has no such user");
  if (entry->pw_uid == geteuid()) return;
  if (initgroups(user.c_str(), entry->pw_gid) != 0 || setgid(entry->pw_gid) != 0 || setuid(entry->pw_uid) != 0)
    throw ConfigError("--user " + user + ": cannot be become (" + std::strerror(errno) + "); start the server as root or as " +
                      user);
  if (setuid(0) == 0) throw ConfigError("--user " + user + ": root could be had again");
}

// Of this process's life, in memory where there is such a folder.
std::filesystem::path make_status_folder() {
  std::string name = (std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : std::filesystem::temp_directory_path().string()) +
                     "/counterflow-XXXXXX";
  if (!mkdtemp(name.data()))
    throw ArchiveError(name + ": a folder for the sessions' status cannot be made: " + std::strerror(errno));
  return name;
}

void send_without_delay(tcp::socket& socket) {
  boost::system::error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
}

}  // namespace

struct Listener::Impl {
  explicit Impl(ListenerSettings s);
  ~Impl();
  void run();
  Task<void> accept();
  Task<void> obey();
  Task<void> reap();
  void admit(tcp::socket socket);
  void serve(tcp::socket socket, const tcp::endpoint& client);
  Task<void> refuse(tcp::socket refused, std::string why);
  void ended(pid_t process, int status);
  template <class Work>
  pid_t fork_for(Work work);
  void start_watching();
  Task<void> watch_again();
  void recover_old_recordings();
  std::size_t from(const std::string& host) const;
  void signal_all(int signal);

  struct Child {
    std::uint64_t number = 0;
    std::string host;
  };

  ListenerSettings settings;
  asio::io_context io{1};
  tcp::acceptor acceptor{io};
  asio::signal_set orders{io}, children_ended{io};
  std::string bound;
  std::filesystem::path status;
  std::optional<ServerLog> log;
  std::map<pid_t, Child> children;
  pid_t watcher = 0;  // the page's process
  std::string page;   // its URL
  std::uint64_t last_number = 0;
  std::size_t refusals = 0;
  bool draining = false;
};

Listener::Impl::Impl(ListenerSettings s) : settings(std::move(s)) {
  if (geteuid() == 0 && settings.user.empty())
    throw ConfigError("a server does not run as root: name the user to become (--user NAME), or start it as one");
  if (!std::filesystem::is_directory(settings.session.chains))
    throw ConfigError("--chains " + settings.session.chains.string() + ": is no folder");
  if (!settings.session.record.empty() && !std::filesystem::is_directory(settings.session.record))
    throw ConfigError("--record " + settings.session.record.string() + ": is no folder: make it first");
  const tcp::endpoint endpoint = resolved(io, settings.address);
  settings.session.tls = server_tls(settings.tls);
  if (!endpoint.address().is_loopback() && !settings.session.tls)
    throw ConfigError("--listen " + settings.address +
                      " lets other machines in: give --certificate, --key and --client-ca (TLS with certificates on both sides), "
                      "or listen on 127.0.0.1 and forward the port by ssh");
  boost::system::error_code error;
  acceptor.open(endpoint.protocol());
  acceptor.set_option(tcp::acceptor::reuse_address(true));
  acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) throw ArchiveError("--listen " + settings.address + ": " + error.message());
  bound = text_of(acceptor.local_endpoint());
  become(settings.user);
  if (!settings.http.empty()) status = make_status_folder();
  settings.session.status = status;
  log.emplace(status, settings.log_lines, settings.quiet);
  start_watching();
}

Listener::Impl::~Impl() {
  if (watcher > 0) ::kill(watcher, SIGTERM), ::waitpid(watcher, nullptr, 0);
  if (status.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(status, ignored);
}

// Runs `work` in a process of its own, which ends with what it returns.
template <class Work>
pid_t Listener::Impl::fork_for(Work work) {
  io.notify_fork(asio::io_context::fork_prepare);
  const pid_t process = ::fork();
  if (process == 0) {
    io.notify_fork(asio::io_context::fork_child);
    boost::system::error_code ignored;
    orders.cancel(ignored);
    orders.clear(ignored);
    children_ended.clear(ignored);
    acceptor.close(ignored);
    int code = 2;
    try {
      code = work();
    } catch (const std::exception& error) {
      log->write("", error.what());
    }
    ::_exit(code);  // nothing of the listener's is undone here
  }
  io.notify_fork(asio::io_context::fork_parent);
  if (process < 0) log->write("", std::string("no process for a client can be made: ") + std::strerror(errno));
  return process;
}

// The page's process says by one line what came of it: its URL, or "!" and the error.
void Listener::Impl::start_watching() {
  if (settings.http.empty()) return;
  int line[2];
  if (::pipe2(line, O_CLOEXEC) != 0) throw ArchiveError(std::string("no pipe can be made: ") + std::strerror(errno));
  watcher = fork_for([&] {
    const auto tell = [&](const std::string& text) {
      [[maybe_unused]] const ssize_t written = ::write(line[1], text.data(), text.size());
      ::close(line[1]);
    };
    ::close(line[0]);
    try {
      watch({.status = status,
             .address = settings.http,
             .title = "counterflow serve " + bound,
             .version = settings.session.version},
            tell);
    } catch (const Error& error) {
      tell(std::string("!") + error.what());
      return 1;
    }
    return 0;
  });
  ::close(line[1]);
  std::string said(4096, '\0');
  said.resize(static_cast<std::size_t>(std::max<ssize_t>(0, ::read(line[0], said.data(), said.size()))));
  ::close(line[0]);
  if (said.empty() || said.front() == '!')
    throw ConfigError("--http: " + (said.empty() ? "the page's process ended at once" : said.substr(1)));
  page = said;
}

// As long as sessions go on, somebody may want to watch them.
Task<void> Listener::Impl::watch_again() {
  asio::steady_timer timer(io, kWatchAgain);
  co_await timer.async_wait(asio::use_awaitable);
  if (draining) co_return;
  try {
    start_watching();
  } catch (const Error& error) {
    log->write("page", error.what());
  }
}

void Listener::Impl::recover_old_recordings() {
  if (!settings.session.record.empty())
    fork_for([this] {
      recover_recordings(settings.session.record, [this](const std::string& text) { log->write("recordings", text); });
      return 0;
    });
}

void Listener::Impl::run() {
  orders.add(SIGTERM);
  orders.add(SIGINT);
  children_ended.add(SIGCHLD);
  recover_old_recordings();
  asio::co_spawn(io, accept(), asio::detached);
  asio::co_spawn(io, obey(), asio::detached);
  asio::co_spawn(io, reap(), asio::detached);
  io.run();
}

Task<void> Listener::Impl::accept() {
  while (!draining) {
    boost::system::error_code error;
    tcp::socket socket = co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (!error) try {
        admit(std::move(socket));
        continue;
      } catch (const boost::system::system_error& failed) {
        error = failed.code();
      }
    if (draining) break;
    log->write("", "a client could not be accepted: " + error.message());
    asio::steady_timer timer(io, kRetry);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

std::size_t Listener::Impl::from(const std::string& host) const {
  return static_cast<std::size_t>(std::ranges::count_if(children, [&](const auto& child) { return child.second.host == host; }));
}

void Listener::Impl::admit(tcp::socket socket) {
  boost::system::error_code gone;
  const auto peer = socket.remote_endpoint(gone);
  if (gone) return;  // reset before it was accepted
  send_without_delay(socket);
  const std::string host = peer.address().to_string();
  std::string why;
  if (children.size() >= settings.sessions)
    why = "the server is busy: it serves " + std::to_string(children.size()) + " clients already (--sessions); try again later";
  else if (const std::size_t n = from(host); n >= settings.sessions_per_address)
    why = "the server serves " + std::to_string(n) + " clients of " + host +
          " already (--sessions-per-address); close one, or try again later";
  if (why.empty()) return serve(std::move(socket), peer);
  log->write("", host + " is sent away: " + why);
  if (refusals < kMostRefusals && !settings.session.tls) asio::co_spawn(io, refuse(std::move(socket), why), asio::detached);
}

void Listener::Impl::serve(tcp::socket socket, const tcp::endpoint& client) {
  const std::uint64_t number = ++last_number;
  const std::string peer = text_of(client);  // the socket may not know it any more
  const pid_t process = fork_for([&] {
    const std::string who = "session " + std::to_string(number);
    const auto tell = [&](const std::string& text) { log->write(who, text); };
    tell("begins, with " + peer);
    const SessionEnd end = serve_session(socket.release(), number, peer, settings.session, tell);
    tell(end == SessionEnd::complete ? "complete" : end == SessionEnd::error ? "ended with an error" : "lost");
    return static_cast<int>(end);
  });
  if (process > 0) children[process] = {number, client.address().to_string()};
}

// Says why and waits a little for the client to read it: closing at once could take it back.
Task<void> Listener::Impl::refuse(tcp::socket refused, std::string why) {
  ++refusals;
  const auto socket = std::make_shared<tcp::socket>(std::move(refused));
  wire::Outgoing out;
  wire::put_text(out, why + "\n");
  wire::put_close(out);
  boost::system::error_code ignored;
  std::vector<asio::const_buffer> pieces;
  for (const auto piece : out.pieces(8)) pieces.emplace_back(piece.data(), piece.size());
  socket->non_blocking(true, ignored);
  socket->write_some(pieces, ignored);
  socket->shutdown(tcp::socket::shutdown_send, ignored);
  asio::steady_timer timer(io, kRefusing);
  timer.async_wait([socket](const boost::system::error_code&) {
    boost::system::error_code closed;
    socket->close(closed);
  });
  std::array<std::byte, 4096> read;
  for (boost::system::error_code end; !end;)
    co_await socket->async_read_some(asio::buffer(read), asio::redirect_error(asio::use_awaitable, end));
  --refusals;
}

Task<void> Listener::Impl::reap() {
  for (;;) {
    int exit_status = 0;
    while (const pid_t process = ::waitpid(-1, &exit_status, WNOHANG)) {
      if (process < 0) break;
      ended(process, exit_status);
    }
    if (draining && children.empty()) break;
    boost::system::error_code error;
    co_await children_ended.async_wait(asio::redirect_error(asio::use_awaitable, error));
    if (error) break;
  }
  io.stop();
}

void Listener::Impl::ended(pid_t process, int exit_status) {
  if (process == watcher && !draining) {
    log->write("page", "its process ended; another one begins");
    asio::co_spawn(io, watch_again(), asio::detached);
  }
  const auto found = children.find(process);
  if (found == children.end()) return;
  const Child child = found->second;
  children.erase(found);
  if (!WIFSIGNALED(exit_status)) return;
  const std::string why = std::string("its process ended by signal ") + std::to_string(WTERMSIG(exit_status)) + " (" +
                          strsignal(WTERMSIG(exit_status)) + ")";
  log->write("session " + std::to_string(child.number), why);
  if (!status.empty()) tell_lost(status, child.number, seconds_since_1970(), why);
}

void Listener::Impl::signal_all(int signal) {
  for (const auto& [process, child] : children) ::kill(process, signal);
}

Task<void> Listener::Impl::obey() {
  co_await orders.async_wait(asio::use_awaitable);
  draining = true;
  boost::system::error_code ignored;
  acceptor.close(ignored);
  log->write("", "no more clients are taken in; " + std::to_string(children.size()) + " sessions go on");
  if (children.empty()) io.stop();
  asio::steady_timer timer(io, settings.drain);
  co_await timer.async_wait(asio::use_awaitable);
  signal_all(SIGTERM);
  timer.expires_after(kEnding);
  co_await timer.async_wait(asio::use_awaitable);
  signal_all(SIGKILL);
}

Listener::Listener(ListenerSettings settings) : impl_(std::make_unique<Impl>(std::move(settings))) {}
Listener::~Listener() = default;
std::string Listener::address() const { return impl_->bound; }
std::string Listener::page() const { return impl_->page; }
void Listener::run() { impl_->run(); }

}  // namespace counterflow
