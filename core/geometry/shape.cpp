#include "core/geometry/shape.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace counterflow {
namespace {

constexpr Chord kWhole{-Shape::kInfinite, Shape::kInfinite};
constexpr Chord kNothing{0, 0};

Chord common(Chord a, Chord b) { return {std::max(a.begin, b.begin), std::min(a.end, b.end)}; }

// Where |start + t way| <= limit.
Chord slab(double start, double way, double limit) {
  if (limit == Shape::kInfinite) return kWhole;
  if (way == 0) return std::abs(start) <= limit ? kWhole : kNothing;
  const double a = (-limit - start) / way, b = (limit - start) / way;
  return {std::min(a, b), std::max(a, b)};
}

// Where a t^2 + 2 b t + c <= 0 for a >= 0: a ball or a round column.
Chord round_chord(double a, double b, double c) {
  if (a == 0) return c <= 0 ? kWhole : kNothing;
  const double discriminant = b * b - a * c;
  if (!(discriminant > 0)) return kNothing;
  const double root = std::sqrt(discriminant);
  return {(-b - root) / a, (-b + root) / a};
}

// The same for any a, on the nappe of a cone where its radius, which grows by `growth` along the ray, is positive.
Chord cone_chord(double a, double b, double c, double growth) {
  if (a > 0) return round_chord(a, b, c);
  if (a == 0) {
    if (b == 0) return c <= 0 ? kWhole : kNothing;
    const double t = -c / (2 * b);
    return b > 0 ? Chord{-Shape::kInfinite, t} : Chord{t, Shape::kInfinite};
  }
  const double root = std::sqrt(std::max(0.0, b * b - a * c));
  return growth > 0 ? Chord{(-b - root) / a, Shape::kInfinite} : Chord{-Shape::kInfinite, (-b + root) / a};
}

void require_positive(double value, const char* what) {
  if (!(value > 0)) throw ConfigError(std::string("a shape needs a positive ") + what + " [mm], got " + std::to_string(value));
}

}  // namespace

Frame Frame::of(Vector3 axis, Vector3 across) {
  Frame frame;
  if (!(norm(axis) > 0)) throw ConfigError("the axis of a shape must not be zero");
  frame.z = (1 / norm(axis)) * axis;
  const Vector3 side = across - dot(across, frame.z) * frame.z;
  if (!(norm(side) > 1e-9 * norm(across))) throw ConfigError("the axis of a shape and its 'across' must not be parallel");
  frame.x = (1 / norm(side)) * side;
  frame.y = cross(frame.z, frame.x);
  return frame;
}

Frame Frame::turned(double angle) {
  const double c = std::cos(angle), s = std::sin(angle);
  return {{c, s, 0}, {-s, c, 0}, {0, 0, 1}};
}

Shape::Shape(Kind kind, Vector3 center, Vector3 half, const Frame& frame)
    : kind_(kind), center_(center), half_(half), frame_(frame) {
  const auto scale = [](double h) { return h == kInfinite ? 1.0 : 1 / h; };
  const auto limit = [](double h) { return h == kInfinite ? kInfinite : 1.0; };
  require_positive(half.x, "size");
  require_positive(half.y, "size");
  require_positive(half.z, "size");
  row_x_ = scale(half.x) * frame.x;
  row_y_ = scale(half.y) * frame.y;
  row_z_ = scale(half.z) * frame.z;
  limit_ = {limit(half.x), limit(half.y), limit(half.z)};
  bound_squared_ = kind == Kind::ellipsoid ? std::max({half.x * half.x, half.y * half.y, half.z * half.z}) : dot(half, half);
}

Shape Shape::ellipsoid(Vector3 center, Vector3 radii, const Frame& frame) { return {Kind::ellipsoid, center, radii, frame}; }

Shape Shape::cylinder(Vector3 center, double rx, double ry, double half_length, const Frame& frame) {
  return {Kind::cylinder, center, {rx, ry, half_length}, frame};
}

Shape Shape::box(Vector3 center, Vector3 half, const Frame& frame) { return {Kind::box, center, half, frame}; }

