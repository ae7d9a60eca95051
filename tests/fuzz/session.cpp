// What a client sends to a session, from its first byte to its last, when it closes behind it: what it gets back are messages
// that end with CLOSE, with a text where and only where the scan was not complete.
#include "core/server/session.h"

#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "core/server/test_frames.h"
#include "tests/fuzz/target.h"

namespace counterflow {
namespace {

SessionSettings settings() {
  static const std::filesystem::path folder = [] {
    std::string name = (std::filesystem::temp_directory_path() / "counterflow_fuzz_XXXXXX").string();
    fuzz::require(mkdtemp(name.data()) != nullptr, "a temporary folder can be made");
    const auto gadget = [](const char* classname) {
      return std::string("<gadget><dll>counterflow_test_gadgets</dll><classname>") + classname + "</classname></gadget>";
    };
    std::ofstream(name + "/images.xml") << "<configuration><version>2</version><stream>" << gadget("TestGain")
                                        << gadget("TestToPaths") << gadget("TestFold") << "</stream></configuration>";
    return name;
  }();
  static const int at_exit = std::atexit([] { std::filesystem::remove_all(folder); });
  static_cast<void>(at_exit);
  SessionSettings s;
  s.version = "fuzz";
  s.memory = std::size_t{64} << 20;
  s.chains = folder;
  s.plugins = {COUNTERFLOW_TEST_PLUGIN_DIR};
  s.threads = 1;
  return s;
}

// All that comes until the other side ends.
wire::testing::ByteVector read_all(int socket) {
  wire::testing::ByteVector all;
  std::byte piece[65536];
  for (ssize_t n = 0; (n = read(socket, piece, sizeof piece)) > 0;) all.insert(all.end(), piece, piece + n);
  return all;
}

void check_answers(const wire::testing::ByteVector& answers, SessionEnd end) {
  wire::FrameParser parser(wire::Phase::answers);
  bool closed = false, told = false;
  wire::testing::feed(parser, answers, SIZE_MAX, [&](wire::Frame&& frame) {
    fuzz::require(!closed, "nothing comes behind CLOSE");
    closed = std::holds_alternative<wire::Close>(frame);
    told = told || std::holds_alternative<wire::Text>(frame);
  });
  parser.end();
  fuzz::require(closed, "the answers end with CLOSE");
  fuzz::require(told == (end != SessionEnd::complete), "the client is told what was wrong, where something was");
}

}  // namespace
}  // namespace counterflow

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace counterflow;
  if (size > 65536) return 0;  // what a socket takes at once
  static const SessionSettings with = settings();
  int sockets[2];
  fuzz::require(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0, "a pair of sockets can be had");
  fuzz::require(write(sockets[0], data, size) == static_cast<ssize_t>(size), "the sockets take the input");
  shutdown(sockets[0], SHUT_WR);
  wire::testing::ByteVector answers;
  std::thread reader([&] { answers = read_all(sockets[0]); });
  const SessionEnd end = serve_session(sockets[1], 1, "fuzz", with, [](const std::string&) {});
  reader.join();
  close(sockets[0]);
  check_answers(answers, end);
  return 0;
}
