// A file that appears whole under its name or not at all.
#pragma once
#include <filesystem>

namespace counterflow {

// Reserves a temporary beside `file` (".NAME.NNN.part"); finish() fsyncs it and renames it; without finish() it is removed.
class PendingFile {
 public:
  explicit PendingFile(const std::filesystem::path& file);
  ~PendingFile();
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;

  const std::filesystem::path& temporary() const { return temporary_; }
  void finish();

 private:
  std::filesystem::path file_, temporary_;
  bool finished_ = false;
};

}  // namespace counterflow
