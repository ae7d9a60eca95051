// A folder that appears whole under its name or not at all.
#pragma once
#include <filesystem>

namespace counterflow {

// Makes a temporary folder beside `folder` (".NAME.NNN.part"). finish() takes the place of what is there; without finish() the
// temporary is removed. A folder that is not empty is replaced only if every file in it is DICOM made by Counterflow; else the
// constructor throws ArchiveError.
class PendingFolder {
 public:
  explicit PendingFolder(const std::filesystem::path& folder);
  ~PendingFolder();
  PendingFolder(const PendingFolder&) = delete;
  PendingFolder& operator=(const PendingFolder&) = delete;

  const std::filesystem::path& temporary() const { return temporary_; }
  void finish();

 private:
  std::filesystem::path folder_, temporary_;
  bool finished_ = false;
};

}  // namespace counterflow
