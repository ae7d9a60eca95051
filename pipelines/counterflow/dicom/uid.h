// Identifiers that depend on content alone, so that the same scan through the same chain gives the same files.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace counterflow {

// SHA-256 of what was added. Texts are added with their length, so that parts cannot run into each other.
class Digest {
 public:
  Digest();
  ~Digest();
  Digest(Digest&&) noexcept;

  Digest& add(std::string_view text);
  Digest& add(std::span<const std::byte> bytes);
  std::string hex() const;  // of all until now
  // "2.25." and the decimal number of a UUID (version 8, RFC 9562) of the digest's first 128 bits (DICOM PS3.5 B.2).
  std::string uid() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace counterflow
