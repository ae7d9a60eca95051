// Keeps a scan as it passes, so that it can train later. Views go into a journal, the bytes of the wire's own messages, which is
// synced a few times a second; at the scan's end the journal becomes an archive. After a crash recover_recordings() does that.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "core/message/message.h"
#include "core/message/scan_header.h"

namespace counterflow {

class Recorder {
 public:
  // `synced` hears, on a thread of its own, how many views are safe on disk.
  Recorder(const std::filesystem::path& folder, const std::string& name, const ScanHeader& scan,
           std::function<void(std::uint64_t)> synced);
  ~Recorder();  // of a scan that did not end, what came becomes an archive NAME-incomplete.h5
  void write(const Message<float>& view);
  // The archive stands, synced, under its name.
  void finish();
  const std::filesystem::path& file() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Turns the journals that a crash left in a folder into archives of the views that are whole; journals of sessions that still
// run are left alone. Returns the archives made. A journal that cannot be read is kept, and `log` told.
std::vector<std::filesystem::path> recover_recordings(const std::filesystem::path& folder,
                                                      const std::function<void(const std::string&)>& log);

}  // namespace counterflow
