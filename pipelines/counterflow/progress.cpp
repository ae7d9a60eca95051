#include "pipelines/counterflow/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>

namespace counterflow {
namespace {

constexpr double kRedrawInterval = 0.1;  // [s]
constexpr std::size_t kBarWidth = 30;

double steady_seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// 75 -> "1:15", 7.5 -> "7.5 s".
std::string duration_text(double seconds) {
  if (seconds < 10) return fmt::format("{:.1f} s", seconds);
  if (seconds < 60) return fmt::format("{:.0f} s", seconds);
  const auto whole = static_cast<long long>(seconds);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string rate_text(double rate) { return fmt::format("{:.{}f}/s", rate, rate < 10 ? 1 : 0); }

}  // namespace

Progress::Progress(std::ostream& out, std::string what, std::size_t total, bool quiet)
    : Progress(out, std::move(what), total, quiet, &out == &std::cerr && isatty(STDERR_FILENO), steady_seconds) {}

Progress::Progress(std::ostream& out, std::string what, std::size_t total, bool quiet, bool terminal, Clock clock)
    : out_(out),
      what_(std::move(what)),
      total_(total),
      quiet_(quiet),
      terminal_(terminal),
      clock_(std::move(clock)),
      started_(clock_()) {}

Progress::~Progress() {
  if (open_) out_ << std::endl;
}

std::string Progress::line(std::size_t done, double now) const {
  const double took = std::max(now - started_, 1e-9), rate = static_cast<double>(done) / took;
  if (total_ == 0) return fmt::format("{} {}, {}, {}", done, what_, rate_text(rate), duration_text(took));
  const double part = static_cast<double>(std::min(done, total_)) / static_cast<double>(total_);
  std::string text = fmt::format("{} of {} {} ({:.0f} %), {}", done, total_, what_, 100 * part, rate_text(rate));
  if (done >= total_) return text + ", took " + duration_text(took);
  return done == 0 ? text : text + ", " + duration_text(static_cast<double>(total_ - done) / rate) + " left";
}

void Progress::draw(std::size_t done, double now) {
  if (terminal_) {
    const std::size_t full = total_ ? kBarWidth * std::min(done, total_) / total_ : 0;
    const std::string bar = total_ ? "[" + std::string(full, '#') + std::string(kBarWidth - full, ' ') + "] " : "";
    out_ << "\r\033[K" << bar << line(done, now) << std::flush;  // carriage return, clear to the end of the line
  } else {
    out_ << line(done, now) << std::endl;
  }
  open_ = terminal_;
  drawn_ = now;
}

void Progress::at(std::size_t done) {
  done_ = done;
  if (quiet_) return;
  if (terminal_) {
    const double now = clock_();
    if (now - drawn_ >= kRedrawInterval) draw(done, now);
    return;
  }
  const std::size_t tenth = total_ ? 10 * std::min(done, total_) / total_ : 0;
  if (tenth <= last_tenth_) return;
  last_tenth_ = tenth;
  draw(done, clock_());
}

void Progress::finish() {
  if (quiet_) return;
  if (terminal_ || last_tenth_ < 10) draw(done_, clock_());
  if (open_) out_ << std::endl;
  open_ = false;
}

}  // namespace counterflow
