// Messages over loopback: client, server and eight gadgets that pass views on, all on the cores of one machine. Beside them the
// same bytes by plain sockets, sent back as they come: what the kernel alone takes.
#include <benchmark/benchmark.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <thread>

#include "core/archive/scan_header_xml.h"
#include "core/server/client.h"
#include "core/server/session.h"
#include "core/server/view_codec.h"

namespace counterflow {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kGadgets = 8;

// One bin and one row of so many bytes.
ScanHeader scan_of(std::size_t bytes, std::size_t views) {
  ScanHeader h;
  h.geometry.beam = Beam::parallel;
  h.geometry.rows = bytes / 4096;
  h.geometry.columns = 1024;
  h.geometry.views = views;
  h.geometry.views_per_rotation = 1024;
  h.geometry.column_pitch = h.geometry.row_pitch = 1;
  h.geometry.angle_step = 1e-3;
  h.system.bins = 1;
  h.system.bin_spectra = "";
  h.system.thresholds = {30};
  h.system.tube_voltage = 120;
  h.system.detector = "ideal";
  h.system.open_beam_counts = 1e5;
  h.grid.nx = h.grid.ny = 8;
  h.grid.nz = h.geometry.rows;
  return h;
}

std::string chain_xml() {
  std::string xml = "<configuration><version>2</version><stream>";
  for (std::size_t i = 0; i < kGadgets; ++i)
    xml += "<gadget><name>g" + std::to_string(i) +
           "</name><dll>counterflow_test_gadgets</dll><classname>TestPass</classname></gadget>";
  return xml + "</stream></configuration>";
}

int listening_socket(sockaddr_in& address) {
  const int listening = ::socket(AF_INET, SOCK_STREAM, 0);
  address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listening, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listening, 4) != 0) std::abort();
  ::getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size);
  return listening;
}

void without_delay(int socket) {
  const int one = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

// A process that serves one client.
class Server {
 public:
  template <class Serve>
  explicit Server(Serve serve) {
    const int listening = listening_socket(address_);
    process_ = ::fork();
    if (process_ == 0) {
      const int socket = ::accept(listening, nullptr, nullptr);
      ::close(listening);
      without_delay(socket);
      serve(socket);
      ::_exit(0);
    }
    ::close(listening);
  }
  ~Server() { ::waitpid(process_, nullptr, 0); }
  std::string address() const { return "127.0.0.1:" + std::to_string(ntohs(address_.sin_port)); }
  const sockaddr_in& socket_address() const { return address_; }

 private:
  sockaddr_in address_{};
  pid_t process_ = 0;
};

// As the command sets it (pipelines/counterflow/main.cpp).
const bool memory_is_kept = [] {
  mallopt(M_MMAP_THRESHOLD, 64 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
  return mallopt(M_TOP_PAD, 16 << 20) == 1;
}();

void serve_chain(int socket) {
  SessionSettings settings;
  settings.allow_client_chains = true;
  settings.plugins = {COUNTERFLOW_TEST_PLUGIN_DIR};
  serve_session(socket, 1, "benchmark", settings, [](const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); });
}

// A session of our own client; `come` hears of each view that comes back.
class LiveScan {
 public:
  LiveScan(const ScanHeader& scan, std::function<void(std::size_t)> come)
      : server_(serve_chain), client_(server_.address(), {}, [this, come](wire::Frame&& frame, Client::Clock::time_point) {
          if (std::holds_alternative<wire::CompactView>(frame)) come(views_++);
        }) {
    wire::Outgoing out;
    wire::put_wish(out, "views");
    wire::put_config_script(out, chain_xml());
    wire::put_header(out, header_to_xml(scan));
    client_.send(std::move(out));
    auto view = std::make_shared<Counts<float>>();
    view->counts = Array<float, 3>({scan.bins(), scan.geometry.rows, scan.geometry.columns});
    for (std::size_t i = 0; i < view->counts.size(); ++i) view->counts[i] = static_cast<float>(i % 1000) + 0.5f;
    view_ = std::move(view);
  }
  void send(std::size_t index) {
    wire::CompactView head{.view = {.index = index, .angle = 1e-3 * static_cast<double>(index)},
                           .encoding = wire::Encoding::f32,
                           .bins = view_->counts.extent(0),
                           .rows = view_->counts.extent(1),
                           .columns = view_->counts.extent(2),
                           .values = {}};
    wire::Outgoing out;
    wire::put_view(out, head, std::as_bytes(std::span(view_->counts.values())), view_);
    client_.send(std::move(out));
  }
  void finish(benchmark::State& state, std::size_t expected) {
    const ClientEnd end = client_.finish();
    if (end.kind != ClientEnd::Kind::complete) state.SkipWithError(("not complete: " + end.words).c_str());
    if (views_ != expected) state.SkipWithError("views are missing");
  }

 private:
  std::atomic<std::size_t> views_{0};
  Server server_;
  Client client_;
  Sent<Counts<float>> view_;
};

// [s] for `count` messages there and back.
double through_the_chain(benchmark::State& state, std::size_t bytes, std::size_t count) {
  LiveScan scan(scan_of(bytes, count + 1), [](std::size_t) {});
  scan.send(0);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // plugins, tables
  const auto from = Clock::now();
  for (std::size_t i = 1; i <= count; ++i) scan.send(i);
  scan.finish(state, count + 1);
  return std::chrono::duration<double>(Clock::now() - from).count();
}

// The same by sockets alone.
double through_sockets(std::size_t bytes, std::size_t count) {
  const Server server([](int socket) {
    std::vector<char> buffer(256 << 10);
    for (ssize_t n; (n = ::read(socket, buffer.data(), buffer.size())) > 0;)
      for (ssize_t done = 0; done < n;)
        done += std::max<ssize_t>(0, ::write(socket, buffer.data() + done, static_cast<std::size_t>(n - done)));
  });
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&server.socket_address()), sizeof(sockaddr_in)) != 0) std::abort();
  without_delay(socket);
  const auto from = Clock::now();
  std::thread reader([&] {
    std::vector<char> buffer(256 << 10);
    for (std::size_t left = bytes * count; left > 0;) {
      const ssize_t n = ::read(socket, buffer.data(), std::min(left, buffer.size()));
      if (n <= 0) std::abort();
      left -= static_cast<std::size_t>(n);
    }
  });
  const std::vector<char> message(bytes);
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t done = 0; done < bytes;) {
      const ssize_t n = ::write(socket, message.data() + done, bytes - done);
      if (n <= 0) std::abort();
      done += static_cast<std::size_t>(n);
    }
  reader.join();
  ::close(socket);
  return std::chrono::duration<double>(Clock::now() - from).count();
}

