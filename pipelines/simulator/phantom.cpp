#include "pipelines/simulator/phantom.h"

#include <algorithm>

#include "core/error.h"
#include "core/physics/material.h"

namespace counterflow {
namespace {

double density_of(const std::string& material, double density) {
  const Material found = find_material(material);
  if (density >= 0) return density;
  if (!(found.density > 0))
    throw ConfigError("the density of '" + material + "' is not known: give density [g/cm^3] or concentration [mg/mL]");
  return found.density;
}

}  // namespace

void Phantom::paint(const Shape& shape, const std::string& material, double density) {
  const double paint_density = density_of(material, density);
  const auto found = std::find(materials.begin(), materials.end(), material);
  const auto index = static_cast<std::size_t>(found - materials.begin());
  if (found == materials.end()) materials.push_back(material);
  painting.paint({shape, index, paint_density});
}

void Phantom::rod(const std::string& name, double x, double y, double radius, const std::string& material, double density) {
  paint(Shape::cylinder({x, y, 0}, radius, radius), material, density);
  region(name, x, y, radius, material, density);
}

void Phantom::region(const std::string& name, double x, double y, double radius, const std::string& material, double density) {
  regions.push_back({name, x, y, radius, material, density_of(material, density)});
}

}  // namespace counterflow
