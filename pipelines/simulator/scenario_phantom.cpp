// The <phantom> of a scenario: a ready one by name, and bodies of its own painted over it.
#include <optional>

#include "core/error.h"
#include "core/physics/material.h"
#include "pipelines/simulator/phantom_library.h"
#include "pipelines/simulator/scenario.h"

namespace counterflow {
namespace {

[[noreturn]] void refuse(const XmlElement& element, const std::string& what) {
  throw ConfigError(element.where + ": <" + element.name + ">: " + what);
}

// What every body has, and the sizes of each kind.
struct Body {
  std::string name, material;
  double density = Phantom::kOwnDensity, concentration = -1;
  double x = 0, y = 0, z = 0;
  double rx = 0, ry = 0, rz = 0, half_length = Shape::kInfinite;
  double angle = 0, radius_below = 0, radius_above = 0;
  std::vector<double> axis{0, 0, 1}, across, clip;
};

void describe_common(Body& b, PropertyVisitor& v) {
  v("name", b.name, {.text = "of the region, for round upright columns"});
  v("material", b.material, {.text = "a ready name, element, formula, NIST name, mixture or solution"});
  v("density", b.density, {.unit = "g/cm^3", .text = "default: the material's own; 0: a hole", .min = 0, .max = 100});
  v("concentration", b.concentration, {.unit = "mg/mL", .text = "instead of density", .min = 0, .max = 1e5});
  v("x", b.x, {.unit = "mm", .text = "center"});
  v("y", b.y, {.unit = "mm", .text = "center"});
  v("angle", b.angle, {.unit = "rad", .text = "turn about the body's own axis"});
  v("clip", b.clip, {.text = "nx ny nz d, once or more: only points with n.p <= d stay"});
}

void describe_turn(Body& b, PropertyVisitor& v) {
  v("z", b.z, {.unit = "mm", .text = "center"});
  v("axis", b.axis, {.text = "direction of the body's z axis"});
  v("across", b.across, {.text = "direction of the body's x axis; the part along the axis is ignored"});
}

void describe_radii(Body& b, PropertyVisitor& v) {
  v("rx", b.rx, {.unit = "mm", .text = "half size along the body's x", .min = 1e-6});
  v("ry", b.ry, {.unit = "mm", .text = "half size along the body's y; default: rx", .min = 1e-6});
}

void describe(const std::string& kind, Body& b, PropertyVisitor& v) {
  const PropertyDoc radius{.unit = "mm", .text = "at an end of the cone", .min = 0};
  describe_common(b, v);
  if (kind != "ellipse") describe_turn(b, v);
  if (kind != "cone") describe_radii(b, v);
  if (kind == "ellipsoid" || kind == "box")
    v("rz", b.rz, {.unit = "mm", .text = "half size along the body's z; default: rx", .min = 1e-6});
  if (kind == "cylinder" || kind == "cone")
    v("half_length", b.half_length, {.unit = "mm", .text = "along the axis", .min = 1e-6});
  if (kind == "cone") {
    v("radius_below", b.radius_below, radius);
    v("radius_above", b.radius_above, radius);
  }
}

std::optional<Vector3> vector_of(const std::vector<double>& v) {
  if (v.size() != 3) return std::nullopt;
  return Vector3{v[0], v[1], v[2]};
}

Frame frame_of(const XmlElement& element, const Body& b) {
  const auto axis = vector_of(b.axis);
  if (!axis || (!b.across.empty() && b.across.size() != 3)) refuse(element, "expected three numbers in axis and across");
  // Without `across`, x stays as near to the scanner's x (or y) as the axis lets it.
  const bool along_x = std::abs(axis->x) > 0.9 * norm(*axis);
  const Vector3 across = vector_of(b.across).value_or(along_x ? Vector3{0, 1, 0} : Vector3{1, 0, 0});
  const Frame f = Frame::of(*axis, across);
  const double c = std::cos(b.angle), s = std::sin(b.angle);
  return {c * f.x + s * f.y, c * f.y - s * f.x, f.z};
}

Shape shape_of(const XmlElement& element, Body& b) {
  const Frame frame = frame_of(element, b);
  const Vector3 center{b.x, b.y, b.z};
  if (element.name == "cone") return Shape::cone(center, b.radius_below, b.radius_above, b.half_length, frame);
  if (b.rx == 0) refuse(element, "expected the attribute rx [mm], got none");
  if (b.ry == 0) b.ry = b.rx;
  if (b.rz == 0) b.rz = b.rx;
  if (element.name == "ellipsoid") return Shape::ellipsoid(center, {b.rx, b.ry, b.rz}, frame);
  if (element.name == "box") return Shape::box(center, {b.rx, b.ry, b.rz}, frame);
  return Shape::cylinder(center, b.rx, b.ry, b.half_length, frame);
}

Shape clipped(const XmlElement& element, Shape shape, const std::vector<double>& clip) {
  if (clip.size() % 4 != 0) refuse(element, "expected four numbers a clip, nx ny nz d, got " + std::to_string(clip.size()));
  for (std::size_t k = 0; k < clip.size(); k += 4) shape.clip({clip[k], clip[k + 1], clip[k + 2]}, clip[k + 3]);
  return shape;
}

void paint_body(const XmlElement& element, Phantom& phantom) {
  Body b;
  PropertyReader reader(element.settings(), "<" + element.name + ">");
  describe(element.name, b, reader);
  reader.finish();
  element.allow_children({});
  if (b.material.empty()) refuse(element, "expected the attribute material, got none");
  if (b.density >= 0 && b.concentration >= 0) refuse(element, "expected density or concentration, got both");
  const double density = b.concentration >= 0 ? 1e-3 * b.concentration : b.density;
  const Shape shape = clipped(element, shape_of(element, b), b.clip);
  phantom.paint(shape, b.material, density);
  if (b.name.empty()) return;
  const bool upright_column = (element.name == "ellipse" || element.name == "cylinder") && shape.z_invariant() && b.rx == b.ry;
  if (!upright_column) refuse(element, "only a round column along z without end can be a region: leave out the name");
  phantom.region(b.name, b.x, b.y, b.rx, b.material, density);
}

void paint_ready(const XmlElement& element, const std::string& name, Phantom& phantom) {
  const auto ready = ready_phantom(name);
  PropertyReader reader(element.settings({"name"}), "<phantom name=\"" + name + "\">");
  ready->describe(reader);
  reader.finish();
  ready->paint(phantom);
}

}  // namespace

Phantom parse_phantom(const XmlElement& element) {
  Phantom phantom;
  const auto placed = [](const XmlElement& at, auto&& act) {
    try {
      act();
    } catch (const ConfigError& error) {
      if (std::string(error.what()).starts_with(at.where)) throw;
      refuse(at, error.what());
    }
  };
  const auto name = element.attributes.find("name");
  if (name != element.attributes.end()) placed(element, [&] { paint_ready(element, name->second, phantom); });
  else PropertyReader(element.settings(), "<phantom> without a name").finish();
  element.allow_children({"ellipse", "cylinder", "ellipsoid", "box", "cone"});
  for (const auto& body : element.children) placed(body, [&] { paint_body(body, phantom); });
  if (phantom.painting.shapes().empty()) refuse(element, "expected the name of a ready phantom or bodies, got an empty phantom");
  return phantom;
}

}  // namespace counterflow
