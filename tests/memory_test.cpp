// The bound that `check` prints holds for the process that runs the chain, and no view more costs memory, in training neither.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <fstream>
#include <map>
#include <sstream>
#include <tuple>

#include "core/archive/archive.h"
#include "core/archive/scan_header_xml.h"
#include "core/server/frame_writer.h"
#include "core/server/session.h"
#include "core/testing/folder.h"
#include "tests/support.h"

namespace counterflow::testing {
namespace {

// Runs the command with its output in `log`; the most memory that it held [MiB].
double peak_memory(const std::vector<std::string>& arguments, const std::filesystem::path& log) {
  std::fflush(stdout);  // else the child would print what waits there too
  const pid_t child = fork();
  if (child == 0) {
    if (!std::freopen(log.c_str(), "w", stdout)) _exit(127);
    std::vector<char*> argv{const_cast<char*>(COUNTERFLOW_COMMAND)};
    for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    execv(COUNTERFLOW_COMMAND, argv.data());
    _exit(127);
  }
  int status = 0;
  rusage used{};
  wait4(child, &status, 0, &used);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << arguments[0];
  return static_cast<double>(used.ru_maxrss) / 1024;
}

// MiB in "live memory at most 454.6 MiB with ...", or what else `words` are followed by.
double promised(const std::filesystem::path& log, const std::string& words = "live memory at most ") {
  std::ifstream in(log);
  std::stringstream text;
  text << in.rdbuf();
  const auto at = text.str().find(words);
  EXPECT_NE(at, std::string::npos) << text.str();
  double value = 0;
  std::string unit;
  std::istringstream(text.str().substr(at + words.size())) >> value >> unit;
  EXPECT_EQ(unit.substr(0, 3), "MiB");
  return value;
}

// A shipped scenario with fewer air views and sub-rays, which nothing here depends on, so many views, and columns and voxels so
// many times as wide.
std::filesystem::path scan_of(const char* name, std::size_t views, std::size_t wider, const std::filesystem::path& folder) {
  Scenario s = scenario(name);
  auto& g = s.header.geometry;
  g.angle_step *= static_cast<double>(g.views) / static_cast<double>(views);
  g.views = g.views_per_rotation = views;
  ImageGrid& grid = s.header.grid;
  for (std::size_t* extent : {&g.columns, &grid.nx, &grid.ny}) *extent /= wider;
  for (double* width : {&g.column_pitch, &grid.voxel_x, &grid.voxel_y}) *width *= static_cast<double>(wider);
  s.acquisition.air_views = 4;
  s.sampling.column_rays = s.sampling.spot_rays = 1;
  const auto file = folder / ("scan_" + std::to_string(views) + ".h5");
  Workers workers;
  simulate_scan(SimulatedScan(s, response_cache()), workers, file);
  return file;
}

TEST(Memory, stays_within_what_check_promises_and_does_not_grow_with_views) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer's own memory is counted too";
  const Folder folder;
  const std::string chain = source_dir() / "xml" / "chains" / "material_images.xml";
  double peaks[2] = {};
  for (const std::size_t k : {0u, 1u}) {
    const auto scan = scan_of("gammex", k == 0 ? 40 : 160, 1, folder.path());
    const auto log = folder / "log", images = folder / "images.h5";
    peak_memory({"check", chain, scan, "--cache", response_cache()}, log);
    const double bound = promised(log);
    peaks[k] = peak_memory({"run", chain, scan, "-o", images, "--quiet", "--cache", response_cache()}, log);
    std::printf("%s: %.0f MiB, promised %.0f MiB\n", scan.filename().c_str(), peaks[k], bound);
    EXPECT_GT(peaks[k], 20);
    EXPECT_LT(peaks[k], bound);
    std::filesystem::remove(scan);
    std::filesystem::remove(images);
  }
  EXPECT_LT(peaks[1], 1.15 * peaks[0]);
}

TEST(Memory, of_training_that_computes_again_does_not_grow_with_views_and_of_one_that_keeps_does) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer's own memory is counted too";
  const Folder folder;
  const auto chain = folder / "chain.xml";
  std::string xml = read_file(source_dir() / "xml/chains/drift_training.xml");
  const std::string iterations = "iterations=\"60\"";
  ASSERT_NE(xml.find(iterations), std::string::npos);
  write_file(chain, xml.replace(xml.find(iterations), iterations.size(), "iterations=\"1\""));
  std::map<std::string, std::array<double, 2>> peaks;
  for (const std::size_t k : {0u, 1u}) {
    const auto scan = scan_of("drift_gammex", k == 0 ? 90 : 1440, 4, folder.path());
    for (const std::string memory : {"0", "4"})
      peaks[memory][k] = peak_memory(
          {"train", chain, scan, "-o", folder / "learned.h5", "--memory", memory, "--quiet", "--cache", response_cache()},
          folder / "log");
    std::filesystem::remove(scan);
  }
  for (const auto& [memory, peak] : peaks) std::printf("--memory %s: %.0f and %.0f MiB\n", memory.c_str(), peak[0], peak[1]);
  EXPECT_GT(peaks["0"][0], 20);
  EXPECT_LT(peaks["0"][1], 1.15 * peaks["0"][0]);
  EXPECT_GT(peaks["4"][1], 1.5 * peaks["0"][1]);
}

