// A client against servers that say what they should, and what they should not.
#include "core/server/client.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "core/testing/refusal.h"

namespace counterflow {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::refusal;
using Kind = ClientEnd::Kind;

// Listens on a port of its own, and does with the first who connects what it was told.
class FakeServer {
 public:
  using Serve = std::function<void(int)>;
  explicit FakeServer(Serve serve) : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(listener_, generic, size), 0);
    EXPECT_EQ(::listen(listener_, 1), 0);
    EXPECT_EQ(::getsockname(listener_, generic, &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, serve = std::move(serve)] {
      const int socket = ::accept(listener_, nullptr, nullptr);
      if (socket < 0) return;
      serve(socket);
      ::close(socket);
    });
  }
  ~FakeServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  int listener_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

std::string bytes_of(wire::Outgoing out) {
  std::string text;
  for (const auto& piece : out.pieces(std::size_t(-1))) text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  return text;
}

template <class... Put>
std::string written(const Put&... put) {
  wire::Outgoing out;
  (put(out), ...);
  return bytes_of(std::move(out));
}

const auto kClose = [](wire::Outgoing& out) { wire::put_close(out); };
const auto kText = [](wire::Outgoing& out) { wire::put_text(out, "the gadget x: failed\n"); };
const auto kEnding = [](wire::Outgoing& out) { wire::put_ending(out, {false, "the gadget x: failed"}); };
const auto kGood = [](wire::Outgoing& out) { wire::put_ending(out, {true, ""}); };

void write_all(int socket, const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t n = ::send(socket, text.data() + at, text.size() - at, MSG_NOSIGNAL);
    if (n <= 0) return;
    at += static_cast<std::size_t>(n);
  }
}

// Reads to the end of the connection; the number of bytes.
std::size_t read_all(int socket) {
  std::vector<char> buffer(1 << 20);
  std::size_t all = 0;
  for (ssize_t n; (n = ::recv(socket, buffer.data(), buffer.size(), 0)) > 0;) all += static_cast<std::size_t>(n);
  return all;
}

// The end of a session whose server says just this, then ends its side.
ClientEnd end_after(const std::string& said, std::vector<wire::Frame>* came = nullptr) {
  FakeServer server([&](int socket) {
    write_all(socket, said);
    ::shutdown(socket, SHUT_WR);
    read_all(socket);
  });
  Client client(server.address(), {}, [&](wire::Frame&& frame, auto) {
    if (came) came->push_back(std::move(frame));
  });
  return client.finish();
}

TEST(Client, tells_the_end_the_error_and_the_loss_apart) {
  const ClientEnd error{Kind::error, "the gadget x: failed"};
  const auto expect = [](const std::string& said, const ClientEnd& wanted) {
    const ClientEnd end = end_after(said);
    EXPECT_EQ(end.kind, wanted.kind);
    EXPECT_THAT(end.words, HasSubstr(wanted.words));
  };
  expect(written(kClose), {Kind::complete, ""});
  expect(written(kGood, kClose), {Kind::complete, ""});
  expect(written(kText, kClose), error);
  expect(written(kEnding, kText, kClose), error);
  expect(written(kEnding, kClose), error);
  expect(written(
             kText,
             [](wire::Outgoing& out) {
               wire::put_receipt(out, {1, 0});
             },
             kClose),
         {Kind::complete, ""});  // a remark
  expect("", {Kind::lost, "without CLOSE"});
  expect(written(kText), {Kind::lost, "without CLOSE"});
  expect(written(kGood), {Kind::lost, "without CLOSE"});
  expect(written(kText).substr(0, 9), {Kind::lost, "text"});
  expect(std::string("\4", 1), {Kind::lost, "byte"});
  expect(std::string("\xd2\x04", 2), {Kind::lost, "1234"});
}

TEST(Client, what_came_before_an_error_has_been_taken) {
  ISMRMRD::ISMRMRD_ImageHeader head;
  ISMRMRD::ismrmrd_init_image_header(&head);
  head.data_type = ISMRMRD::ISMRMRD_FLOAT;
  head.matrix_size[0] = head.matrix_size[1] = head.matrix_size[2] = head.channels = 1;
  const auto pixel = std::make_shared<float>(1.5f);
  const auto image = [&](wire::Outgoing& out) {
    wire::put_image(out, head, "<ismrmrdMeta/>", std::as_bytes(std::span(pixel.get(), 1)), pixel);
  };
  std::vector<wire::Frame> came;
  EXPECT_EQ(end_after(written(image, image, kText, kClose), &came).kind, Kind::error);
  ASSERT_EQ(came.size(), 3u);
  EXPECT_TRUE(std::holds_alternative<wire::Image>(came[0]) && std::holds_alternative<wire::Image>(came[1]));
}

