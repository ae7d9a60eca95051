// Some detector rows of a scan as a scan of its own: what training takes a step with at a time. Only where each row is a slice of
// its own, so that rows know nothing of each other.
#pragma once
#include <cstddef>

#include "core/engine/scan_run.h"

namespace counterflow {

struct RowBlock {
  std::size_t first = 0, rows = 0;
  bool operator==(const RowBlock&) const = default;
};

// The header of the block: detector rows, slices and truth of it, where they stood. Throws ConfigError where rows are coupled.
ScanHeader block_header(const ScanHeader& scan, RowBlock block);

// The block's rows of each view.
template <class Real>
Source<Real> block_source(Source<Real> scan, RowBlock block);

}  // namespace counterflow
