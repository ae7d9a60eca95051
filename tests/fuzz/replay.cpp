// Runs a fuzz target over every file of the folders and files named: `replay_frame tests/fuzz/corpus/frame`.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "tests/fuzz/target.h"

int main(int count, char** names) {
  std::vector<std::filesystem::path> files;
  for (int k = 1; k < count; ++k) {
    if (!std::filesystem::is_directory(names[k])) files.emplace_back(names[k]);
    else
      for (const auto& entry : std::filesystem::directory_iterator(names[k])) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    std::fprintf(stderr, "%s\n", file.c_str());  // the last one, where it ends here
    std::ifstream in(file, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), {});
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  }
  std::printf("%zu inputs\n", files.size());
  return files.empty() ? 1 : 0;
}
