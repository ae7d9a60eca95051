// What the values of an image are, in DICOM's terms.
#pragma once
#include <string>
#include <vector>

#include "core/message/message.h"

namespace counterflow {

// A unit by its UCUM code, and the factor from the stored unit to it.
struct UnitCode {
  std::string code, meaning;  // "mg/mL", "mg/mL"; "[hnsf'U]", "HU"
  double factor = 1;
};

struct DicomUnit {
  double scale = 1;             // of an image's values, in Channels::unit, to what pixels mean
  std::string rescale_type;     // PS3.3 C.11.1.1.2: HU, MGML, Z_EFF, EDW, ED; US = unspecified
  std::vector<UnitCode> codes;  // of Real World Value Mapping: the unit of the pixels; the image's own where it is another
  std::string flavour;          // value 4 of Image Type (PS3.3 C.8.2.1.1.1): VMI, MAT_SPECIFIC, ...
  double finest_step = 0;       // steps of stored values are not finer: 1 HU; 0 = as fine as 16 bits hold
};

// Densities are in mg/mL, the unit that viewers know (MGML); everything else keeps its own.
DicomUnit dicom_unit(const Channels& channels);

}  // namespace counterflow
