// What is known of a scan before its first view: the header of an archive, and what a gadget's begin() is given.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/geometry/scan_geometry.h"
#include "core/message/truth.h"
#include "core/physics/spectral_system.h"

namespace counterflow {

enum class Quantity { counts, line_integrals };

struct ScanHeader {
  Quantity quantity = Quantity::counts;
  ScanGeometry geometry;
  SpectralSystem system;               // tube, filters, detector, thresholds
  ImageGrid grid;                      // the image asked for; z = one slice a row unless said otherwise
  std::size_t modules = 1;             // detector modules along the columns; module = floor(column modules / columns)
  std::shared_ptr<const Truth> truth;  // of the object, for what learns from it; null = nothing is known
  std::size_t bins() const { return system.bins; }
  std::size_t module_of(std::size_t column) const { return column * modules / geometry.columns; }
};

}  // namespace counterflow
