// Small files that one process replaces while others read them.
#pragma once
#include <cstddef>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace counterflow {

// A descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  int get() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }

 private:
  int number_;
};

// A regular file, not a link or a pipe, open for reading, and its size; number -1 where there is none.
Descriptor open_regular(const std::filesystem::path& file, std::size_t& size);
// `bytes.size()` bytes from `offset` on; false where the file ends before.
bool read_at(const Descriptor& file, std::size_t offset, std::span<char> bytes);
// A whole file of at most `most` bytes.
std::optional<std::string> read_small_file(const std::filesystem::path& file, std::size_t most);

bool write_all(const Descriptor& file, std::string_view bytes);
// Puts pieces together as a file, whole or not at all, through NAME.part: one process alone writes a file. Not kept through a
// loss of power.
bool replace_file(const std::filesystem::path& file, std::initializer_list<std::string_view> pieces);

}  // namespace counterflow
