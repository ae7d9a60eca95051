// Which projection of a scan a message belongs to.
#pragma once
#include <cstdint>

namespace counterflow {

struct View {
  std::uint64_t index = 0;     // number of the object view, from 0; of the air view among air views
  double angle = 0;            // source angle [rad], 0 = source on +x, growing from +x to +y, not wrapped
  double exposure = 1;         // relative to the open-beam calibration (1 = same mAs)
  double table_position = 0;   // z of the isocenter in the patient's system [mm]
  double time = 0;             // since the first view [s]
  std::uint64_t rotation = 0;  // number of the turn, from 0
  bool air = false;            // open-beam calibration view
  bool preview = false;        // a live picture, to be replaced; never evaluated
  bool operator==(const View&) const = default;
};

}  // namespace counterflow
