#include "pipelines/counterflow/dicom/unit.h"

namespace counterflow {
namespace {

// "g/cm^3" to "g/cm3", "1/cm" to "/cm", "10^23/cm^3" to "10*23/cm3" (ucum.org, case-sensitive form).
std::string ucum(const std::string& unit) {
  if (unit == "HU") return "[hnsf'U]";
  std::string out = unit.starts_with("1/") ? unit.substr(1) : unit;
  for (auto at = out.find("10^"); at != std::string::npos; at = out.find("10^")) out[at + 2] = '*';
  std::erase(out, '^');
  return out.empty() ? "1" : out;
}

std::string flavour_of(const std::string& quantity) {
  if (quantity == "density" || quantity == "concentration") return "MAT_SPECIFIC";
  if (quantity == "monoenergetic") return "VMI";
  if (quantity == "virtual_non_contrast") return "MAT_REMOVED";
  if (quantity == "electron_density") return "ELECTRON_DENSITY";
  if (quantity == "effective_z") return "EFF_ATOMIC_NUM";
  return "";
}

std::string rescale_type_of(const Channels& channels) {
  if (channels.unit == "HU") return "HU";
  if (channels.unit == "mg/mL") return "MGML";
  if (channels.quantity == "effective_z") return "Z_EFF";
  if (channels.quantity == "electron_density") return channels.unit == "10^23/cm^3" ? "ED" : "EDW";
  return "US";
}

}  // namespace

DicomUnit dicom_unit(const Channels& channels) {
  const std::string flavour = flavour_of(channels.quantity);
  if (channels.unit == "g/cm^3")
    return {1000, "MGML", {{"mg/mL", "mg/mL", 1}, {ucum(channels.unit), channels.unit, 1e-3}}, flavour, 0};
  return {1,
          rescale_type_of(channels),
          {{ucum(channels.unit), channels.unit.empty() ? "no units" : channels.unit, 1}},
          flavour,
          channels.unit == "HU" && channels.quantity != "noise" ? 1.0 : 0.0};
}

}  // namespace counterflow
