// Pixels that do not work: dead ones count nothing, hot ones count what the air would give `hot_counts` times besides, unstable
// ones count a factor exp(flicker z_v) of theirs, z_v normal, new in each view.
#pragma once
#include <cstdint>
#include <vector>

#include "core/array.h"
#include "pipelines/simulator/scenario.h"

namespace counterflow {

enum class PixelFault { dead = 1, hot = 2, unstable = 3 };

class PixelFaults {
 public:
  // Drawn from the settings' own seed, all in different places. Throws ConfigError for more than there are pixels.
  PixelFaults(const BadPixelSettings& settings, const ScanGeometry& geometry);

  bool any() const { return !faults_.empty(); }
  // [fault, (row, column, kind as a number)]
  std::vector<double> table() const;
  // Expected counts [bin,row,column] of a view as the faults make them; `air`: those of an air view, `view`: its stream.
  void apply(Array<double, 3>& counts, const Array<double, 3>& air, std::uint64_t view) const;

 private:
  struct Fault {
    std::size_t row, column;
    PixelFault kind;
  };
  BadPixelSettings settings_;
  std::vector<Fault> faults_;
};

}  // namespace counterflow
