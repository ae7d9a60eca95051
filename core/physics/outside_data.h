// Where tests look for the data that are not part of the project; they skip where a file is absent.
#pragma once
#include <cstdlib>
#include <filesystem>

namespace counterflow::testing {

inline std::filesystem::path outside_data() {
  const char* given = std::getenv("COUNTERFLOW_DATA");
  return given ? std::filesystem::path(given) : std::filesystem::path(COUNTERFLOW_SOURCE_DIR) / "../shared/data";
}

}  // namespace counterflow::testing
