// The one streaming primitive: forward, keep, recompute and backward are three functions each.
//
//   next()        on one thread at a time, in order; may block; returns nullptr at the end
//   work(token)   in parallel on the workers
//   finish(token) in order, on one thread at a time
//
// At most `tokens` are alive. An error travels in its token and is thrown when its turn comes: what came before it is finished,
// and the same error is reported for any number of threads. (Throwing out of a TBB 2021.8 filter leaks what it has buffered.)
#pragma once
#include <tbb/global_control.h>
#include <tbb/parallel_pipeline.h>
#include <tbb/task_arena.h>

#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <thread>

namespace counterflow {

// The threads of a process and how many messages may be alive in a pipeline of theirs.
class Workers {
 public:
  explicit Workers(int threads = 0)
      : threads_(threads_for(threads)),
        limit_(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(threads_) + 1),
        arena_(threads_ + 1) {}
  static int threads_for(int asked) { return asked > 0 ? asked : static_cast<int>(std::thread::hardware_concurrency()); }
  int threads() const { return threads_; }
  std::size_t tokens() const { return tokens_for(threads_); }
  static std::size_t tokens_for(int threads) { return 2 * static_cast<std::size_t>(threads) + 2; }
  tbb::task_arena& arena() { return arena_; }

 private:
  int threads_;
  tbb::global_control limit_;
  tbb::task_arena arena_;  // one slot more than threads, for a source that blocks
};

template <class Token, class Next, class Work, class Finish>
void stream(Workers& workers, Next next, Work work, Finish finish) {
  struct Slot {
    std::unique_ptr<Token> token;
    std::exception_ptr error;
  };
  std::exception_ptr error;  // written by the in-order filter alone
  std::atomic<bool> stop{false};
  const auto pull = [&](tbb::flow_control& control) -> Slot* {
    auto slot = std::make_unique<Slot>();
    if (!stop) try {
        slot->token = next();
      } catch (...) {
        slot->error = std::current_exception();
        stop = true;
      }
    if (slot->token || slot->error) return slot.release();
    control.stop();
    return nullptr;
  };
  const auto process = [&](Slot* slot) {
    if (!slot->error) try {
        work(*slot->token);
      } catch (...) {
        slot->error = std::current_exception();
      }
    return slot;
  };
  const auto complete = [&](Slot* raw) {
    const std::unique_ptr<Slot> slot(raw);
    if (error) return;  // after an error later messages are dropped, in order
    if (!slot->error) try {
        finish(*slot->token);
      } catch (...) {
        slot->error = std::current_exception();
      }
    if (slot->error) {
      error = slot->error;
      stop = true;
    }
  };
  workers.arena().execute([&] {
    tbb::parallel_pipeline(workers.tokens(), tbb::make_filter<void, Slot*>(tbb::filter_mode::serial_in_order, pull) &
                                                 tbb::make_filter<Slot*, Slot*>(tbb::filter_mode::parallel, process) &
                                                 tbb::make_filter<Slot*, void>(tbb::filter_mode::serial_in_order, complete));
  });
  if (error) std::rethrow_exception(error);
}

}  // namespace counterflow
