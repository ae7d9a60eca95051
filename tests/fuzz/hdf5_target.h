// What targets share that read files through HDF5. It forgets some of its own memory when it gives up on a damaged file, and asks
// malloc for what a damaged file claims; what it is not given it takes for an error. Neither is looked for.
#pragma once
#include <filesystem>
#include <fstream>

#include "core/archive/archive.h"
#include "tests/fuzz/target.h"

extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "detect_leaks=0:allocator_may_return_null=1"; }

namespace counterflow::fuzz {

inline const bool kNothingAtExit = (leave_damaged_files_at_exit(), true);

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
