#include "core/server/watch/watch.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>
#include <thread>

#include "core/error.h"
#include "core/physics/material.h"
#include "core/server/status.h"
#include "core/server/watch/http_server.h"

namespace counterflow {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

struct Answer {
  int status = 0;
  std::string head, body;
};

// What a server at a port answers to bytes, until it closes the connection.
std::string conversation(std::uint16_t port, const std::string& bytes) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(socket, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  ::shutdown(socket, SHUT_WR);
  std::string all;
  char buffer[65536];
  for (ssize_t n; (n = ::recv(socket, buffer, sizeof buffer, 0)) > 0;) all.append(buffer, static_cast<std::size_t>(n));
  ::close(socket);
  return all;
}

Answer parsed(const std::string& all) {
  const std::size_t end = all.find("\r\n\r\n");
  if (end == std::string::npos) return {};
  return {std::stoi(all.substr(9, 3)), all.substr(0, end), all.substr(end + 4)};
}

class Watch : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "watch_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    settings_ = {folder_ = name, "127.0.0.1:0", "counterflow serve 127.0.0.1:9002", "1.2.3", 50};
    server_ = std::make_unique<WatchServer>(settings_);
    const std::string url = server_->url();
    port_ = static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
    thread_ = std::thread([this] { server_->run(); });
  }
  void TearDown() override {
    server_->stop();
    thread_.join();
    fs::remove_all(folder_);
  }
  Answer get(const std::string& target, const std::string& host = "localhost", const std::string& method = "GET") const {
    return parsed(conversation(port_, method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n"));
  }
  WatchSettings settings_;
  fs::path folder_;
  std::unique_ptr<WatchServer> server_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

SessionStatus session(std::uint64_t number, const std::string& state) {
  SessionStatus s;
  s.number = number;
  s.chain = "material_images.xml";
  s.state = state;
  s.views = 100 * number, s.bytes_in = 1000, s.bytes_out = 10, s.images = 2, s.previews = 3, s.waiting_bytes = 5;
  s.last_image_latency = 0.25;
  s.gadgets = {{"air", "AirCalibration", "Counts", "Counts", 7, 1, 0.5, ""},
               {"say \"\\\n", "FBP", "PathLengths", "Image", 1, 2, 0.25, ""}};
  return s;
}

StatusPicture picture(std::uint64_t version, const std::vector<std::string>& names) {
  StatusPicture p;
  p.version = version;
  p.channels = {"density", "g/cm^3", names};
  p.grid = {.nx = 5, .ny = 3};
  p.value = Array<float, 3>({names.size(), 3, 5});
  for (std::size_t i = 0; i < p.value.size(); ++i) p.value[i] = 0.5F * static_cast<float>(i);
  return p;
}

TEST_F(Watch, tells_of_sessions_and_of_one) {
  write_status(folder_, session(1, "complete"));
  write_status(folder_, session(2, "stream"));
  write_picture(folder_, 2, picture(6, {"water"}));
  const json all = json::parse(get("/api/sessions").body);
  EXPECT_EQ(all["title"], "counterflow serve 127.0.0.1:9002");
  EXPECT_EQ(all["version"], "1.2.3");
  EXPECT_GT(all["now"].get<double>(), 1.7e9);
  ASSERT_EQ(all["sessions"].size(), 2U);
  EXPECT_EQ(all["sessions"][0]["picture"], 0);
  EXPECT_EQ(all["sessions"][1]["picture"], 6);
  EXPECT_EQ(all["sessions"][1]["views"], 200);
  EXPECT_FALSE(all["sessions"][1].contains("gadgets"));
  const json one = json::parse(get("/api/sessions/2").body);
  EXPECT_EQ(one["gadgets"][0]["name"], "air");
  EXPECT_EQ(one["picture"], 6);
  for (const char* none :
       {"/api/sessions/3", "/api/sessions/", "/api/sessions/-1", "/api/sessions/2x", "/api/sessions/2/image/",
        "/api/sessions/99999999999999999999", "/api/sessions/1/image", "/../status.h", "//", "/api", "/page/watch.js"})
    EXPECT_EQ(get(none).status, 404) << none;
  for (const char* gone : {"1/image?version=6&channel=0", "2/image?version=5&channel=0", "2/image?version=6&channel=1"})
    EXPECT_EQ(get(std::string("/api/sessions/") + gone).status, 204) << gone;
  for (const char* wrong :
       {"?version=6", "?channel=0", "?version=6&channel=x", "?version=6&channel=-1", "?&&=", "?xversion=6&channel=0"})
    EXPECT_EQ(get(std::string("/api/sessions/2/image") + wrong).status, 400) << wrong;
}

TEST_F(Watch, gives_the_picture_bit_by_bit_and_how_its_materials_attenuate) {
  const auto p = picture(6, {"water", "iodine"});
  write_picture(folder_, 2, p);
  const json head = json::parse(get("/api/sessions/2/image").body);
  EXPECT_EQ(head["version"], 6);
  EXPECT_EQ(head["nx"], 5);
  EXPECT_EQ(head["names"], json({"water", "iodine"}));
  EXPECT_EQ(head["solutes"], json({false, true}));
  ASSERT_EQ(head["energies"].size(), 101U);
  EXPECT_EQ(head["energies"][30], 70);
  EXPECT_EQ(head["attenuation"][1][30], mass_attenuation(find_material("iodine"), {70})[0]);
  EXPECT_EQ(head["water"], head["attenuation"][0]);
  for (std::size_t c = 0; c < 2; ++c) {
    const Answer plane = get("/api/sessions/2/image?version=6&channel=" + std::to_string(c));
    ASSERT_EQ(plane.body.size(), 15 * sizeof(float));
    EXPECT_EQ(std::memcmp(plane.body.data(), p.value.block(c).data(), plane.body.size()), 0);
    EXPECT_THAT(plane.head, HasSubstr("application/octet-stream"));
  }
  write_picture(folder_, 3, picture(1, {"water", "unobtainium"}));
  EXPECT_FALSE(json::parse(get("/api/sessions/3/image").body).contains("attenuation"));
}

TEST_F(Watch, answers_only_to_names_of_this_machine_and_only_what_reads) {
  for (const char* host : {"localhost", "localhost:8080", "127.0.0.1:9", "127.3.2.1", "[::1]:80", "[::1]"})
    EXPECT_EQ(get("/", host).status, 200) << host;
  for (const char* host : {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "", "[::2]", "[::1",
                           "localhost:8080:1", "localhost:x", "localhost@evil", "0.0.0.0"})
    EXPECT_EQ(get("/", host).status, 403) << host;
  EXPECT_EQ(parsed(conversation(port_, "GET / HTTP/1.0\r\n\r\n")).status, 403);
  EXPECT_EQ(parsed(conversation(port_, "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")).status, 403);
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT", "BREW"})
    EXPECT_EQ(get("/", "localhost", method).status, 405) << method;
  const Answer head = get("/", "localhost", "HEAD"), page = get("/");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.body, "");
  EXPECT_THAT(head.head, HasSubstr("Content-Length: " + std::to_string(page.body.size())));
  EXPECT_THAT(page.head, HasSubstr("Content-Security-Policy: default-src 'none'; script-src 'self'"));
  EXPECT_THAT(page.head, HasSubstr("nosniff"));
  EXPECT_THAT(page.head, HasSubstr("no-store"));
}

TEST_F(Watch, requests_that_are_too_large_or_none_end_their_connection_alone) {
  EXPECT_EQ(get("/" + std::string(20'000, 'x')).status, 431);
  EXPECT_EQ(parsed(conversation(port_, "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(1 << 20, 'x'))).status, 431);
  EXPECT_EQ(parsed(conversation(port_, std::string(1 << 20, 'x'))).status, 431);
  EXPECT_EQ(parsed(conversation(port_, std::string("\0\x16\x03\x01 / \r\n\r\n", 11))).status, 400);
  EXPECT_EQ(parsed(conversation(port_, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\nx")).status,
            400);
  EXPECT_EQ(conversation(port_, ""), "");
  EXPECT_EQ(get("/").status, 200);
}

TEST_F(Watch, several_requests_share_a_connection) {
  const std::string request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
  std::string all = conversation(port_, request + request + request);
  int count = 0;
  for (std::size_t at = 0; (at = all.find("HTTP/1.1 200", at)) != std::string::npos; ++at) ++count;
  EXPECT_EQ(count, 3);
}

TEST_F(Watch, silent_connections_leave_room_and_beyond_the_limit_are_refused) {
  std::vector<int> sockets;
  for (int i = 0; i < 100; ++i) {
    sockets.push_back(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(port_);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::connect(sockets.back(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    if (i == 40) {
      EXPECT_EQ(get("/").status, 200) << "while 41 are silent";
    }
  }
  for (const int s : sockets) ::close(s);
  int status = 0;
  for (int i = 0; i < 50 && status != 200; ++i) status = get("/").status;
  EXPECT_EQ(status, 200) << "after they left";
}

// name{labels} value; HELP and TYPE once before a family.
std::map<std::string, double> read_metrics(const std::string& text) {
  std::map<std::string, double> out;
  std::map<std::string, std::string> types;
  const std::regex comment(R"(# (HELP|TYPE) ([a-z_]+) (.+))");
  const std::regex sample(R"(([a-z_]+)((?:\{(?:[a-z]+="(?:[^"\\]|\\.)*",?)*\})?) ([-+0-9.eE]+))");
  std::istringstream lines(text);
  std::smatch m;
  for (std::string line; std::getline(lines, line);) {
    if (std::regex_match(line, m, comment)) {
      EXPECT_TRUE(m[1] == "HELP" || types.emplace(m[2], m[3]).second) << line;
    } else if (std::regex_match(line, m, sample)) {
      const std::string name = m[1];
      EXPECT_TRUE(types.contains(name)) << line;
      EXPECT_EQ(types[name] == "counter", name.ends_with("_total")) << line;
      EXPECT_TRUE(out.emplace(name + m[2].str(), std::stod(m[3])).second) << "twice: " << line;
    } else ADD_FAILURE() << line;
  }
  return out;
}

TEST_F(Watch, metrics_are_of_the_format_and_counters_never_fall) {
  write_status(folder_, session(1, "complete"));
  write_status(folder_, session(2, "lost"));
  write_status(folder_, session(3, "stream"));
  auto m = read_metrics(get("/metrics").body);
  EXPECT_EQ(m.at("counterflow_build_info{version=\"1.2.3\"}"), 1);
  EXPECT_EQ(m.at("counterflow_sessions{state=\"stream\"}"), 1);
  EXPECT_EQ(m.at("counterflow_sessions{state=\"config\"}"), 0);
  EXPECT_EQ(m.at("counterflow_sessions_total{end=\"complete\"}"), 1);
  EXPECT_EQ(m.at("counterflow_sessions_total{end=\"error\"}"), 0);
  EXPECT_EQ(m.at("counterflow_sessions_total{end=\"lost\"}"), 1);
  EXPECT_EQ(m.at("counterflow_views_total"), 600);
  EXPECT_EQ(m.at("counterflow_received_bytes_total"), 3000);
  const std::string of = "{session=\"3\",chain=\"material_images.xml\"";
  EXPECT_EQ(m.at("counterflow_session_waiting_bytes" + of + "}"), 5);
  EXPECT_EQ(m.at("counterflow_gadget_messages_total" + of + ",position=\"0\",gadget=\"air\"}"), 7);
  EXPECT_EQ(m.at("counterflow_gadget_busy_seconds_total" + of + ",position=\"0\",gadget=\"air\"}"), 0.5);
  EXPECT_EQ(m.at("counterflow_gadget_queue" + of + ",position=\"1\",gadget=\"say \\\"\\\\\\n\"}"), 2);
  EXPECT_EQ(m.at("counterflow_session_last_image_latency_seconds" + of + "}"), 0.25);
  remove_old_sessions(folder_, 0);
  m = read_metrics(get("/metrics").body);
  EXPECT_EQ(m.at("counterflow_views_total"), 600);
  EXPECT_EQ(m.at("counterflow_sessions_total{end=\"lost\"}"), 1);
}

TEST_F(Watch, the_log_and_whatever_lies_in_the_folder_are_survived) {
  append_log(folder_, "session 1: <script>alert(1)</script>");
  EXPECT_THAT(get("/api/log").body, HasSubstr("<script>"));
  EXPECT_THAT(get("/api/log").head, HasSubstr("text/plain"));
  for (const char* name : {"1.json", "1.image", "totals.json", "2.json"}) std::ofstream(folder_ / name) << "{\"number\":";
  fs::create_directory(folder_ / "3.json");
  for (const char* target : {"/api/sessions", "/api/sessions/1", "/api/sessions/1/image", "/metrics"})
    EXPECT_NE(get(target).status, 0) << target;
  fs::remove_all(folder_);
  EXPECT_EQ(json::parse(get("/api/sessions").body)["sessions"].size(), 0U);
  EXPECT_EQ(get("/metrics").status, 200);
}

TEST(WatchAddress, is_of_this_machine_alone_and_others_are_told_the_way) {
  EXPECT_EQ(loopback_address("127.0.0.1:8080").port, 8080);
  EXPECT_EQ(loopback_address("localhost:1").host, "127.0.0.1");
  EXPECT_EQ(loopback_address("[::1]:8080").host, "::1");
  for (const char* wrong : {"0.0.0.0:8080", "192.168.1.2:80", "example.org:80", "[::]:80"}) {
    try {
      loopback_address(wrong);
      ADD_FAILURE() << wrong;
    } catch (const ConfigError& error) {
      EXPECT_THAT(error.what(), HasSubstr("ssh -L")) << wrong;
    }
  }
  for (const char* wrong : {"", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1"})
    EXPECT_THROW(loopback_address(wrong), ConfigError) << wrong;
}

TEST_F(Watch, an_address_that_is_taken_is_refused) {
  WatchSettings same = settings_;
  same.address = "127.0.0.1:" + std::to_string(port_);
  EXPECT_THROW(WatchServer{same}, ConfigError);
}

// A child as the listener starts it, ended by a signal.
TEST(WatchProcess, ends_at_sigterm) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    watch({fs::temp_directory_path(), "127.0.0.1:0", "", "", 1}, [&](const std::string& url) {
      if (::write(ends[1], url.data(), url.size()) < 0) ::_exit(2);
    });
    ::_exit(0);
  }
  char url[100] = {};
  ASSERT_GT(::read(ends[0], url, sizeof url - 1), 0);
  const auto port = static_cast<std::uint16_t>(std::stoi(std::string(url).substr(17)));
  EXPECT_EQ(parsed(conversation(port, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).status, 200);
  ::kill(child, SIGTERM);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  for (const int end : ends) ::close(end);
}

}  // namespace
}  // namespace counterflow
