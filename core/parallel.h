// The one place where gadgets get parallel loops from.
#pragma once
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <cstddef>

namespace counterflow {

// body(begin, end) over fixed chunks of [0, n): what a chunk computes never depends on the number of threads.
// Isolated, so that a thread that waits here does not pick up whole other views. Exceptions leave by the caller.
template <class Body>
void parallel_chunks(std::size_t n, std::size_t chunk, Body&& body) {
  if (n == 0) return;
  tbb::this_task_arena::isolate([&] {
    tbb::parallel_for(std::size_t{0}, (n + chunk - 1) / chunk,
                      [&](std::size_t k) { body(k * chunk, std::min(n, (k + 1) * chunk)); });
  });
}

}  // namespace counterflow