TEST(Client, images_of_all_eight_pixel_types_come_with_and_without_a_nul_behind_their_meta) {
  const std::size_t sizes[] = {2, 2, 4, 4, 4, 8, 8, 16};
  for (std::uint16_t type = 1; type <= 8; ++type)
    for (const std::string& meta : {std::string(), std::string("<a/>"), std::string("<a/>\0", 5)}) {
      ISMRMRD::ISMRMRD_ImageHeader head;
      ISMRMRD::ismrmrd_init_image_header(&head);
      head.data_type = type;
      head.matrix_size[0] = 3, head.matrix_size[1] = 2, head.matrix_size[2] = 1, head.channels = 2;
      const auto pixels = std::make_shared<std::string>(12 * sizes[type - 1], 'p');
      std::vector<wire::Frame> came;
      const auto image = [&](wire::Outgoing& out) {
        wire::put_image(out, head, meta, std::as_bytes(std::span(*pixels)), pixels);
      };
      EXPECT_EQ(end_after(written(image, kClose), &came).kind, Kind::complete);
      ASSERT_EQ(came.size(), 1u) << type;
      const auto& got = std::get<wire::Image>(came[0]);
      EXPECT_EQ(got.meta, meta.empty() ? "" : "<a/>");
      ASSERT_EQ(got.pixels.size(), pixels->size());
      EXPECT_EQ(std::memcmp(got.pixels.bytes().data(), pixels->data(), pixels->size()), 0);
    }
}

TEST(Client, writes_and_reads_at_the_same_time) {
  constexpr int kMessages = 300;  // of 64 KiB each way: more than any buffer between them
  const std::string large(std::size_t{60} << 10, 'x');
  const auto text = [&](wire::Outgoing& out) { wire::put_text(out, large); };
  std::size_t read = 0;
  FakeServer server([&](int socket) {
    for (int k = 0; k < kMessages; ++k) write_all(socket, written(text));  // nothing is read before all is written
    write_all(socket, written(kClose));
    ::shutdown(socket, SHUT_WR);
    read = read_all(socket);
  });
  int came = 0;
  {
    Client client(server.address(), {}, [&](wire::Frame&&, auto) { ++came; });
    for (int k = 0; k < 16; ++k) {
      wire::Outgoing out;
      text(out);
      client.send(std::move(out));
    }
    client.finish();
  }
  EXPECT_EQ(came, kMessages);
}

TEST(Client, stops_sending_when_the_session_is_over) {
  FakeServer server([&](int socket) { write_all(socket, written(kText, kClose)), read_all(socket); });
  Client client(server.address(), {}, [](wire::Frame&&, auto) {});
  bool taken = true;
  for (int k = 0; k < 100000 && taken; ++k) {
    wire::Outgoing out;
    wire::put_text(out, std::string(10000, 'x'));
    taken = client.send(std::move(out));
  }
  EXPECT_FALSE(taken);
  EXPECT_EQ(client.finish().words, "the gadget x: failed");
}

TEST(Client, asks_and_is_answered) {
  FakeServer server([&](int socket) {
    char question[26 + 17];
    ASSERT_EQ(::recv(socket, question, sizeof question, MSG_WAITALL), static_cast<ssize_t>(sizeof question));
    write_all(socket, written([](wire::Outgoing& out) { wire::put_response(out, 1, "message_ids: 2000 2001\n"); }));
    read_all(socket);
  });
  Client client(server.address(), {}, [](wire::Frame&&, auto) {});
  const auto info = client.ask("counterflow::info");
  ASSERT_TRUE(info);
  EXPECT_TRUE(offers_compact_views(*info));
  EXPECT_FALSE(offers_compact_views("version: 2001\n"));
  EXPECT_FALSE(offers_compact_views(""));
}

TEST(Client, a_question_to_a_server_that_goes_has_no_answer) {
  FakeServer server([](int) {});
  Client client(server.address(), {}, [](wire::Frame&&, auto) {});
  EXPECT_FALSE(client.ask("counterflow::info"));
  EXPECT_EQ(client.finish().kind, Kind::lost);
}

TEST(Client, what_taking_throws_ends_the_session) {
  FakeServer server([&](int socket) { write_all(socket, written(kText)), read_all(socket); });
  Client client(server.address(), {}, [](wire::Frame&&, auto) { throw ArchiveError("the disk is full"); });
  const ClientEnd end = client.finish();
  EXPECT_EQ(end.kind, Kind::lost);
  EXPECT_EQ(end.words, "the disk is full");
}

TEST(Client, wrong_addresses_are_refused_by_name) {
  const auto take = [](wire::Frame&&, auto) {};
  for (const char* address : {"", "localhost", ":9002", "127.0.0.1:", "127.0.0.1:http", "9002"})
    EXPECT_THAT(refusal<ConfigError>([&] { Client(address, {}, take); }), HasSubstr("expected HOST:PORT")) << address;
  EXPECT_THAT(refusal<ProtocolError>([&] { Client("127.0.0.1:1", {}, take); }),
              AllOf(HasSubstr("127.0.0.1:1: cannot connect"), HasSubstr("counterflow serve")));
  EXPECT_THAT(refusal<ProtocolError>([&] { Client("host.invalid:9002", {}, take); }), HasSubstr("host.invalid:9002: "));
}

}  // namespace
}  // namespace counterflow
