// A file as a scan: refused, or every view that its header promises is read.

#include "tests/fuzz/hdf5_target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace counterflow;
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