constexpr std::size_t kOfferedView = std::size_t{256} << 10;  // [byte]

// Views of 256 KiB, so many that they are 8 GiB.
ScanHeader offered_scan() {
  ScanHeader h;
  h.geometry = {.beam = Beam::parallel, .columns = 1024, .rows = 64, .views = 32768, .views_per_rotation = 1024};
  h.geometry.column_pitch = h.geometry.row_pitch = 1;
  h.geometry.angle_step = 1e-3;
  h.system.bins = 1;
  h.system.thresholds = {30};
  h.system.tube_voltage = 120;
  h.system.detector = "ideal";
  h.system.open_beam_counts = 1e5;
  h.grid = {.nx = 8, .ny = 8, .nz = 64};
  return h;
}

std::string passing_chain() {
  std::string gadgets;
  for (int k = 0; k < 8; ++k)
    gadgets += "<gadget><name>g" + std::to_string(k) +
               "</name><dll>counterflow_test_gadgets</dll><classname>TestPass</classname></gadget>";
  return "<configuration><version>2</version><stream>" + gadgets + "</stream></configuration>";
}

// A server of its own, of which a client asks for the views that it sends.
class StoppedReader {
 public:
  StoppedReader() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) throw Error("no socket");
    std::fflush(stdout);
    session_ = ::fork();
    if (session_ == 0) {
      ::close(ends[1]);
      SessionSettings settings;
      settings.allow_client_chains = true;
      settings.plugins = {COUNTERFLOW_TEST_PLUGIN_DIR};
      serve_session(ends[0], 1, "test", settings, [](const std::string&) {});
      ::_exit(0);
    }
    ::close(ends[0]);
    socket_ = ends[1];
    ::fcntl(socket_, F_SETFL, O_NONBLOCK);
  }
  ~StoppedReader() {
    ::kill(session_, SIGKILL);
    ::waitpid(session_, nullptr, 0);
    ::close(socket_);
  }
  // As much as the session takes, until it has taken nothing for a second; how much that was.
  std::size_t offer(wire::Outgoing message) {
    std::size_t taken = 0;
    for (auto last = std::chrono::steady_clock::now(); !message.empty();) {
      const auto piece = message.pieces(1).at(0);
      const ssize_t n = ::send(socket_, piece.data(), piece.size(), MSG_NOSIGNAL);
      if (n > 0) {
        message.drop(static_cast<std::size_t>(n));
        taken += static_cast<std::size_t>(n);
        last = std::chrono::steady_clock::now();
      } else if (std::chrono::steady_clock::now() - last > std::chrono::seconds(1)) {
        stopped_ = true;
        break;
      } else {
        ::usleep(200);
      }
    }
    return taken;
  }
  bool stopped() const { return stopped_; }
  double peak() const {  // [MiB]
    std::ifstream status("/proc/" + std::to_string(session_) + "/status");
    for (std::string word; status >> word;)
      if (word == "VmHWM:") {
        double kibibytes = 0;
        status >> kibibytes;
        return kibibytes / 1024;
      }
    return 0;
  }

 private:
  pid_t session_ = 0;
  int socket_ = -1;
  bool stopped_ = false;
};

TEST(Memory, of_a_session_whose_reader_stops_stays_within_what_check_promises_however_much_is_offered) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer's own memory is counted too";
  const Folder folder;
  const ScanHeader scan = offered_scan();
  auto view = std::make_shared<Counts<float>>();
  view->counts = Array<float, 3>({1, scan.geometry.rows, scan.geometry.columns}, 0.5f);
  ASSERT_EQ(view->counts.size() * sizeof(float), kOfferedView);
  ScanHeader one_view = scan;
  one_view.geometry.views = 1;
  ArchiveWriter writer(folder / "scan.h5", one_view);
  writer.write(*view);
  writer.finish();
  write_file(folder / "chain.xml", passing_chain());
  peak_memory({"check", folder / "chain.xml", folder / "scan.h5", "--plugins", COUNTERFLOW_TEST_PLUGIN_DIR}, folder / "log");
  const double bound = promised(folder / "log", "a session of serve holds at most ");

  StoppedReader reader;
  wire::Outgoing begin;
  wire::put_wish(begin, "views");
  wire::put_config_script(begin, passing_chain());
  wire::put_header(begin, header_to_xml(scan));
  std::size_t taken = reader.offer(std::move(begin));
  for (std::size_t k = 0; k < scan.geometry.views && !reader.stopped(); ++k) {
    wire::CompactView head;
    head.view.index = k;
    head.view.angle = 1e-3 * static_cast<double>(k);
    std::tie(head.bins, head.rows, head.columns) = std::tuple(1, scan.geometry.rows, scan.geometry.columns);
    wire::Outgoing message;
    wire::put_view(message, head, std::as_bytes(std::span(view->counts.values())), view);
    taken += reader.offer(std::move(message));
  }
  std::printf("taken %.1f MiB, held %.1f MiB, promised %.1f MiB\n", static_cast<double>(taken) / (1 << 20), reader.peak(), bound);
  EXPECT_TRUE(reader.stopped());
  EXPECT_GT(taken, 8 * kOfferedView);
  EXPECT_GT(reader.peak(), 5);
  EXPECT_LT(reader.peak(), bound);
}

}  // namespace
}  // namespace counterflow::testing
