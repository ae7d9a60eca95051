#include "core/server/small_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace counterflow {

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

Descriptor open_regular(const std::filesystem::path& file, std::size_t& size) {
  const int number = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  struct stat status = {};
  if (number < 0 || ::fstat(number, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size < 0) {
    const Descriptor closed(number);
    return Descriptor(-1);
  }
  size = static_cast<std::size_t>(status.st_size);
  return Descriptor(number);
}

bool read_at(const Descriptor& file, std::size_t offset, std::span<char> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pread(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::size_t>(n);
  }
  return true;
}

std::optional<std::string> read_small_file(const std::filesystem::path& file, std::size_t most) {
  std::size_t size = 0;
  const Descriptor in = open_regular(file, size);
  if (!in || size > most) return {};
  std::string content(size, '\0');
  if (!read_at(in, 0, content)) return {};
  return content;
}

bool write_all(const Descriptor& file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool replace_file(const std::filesystem::path& file, std::initializer_list<std::string_view> pieces) {
  std::filesystem::path temporary = file;
  temporary += ".part";
  {
    const Descriptor out(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!out) return false;
    for (const std::string_view piece : pieces)
      if (!write_all(out, piece)) return false;
  }
  return std::rename(temporary.c_str(), file.c_str()) == 0;
}

}  // namespace counterflow