void loopback(benchmark::State& state) {
  const auto bytes = static_cast<std::size_t>(state.range(0)) << 10;
  const std::size_t count = (std::size_t{2} << 30) / bytes;
  std::vector<double> chain, sockets;
  for (auto _ : state) {
    chain.push_back(through_the_chain(state, bytes, count));
    sockets.push_back(through_sockets(bytes, count));
    state.SetIterationTime(chain.back());
  }
  const auto median = [](std::vector<double>& v) {
    std::ranges::sort(v);
    return v[v.size() / 2];
  };
  const double total = static_cast<double>(bytes * count), seconds = median(chain);
  state.counters["bytes_per_s"] = total / seconds;
  state.counters["messages_per_s"] = static_cast<double>(count) / seconds;
  state.counters["of_plain_sockets"] = median(sockets) / seconds;
}
BENCHMARK(loopback)->Arg(256)->Arg(16)->UseManualTime()->Iterations(1)->Unit(benchmark::kMillisecond)->ArgName("KiB");

// Views of 16 KiB, one every so many microseconds: from the last byte handed over to the last byte back.
void round_trip(benchmark::State& state) {
  const std::chrono::microseconds gap(state.range(0));
  const std::size_t count =
      static_cast<std::size_t>(std::min<std::int64_t>(2000, 2'000'000 / std::max<std::int64_t>(1, gap.count())));
  std::vector<Clock::time_point> sent(count + 1);
  std::vector<double> milliseconds(count + 1);
  for (auto _ : state) {
    LiveScan scan(scan_of(16 << 10, count + 1), [&](std::size_t i) {
      milliseconds[i] = std::chrono::duration<double, std::milli>(Clock::now() - sent[i]).count();
    });
    sent[0] = Clock::now();
    scan.send(0);
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    const auto from = Clock::now();
    for (std::size_t i = 1; i <= count; ++i) {
      std::this_thread::sleep_until(from + gap * static_cast<std::int64_t>(i));
      sent[i] = Clock::now();
      scan.send(i);
    }
    scan.finish(state, count + 1);
  }
  milliseconds.erase(milliseconds.begin());
  std::ranges::sort(milliseconds);
  state.counters["median_ms"] = milliseconds[milliseconds.size() / 2];
  state.counters["slowest_percent_ms"] = milliseconds[milliseconds.size() * 99 / 100];
}
BENCHMARK(round_trip)->Arg(200)->Arg(1000)->Arg(20000)->Iterations(1)->Unit(benchmark::kMillisecond)->ArgName("gap_us");

}  // namespace
}  // namespace counterflow
