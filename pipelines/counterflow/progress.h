// How far long work has come: on a terminal one line that is drawn again, with rate and remaining time; elsewhere a plain line
// about every tenth.
#pragma once
#include <cstddef>
#include <functional>
#include <iosfwd>
#include <string>

namespace counterflow {

class Progress {
 public:
  using Clock = std::function<double()>;  // seconds since some moment

  // `total` of `what` ("views"); 0 = unknown. A terminal is told from a file where `out` is std::cerr; nothing is shown if quiet.
  Progress(std::ostream& out, std::string what, std::size_t total, bool quiet);
  Progress(std::ostream& out, std::string what, std::size_t total, bool quiet, bool terminal, Clock clock);
  ~Progress();  // leaves the terminal's line, so that an error begins on its own
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void at(std::size_t done);
  void finish();

 private:
  std::string line(std::size_t done, double now) const;
  void draw(std::size_t done, double now);

  std::ostream& out_;
  std::string what_;
  std::size_t total_;
  bool quiet_, terminal_;
  Clock clock_;
  double started_, drawn_ = -1e300;  // [s]
  std::size_t done_ = 0, last_tenth_ = 0;
  bool open_ = false;  // the cursor stands behind a drawn line
};

}  // namespace counterflow
