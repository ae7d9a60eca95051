#include "core/archive/pending_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "core/error.h"

namespace counterflow {
namespace {

[[noreturn]] void fail(const std::filesystem::path& file, const std::string& what) {
  throw ArchiveError(file.string() + ": " + what + ": " + std::strerror(errno));
}

std::filesystem::path folder_of(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
}

void sync(const std::filesystem::path& path, int flags, const std::filesystem::path& file) {
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC);
  if (descriptor < 0) fail(file, "cannot be written");
  const int status = ::fsync(descriptor);
  ::close(descriptor);
  if (status != 0) fail(file, "cannot be written to the disk");
}

}  // namespace

PendingFile::PendingFile(const std::filesystem::path& file) : file_(file) {
  if (file.filename().empty()) throw ArchiveError("'" + file.string() + "' is no name of a file");
  if (std::filesystem::is_directory(file)) throw ArchiveError(file.string() + ": is a folder; expected the name of a file");
  for (int n = 0;; ++n) {
    const std::string name =
        "." + file.filename().string() + "." + std::to_string(::getpid()) + "-" + std::to_string(n) + ".part";
    temporary_ = folder_of(file) / name;
    const int descriptor = ::open(temporary_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
    if (descriptor >= 0) {
      ::close(descriptor);
      return;
    }
    if (errno != EEXIST) fail(file_, "cannot be written in " + folder_of(file).string());
  }
}

PendingFile::~PendingFile() {
  if (!finished_) ::unlink(temporary_.c_str());
}

void PendingFile::finish() {
  sync(temporary_, O_RDONLY, file_);
  if (::rename(temporary_.c_str(), file_.c_str()) != 0) fail(file_, "cannot be put in its place");
  finished_ = true;
  sync(folder_of(file_), O_RDONLY | O_DIRECTORY, file_);
}

}  // namespace counterflow
