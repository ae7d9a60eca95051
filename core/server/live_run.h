// One scan through a chain while its views arrive, on threads of its own.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/chain/chain.h"
#include "core/engine/scan_run.h"
#include "core/server/mailbox.h"
#include "core/server/session.h"
#include "core/server/status.h"

namespace counterflow {

// Most memory that a session's process holds [byte]: the chain's (core/chain/plan.h), what waits each way and is being read, and
// the program itself.
std::size_t session_bytes(const Chain<float>& chain, const ScanHeader& scan, std::size_t tokens);

class LiveRun {
 public:
  struct Job {
    const SessionSettings& settings;
    std::shared_ptr<const Chain<float>> chain;
    ScanHeader scan;
    std::set<std::string> wishes;
    std::uint64_t session = 0;
    Outbox& outbox;
    Notice& room;
    std::function<void()> ended;  // called on its thread, last of all
    std::function<void(const std::string&)> log;
  };
  explicit LiveRun(Job job);
  ~LiveRun();  // stops it; a chain that does not stop is left behind with its thread

  Inbox& inbox() const;
  bool ended() const;
  std::string error() const;  // after ended(); "" = complete
  // Grows as long as the chain takes or gives anything.
  std::uint64_t progress() const;
  // What is known of it by now.
  void describe(SessionStatus& status) const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
  std::thread thread_;
};

}  // namespace counterflow
