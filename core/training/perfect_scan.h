// What a scan of the true object would have counted without noise, at nominal thresholds and without background: the reference of
// losses that compare with the truth. Where a chain decomposes, the counts of each view are replaced by
//   exposure open_b P_b(A),   A the line integrals of the truth,   P_b the model of counts (core/physics/counts_model.h)
// so that the truth passes the same decomposition and the same reconstruction as the scan.
#pragma once
#include <map>
#include <memory>
#include <vector>

#include "core/message/message.h"
#include "core/message/scan_header.h"

namespace counterflow {

class PerfectScan {
 public:
  // `headers` [stage], of which those that are asked for tell the detector. Throws ConfigError for a truth without densities.
  PerfectScan(std::vector<ScanHeader> headers, std::shared_ptr<const Truth> truth);
  ~PerfectScan();

  // Of the view x as it comes to a stage. Throws DataError where it has no open beam. In parallel.
  template <class Real>
  Sent<Counts<Real>> counts(std::size_t stage, const Counts<Real>& x) const;

 private:
  struct Detector;
  std::vector<std::shared_ptr<const Detector>> detectors_;  // [stage]
};

}  // namespace counterflow