Shape Shape::cone(Vector3 center, double radius_below, double radius_above, double half_length, const Frame& frame) {
  if (radius_below < 0 || radius_above < 0) throw ConfigError("the radii of a cone must not be negative");
  const double widest = std::max(radius_below, radius_above);
  Shape shape(Kind::cone, center, {widest, widest, half_length}, frame);
  shape.middle_ = (radius_below + radius_above) / (2 * widest);
  shape.slant_ = (radius_above - radius_below) / (2 * widest);
  return shape;
}

Shape& Shape::clip(Vector3 normal, double offset) {
  const double length = norm(normal);
  if (!(length > 0)) throw ConfigError("the normal of a clip must not be zero");
  clips_.push_back({(1 / length) * normal, offset / length});
  return *this;
}

Chord Shape::local_chord(Vector3 o, Vector3 d) const {
  const double a = d.x * d.x + d.y * d.y, b = o.x * d.x + o.y * d.y, c = o.x * o.x + o.y * o.y;
  switch (kind_) {
    case Kind::ellipsoid:
      return round_chord(a + d.z * d.z, b + o.z * d.z, c + o.z * o.z - 1);
    case Kind::cylinder:
      return common(round_chord(a, b, c - 1), slab(o.z, d.z, limit_.z));
    case Kind::box:
      return common(common(slab(o.x, d.x, limit_.x), slab(o.y, d.y, limit_.y)), slab(o.z, d.z, limit_.z));
    case Kind::cone: {
      const double r = middle_ + slant_ * o.z, growth = slant_ * d.z;
      return common(cone_chord(a - growth * growth, b - r * growth, c - r * r, growth), slab(o.z, d.z, limit_.z));
    }
  }
  return kNothing;
}

Chord Shape::chord(const Ray& ray) const {
  // From the ray's point nearest to the center: early reject, and no cancellation for far sources.
  const Vector3 from_center = ray.origin - center_;
  const double nearest = -dot(from_center, ray.direction);
  const Vector3 start = from_center + nearest * ray.direction;
  if (dot(start, start) > bound_squared_) return kNothing;
  Chord inside = local_chord(to_local(start), to_local(ray.direction));
  inside = {inside.begin + nearest, inside.end + nearest};
  for (const auto& [normal, offset] : clips_) {
    const double slope = dot(normal, ray.direction), rest = offset - dot(normal, ray.origin);
    if (slope > 0) inside.end = std::min(inside.end, rest / slope);
    else if (slope < 0) inside.begin = std::max(inside.begin, rest / slope);
    else if (rest < 0) return kNothing;
  }
  return inside;
}

bool Shape::contains(Vector3 point) const {
  for (const auto& [normal, offset] : clips_)
    if (dot(normal, point) > offset) return false;
  const Vector3 p = to_local(point - center_);
  const double across = p.x * p.x + p.y * p.y, radius = middle_ + slant_ * p.z;
  switch (kind_) {
    case Kind::ellipsoid:
      return across + p.z * p.z <= 1;
    case Kind::cylinder:
      return across <= 1 && std::abs(p.z) <= limit_.z;
    case Kind::box:
      return std::abs(p.x) <= limit_.x && std::abs(p.y) <= limit_.y && std::abs(p.z) <= limit_.z;
    case Kind::cone:
      return std::abs(p.z) <= 1 && across <= radius * radius;
  }
  return false;
}

bool Shape::z_invariant() const {
  const bool column = kind_ == Kind::cylinder || kind_ == Kind::box;
  const bool upright = half_.z == kInfinite && frame_.z.x == 0 && frame_.z.y == 0;
  return column && upright && std::all_of(clips_.begin(), clips_.end(), [](const auto& c) { return c.normal.z == 0; });
}

// A radius about the body's axis or center that holds it, seen along z.
double Shape::girth() const {
  if (half_.z == kInfinite && frame_.z.x == 0 && frame_.z.y == 0)
    return kind_ == Kind::cylinder ? std::max(half_.x, half_.y) : std::hypot(half_.x, half_.y);
  return std::sqrt(bound_squared_);
}

double Shape::reach() const { return std::hypot(center_.x, center_.y) + girth(); }

bool Shape::may_touch(Vector3 point, double radius) const {
  Vector3 away = point - center_;
  if (half_.z == kInfinite) away.z = 0;  // of a column that leans the girth is infinite
  const double far = girth() + radius;
  return dot(away, away) <= far * far;
}

}  // namespace counterflow
