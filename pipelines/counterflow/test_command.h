// Runs the program itself.
#pragma once
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <string>

namespace counterflow::testing {

struct Result {
  int code;
  std::string text;  // of both outputs
};

inline Result run(const std::string& arguments) {
  const std::string line = std::string(COUNTERFLOW_COMMAND) + " " + arguments + " 2>&1";
  FILE* pipe = popen(line.c_str(), "r");
  std::string text;
  std::array<char, 4096> buffer;
  for (std::size_t n; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) text.append(buffer.data(), n);
  const int status = pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text};
}

}  // namespace counterflow::testing
