// A fuzz target: any bytes are served or refused with one of our errors, and nothing else happens. Anything else thrown leaves,
// and ends the program.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>

#include "core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace counterflow::fuzz {

// What must hold for every input.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

// The message of the error that `call` throws, which must say something; "" where it throws none.
template <class Call>
std::string refusal(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    require(*error.what() != 0, "an error says something");
    return error.what();
  }
  return "";
}

inline std::string text_of(const std::uint8_t* data, std::size_t size) { return {reinterpret_cast<const char*>(data), size}; }

// The bytes as a file, for readers of files; one a process.
inline std::filesystem::path file_of(const std::uint8_t* data, std::size_t size) {
  static const std::string name = [] {
    const char* folder = std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : "/tmp";
    static std::string made = std::string(folder) + "/counterflow_fuzz_XXXXXX";
    const int file = mkstemp(made.data());
    require(file >= 0, "a temporary file can be made");
    std::atexit([] { std::remove(made.c_str()); });
    return made;
  }();
  std::ofstream(name, std::ios::binary).write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  return name;
}

}  // namespace counterflow::fuzz
