#include "pipelines/counterflow/dicom/pending_folder.h"

#include <unistd.h>

#include <string>
#include <system_error>

#include "core/error.h"
#include "pipelines/counterflow/dicom/file.h"

namespace counterflow {
namespace {

namespace fs = std::filesystem;

// Throws unless what stands under the name may be replaced.
void check_replaceable(const fs::path& folder) {
  const fs::file_status status = fs::status(folder);
  if (!fs::exists(status)) return;
  if (!fs::is_directory(status)) throw ArchiveError(folder.string() + ": is a file; --dicom writes a folder");
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (!entry.is_directory() && dicom_manufacturer(entry.path()) != kDicomManufacturer)
      throw ArchiveError(folder.string() + ": is not empty, and " + entry.path().filename().string() +
                         " in it is not ours: choose another folder, or empty this one");
}

fs::path without_slash(const fs::path& folder) { return folder.has_filename() ? folder : folder.parent_path(); }

fs::path beside(const fs::path& folder, const char* ending) {
  for (int n = 0;; ++n) {
    const std::string name =
        "." + folder.filename().string() + "." + std::to_string(::getpid()) + "-" + std::to_string(n) + ending;
    if (const fs::path path = folder.parent_path() / name; !fs::exists(path)) return path;
  }
}

}  // namespace

PendingFolder::PendingFolder(const fs::path& folder) : folder_(without_slash(folder)) {
  try {
    folder_ = fs::weakly_canonical(folder_);
    if (!folder_.has_filename()) throw ArchiveError("'" + folder.string() + "' is no name of a folder");
    check_replaceable(folder_);
    temporary_ = beside(folder_, ".part");
    fs::create_directory(temporary_);
  } catch (const fs::filesystem_error& error) {
    throw ArchiveError(folder.string() + ": cannot be written: " + error.code().message());
  }
}

PendingFolder::~PendingFolder() {
  std::error_code ignored;
  if (!finished_) fs::remove_all(temporary_, ignored);
}

void PendingFolder::finish() {
  try {
    check_replaceable(folder_);  // again: somebody may have come meanwhile
    const bool replaces = fs::exists(folder_) && !fs::is_empty(folder_);
    const fs::path old = beside(folder_, ".old");
    if (replaces) fs::rename(folder_, old);
    fs::rename(temporary_, folder_);
    finished_ = true;
    if (replaces) fs::remove_all(old);
  } catch (const fs::filesystem_error& error) {
    throw ArchiveError(folder_.string() + ": cannot be put in its place: " + error.code().message());
  }
}

}  // namespace counterflow
