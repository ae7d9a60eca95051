// A file as a scan: refused, or every view that its header promises is read.
#include "core/archive/archive.h"

#include "tests/fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace counterflow;
  static const bool nothing_at_exit = (leave_damaged_files_at_exit(), true);
  static_cast<void>(nothing_at_exit);
  const auto file = fuzz::file_of(data, size);
  fuzz::refusal([&] {
    ArchiveReader reader(file);
    std::size_t views = 0;
    while (reader.next<float>().index() != 0) ++views;
    reader.truth();
    fuzz::require(views == reader.air_views() + reader.header().geometry.views, "all views come");
  });
  return 0;
}
