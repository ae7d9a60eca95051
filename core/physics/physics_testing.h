// For the tests of physics: data that are not part of the project, and figures held against published ones.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace counterflow::testing {

// Tests skip where a file below is absent.
inline std::filesystem::path outside_data() {
  const char* given = std::getenv("COUNTERFLOW_DATA");
  return given ? std::filesystem::path(given) : std::filesystem::path(COUNTERFLOW_SOURCE_DIR) / "../shared/data";
}

// Prints a line that docs/physics.md tells how to see.
inline void report_mark(const char* what, double reached, double mark) {
  std::printf("[ MARK     ] %s: %.4g (mark %.4g)\n", what, reached, mark);
}

}  // namespace counterflow::testing
