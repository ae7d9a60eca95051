// What is scanned: bodies of materials painted one over the other, and the places in it whose contents are asked for later.
#pragma once
#include <string>
#include <vector>

#include "core/geometry/shape_painting.h"

namespace counterflow {

// A round place in the x-y plane filled with one material.
struct PhantomRegion {
  std::string name;
  double x = 0, y = 0, radius = 0;  // [mm]
  std::string material;             // a text of find_material
  double density = 0;               // [g/cm^3]
};

struct Phantom {
  static constexpr double kOwnDensity = -1;

  std::vector<std::string> materials;  // texts of find_material, each once
  ShapePainting painting;
  std::vector<PhantomRegion> regions;

  // Paints a body over what is there; 0 g/cm^3 is a hole. Throws ConfigError where the material or its own density is not known.
  void paint(const Shape& shape, const std::string& material, double density = kOwnDensity);
  // A round column along z, kept as a region too.
  void rod(const std::string& name, double x, double y, double radius, const std::string& material, double density = kOwnDensity);
  void region(const std::string& name, double x, double y, double radius, const std::string& material,
              double density = kOwnDensity);
};

}  // namespace counterflow
