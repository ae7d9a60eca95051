// A file as learned parameters: refused, or blocks that hold as many values as their shapes say.
#include "core/archive/learned_parameters.h"
#include "core/array.h"
#include "tests/fuzz/hdf5_target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace counterflow;
  const auto file = fuzz::file_of(data, size);
  fuzz::refusal([&] {
    if (!holds_parameters(file)) return;
    const LearnedParameters parameters = read_parameters(file);
    for (const LearnedBlock& block : parameters.blocks) {
      std::size_t values = 1;
      for (const std::size_t extent : block.shape) values = checked_size(values, extent);
      fuzz::require(values == block.values.size(), "a block has the values of its shape");
    }
    fuzz::require(parameters_hash(parameters).size() == 64, "they have a hash");
  });
  return 0;
}
