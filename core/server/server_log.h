// The server's log: lines on standard error and, where there is one, in the status folder; so many a second at most.
#pragma once
#include <cstddef>
#include <filesystem>
#include <mutex>
#include <string>

namespace counterflow {

class ServerLog {
 public:
  // `folder` may be empty.
  ServerLog(std::filesystem::path folder, std::size_t lines_per_second, bool quiet);
  // "2026-11-23T12:00:00Z session 12: ..."; `who` may be empty. Control characters become visible. On any thread.
  void write(const std::string& who, const std::string& text);

 private:
  std::filesystem::path folder_;
  std::size_t lines_per_second_;
  bool quiet_;
  std::mutex mutex_;
  long second_ = 0;
  std::size_t lines_ = 0, suppressed_ = 0;
};

}  // namespace counterflow
