// Times of what is held against one another, in one run and turn by turn, so that whatever else the machine does slows all alike.
#pragma once
#include <benchmark/benchmark.h>
#include <tbb/global_control.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <limits>

namespace counterflow::testing {

// Of all threads of the process.
inline double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }
inline double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Seconds of each work by `clock`, its best turn.
template <class... Work>
std::array<double, sizeof...(Work)> in_turns(double (*clock)(), int turns, Work&&... work) {
  std::array<double, sizeof...(Work)> best;
  best.fill(std::numeric_limits<double>::infinity());
  for (int k = 0; k < turns; ++k) {
    std::size_t i = 0;
    const auto take = [&](auto& one) {
      const double start = clock();
      one();
      best[i] = std::min(best[i], clock() - start);
      ++i;
    };
    (take(work), ...);
  }
  return best;
}

// Wall seconds of work(threads) on one thread and on two, and how much faster two are; `processors`: how many two threads really
// had over all turns. Below 2 by more than the work's serial part, the machine did something else.
template <class Work>
void two_threads(benchmark::State& state, Work&& work) {
  double busy = 0, passed = 0;
  const auto on = [&](int threads) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(threads));
    const double busy_before = processor_seconds(), before = wall_seconds();
    work(threads);
    if (threads == 1) return;
    busy += processor_seconds() - busy_before;
    passed += wall_seconds() - before;
  };
  for (auto _ : state) {
    const auto [one, two] = in_turns(
        wall_seconds, 2, [&] { on(1); }, [&] { on(2); });
    state.counters["one_thread_seconds"] = one;
    state.counters["two_threads_seconds"] = two;
    state.counters["speedup"] = one / two;
    state.counters["processors"] = busy / passed;
  }
}

}  // namespace counterflow::testing
