// Preloaded into a program, kills it (SIGKILL) where it is about to make the Nth call of a function that changes the disk:
//   LD_PRELOAD=libkill_at_call.so COUNTERFLOW_KILL_AT="rename 3" counterflow train ...
#include <dlfcn.h>
#include <sys/types.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

void count_call(const char* function, std::atomic<int>& calls) {
  const char* at = std::getenv("COUNTERFLOW_KILL_AT");
  const std::size_t n = std::strlen(function);
  if (at && std::strncmp(at, function, n) == 0 && at[n] == ' ' && ++calls == std::atoi(at + n)) std::raise(SIGKILL);
}

template <class F>
F* next(const char* function) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, function));
}

std::atomic<int> writes, syncs, renames, removals;

}  // namespace

extern "C" {

ssize_t pwrite(int descriptor, const void* bytes, std::size_t size, off_t offset) {
  count_call("pwrite", writes);
  return next<ssize_t(int, const void*, std::size_t, off_t)>("pwrite")(descriptor, bytes, size, offset);
}
int fsync(int descriptor) {
  count_call("fsync", syncs);
  return next<int(int)>("fsync")(descriptor);
}
int rename(const char* from, const char* to) noexcept {
  count_call("rename", renames);
  return next<int(const char*, const char*)>("rename")(from, to);
}
int remove(const char* file) noexcept {
  count_call("remove", removals);
  return next<int(const char*)>("remove")(file);
}
}
