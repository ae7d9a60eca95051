#include "core/server/server_log.h"

#include <unistd.h>

#include <chrono>
#include <ctime>

#include "core/server/status.h"

namespace counterflow {
namespace {

std::string time_text(std::time_t time) {
  std::tm utc{};
  gmtime_r(&time, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

std::string one_line(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ' || c == 127) c = ' ';
  constexpr std::size_t kLongest = 2000;
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  return text;
}

}  // namespace

ServerLog::ServerLog(std::filesystem::path folder, std::size_t lines_per_second, bool quiet)
    : folder_(std::move(folder)), lines_per_second_(lines_per_second), quiet_(quiet) {}

void ServerLog::write(const std::string& who, const std::string& text) {
  const std::lock_guard lock(mutex_);
  const std::time_t now = std::time(nullptr);
  std::string lines;
  if (now != second_) {
    if (suppressed_ > 0) lines = time_text(now) + " " + std::to_string(suppressed_) + " lines more were not written\n";
    second_ = now;
    lines_ = suppressed_ = 0;
  }
  if (++lines_ > lines_per_second_) {
    ++suppressed_;
    return;
  }
  const std::string line = time_text(now) + " " + (who.empty() ? "" : who + ": ") + one_line(text);
  if (!folder_.empty()) append_log(folder_, line);
  if (quiet_) return;
  lines += line + "\n";
  [[maybe_unused]] const ssize_t written =
      ::write(STDERR_FILENO, lines.data(), lines.size());  // in one piece beside other processes
}

}  // namespace counterflow
