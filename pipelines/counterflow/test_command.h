// Runs the program itself.
#pragma once
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <string>

#include "core/testing/folder.h"

namespace counterflow::testing {

struct Result {
  int code;          // 128 + signal where one ended it, as in a shell
  std::string text;  // of both outputs
};

inline int exit_code(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

// A line of the shell.
inline Result run_line(const std::string& line) {
  FILE* pipe = popen(("exec 2>&1; " + line).c_str(), "r");
  std::string text;
  std::array<char, 4096> buffer;
  for (std::size_t n; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) text.append(buffer.data(), n);
  return {exit_code(pclose(pipe)), text};
}

inline Result run(const std::string& arguments) { return run_line(std::string(COUNTERFLOW_COMMAND) + " " + arguments); }

// " --user NAME" for a server that is started as root: nobody, unless the build lies where only root may look.
inline std::string user_option() {
  if (geteuid() != 0) return "";
  bool open = true;
  for (auto folder = std::filesystem::canonical(COUNTERFLOW_COMMAND).parent_path();; folder = folder.parent_path()) {
    open = open &&
           (std::filesystem::status(folder).permissions() & std::filesystem::perms::others_exec) != std::filesystem::perms::none;
    if (folder == folder.root_path()) break;
  }
  return open ? " --user nobody" : " --user root";
}

// A line of the shell that is followed while it runs. Killed with its children, at the latest at its end.
class Running {
 public:
  Running(const std::string& line, std::filesystem::path log) : log_(std::move(log)) {
    write_file(log_, "");
    const std::string command = "exec >" + log_.string() + " 2>&1; " + line;
    pid_ = fork();
    if (pid_ == 0) {
      setpgid(0, 0);
      execl("/bin/sh", "sh", "-c", command.c_str(), static_cast<char*>(nullptr));
      _exit(127);
    }
    setpgid(pid_, pid_);
  }
  ~Running() {
    if (pid_ > 0) kill(), wait();
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  std::string text() const { return read_file(log_); }
  // Whether it has said so, before it ended.
  bool says(const std::string& words) {
    while (text().find(words) == std::string::npos) {
      if (ended()) return text().find(words) != std::string::npos;
      usleep(500);
    }
    return true;
  }
  void kill() const { ::kill(-pid_, SIGKILL); }
  Result wait() {
    while (!ended()) usleep(500);
    return {code_, text()};
  }

 private:
  bool ended() {
    int status = 0;
    if (pid_ > 0 && waitpid(pid_, &status, WNOHANG) == pid_) pid_ = 0, code_ = exit_code(status);
    return pid_ == 0;
  }
  std::filesystem::path log_;
  pid_t pid_ = 0;
  int code_ = 0;
};

}  // namespace counterflow::testing
