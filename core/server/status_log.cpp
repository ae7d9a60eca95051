#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "core/server/small_file.h"
#include "core/server/status.h"

namespace counterflow {
namespace {

constexpr std::size_t kMostLine = 2048, kMostLog = std::size_t{256} << 10;

std::string clean(const std::string& line) {
  std::string out = line.substr(0, kMostLine);
  for (char& c : out)
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
  return out + '\n';
}

// The newest bytes of the log, from the beginning of a line on.
std::string newest(const std::filesystem::path& log, std::size_t most) {
  std::size_t size = 0;
  const Descriptor in = open_regular(log, size);
  if (!in) return {};
  const std::size_t from = size > most ? size - most : 0;
  std::string lines(size - from, '\0');
  if (!read_at(in, from, lines)) return {};
  if (from > 0) lines.erase(0, lines.find('\n') == std::string::npos ? lines.size() : lines.find('\n') + 1);
  return lines;
}

}  // namespace

// Writers hold the lock of a file beside the log, so that none writes into a log that another replaces.
bool append_log(const std::filesystem::path& folder, const std::string& line) {
  const std::filesystem::path log = folder / "log";
  constexpr int kFlags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  const Descriptor lock(::open((folder / "log.lock").c_str(), kFlags, 0600));
  if (!lock || ::flock(lock.get(), LOCK_EX) != 0) return false;
  {
    const Descriptor out(::open(log.c_str(), kFlags | O_APPEND, 0600));
    if (!out || !write_all(out, clean(line))) return false;
    struct stat status = {};
    if (::fstat(out.get(), &status) != 0 || static_cast<std::size_t>(status.st_size) <= kMostLog) return true;
  }
  return replace_file(log, {newest(log, kMostLog / 2)});
}

std::string read_log(const std::filesystem::path& folder, std::size_t most) { return newest(folder / "log", most); }

}  // namespace counterflow
