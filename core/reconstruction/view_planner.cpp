#include "core/reconstruction/view_planner.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/geometry/ray.h"

namespace counterflow::projection {
namespace {

// Voxels along an axis: index i has its middle at first + i size [mm].
struct Axis {
  double first, size;
  std::size_t n;
};

struct Interval {
  double low, high;
  // Keeps where a + b i lies in (from, to).
  void keep(double a, double b, double from, double to) {
    if (b == 0) {
      if (!(a > from && a < to)) high = low - 1;
      return;
    }
    const auto [least, most] = std::minmax({(from - a) / b, (to - a) / b});
    low = std::max(low, least);
    high = std::min(high, most);
  }
};

}  // namespace

ViewPlanner::ViewPlanner(const ScanGeometry& geometry, const ImageGrid& grid) : geometry_(geometry), grid_(grid) {
  const double middle = (static_cast<double>(geometry.rows) - 1) / 2 + geometry.row_offset;  // a cone's row in the plane
  for (std::size_t k = 0; k < geometry.columns; ++k) {
    const double column = static_cast<double>(k);
    const Ray ray = ray_of(geometry, 0, column, middle);
    double reach = std::numeric_limits<double>::infinity();
    if (geometry.beam != Beam::parallel)
      reach = geometry.source_to_detector / (geometry.is_arc() ? 1 : std::cos(geometry.fan_angle(column)));
    rays_.push_back({ray.origin.x, ray.origin.y, ray.direction.x, ray.direction.y, reach});
  }
}

double ViewPlanner::row_height(double row) const {
  return (row - (static_cast<double>(geometry_.rows) - 1) / 2 - geometry_.row_offset) * geometry_.row_pitch;
}

double ViewPlanner::slant(std::size_t column, std::size_t row) const {
  return geometry_.is_cone() ? std::hypot(1, row_height(static_cast<double>(row)) / rays_[column].reach) : 1;
}

ViewPlanner::PlaneRay ViewPlanner::turned(const PlaneRay& ray, double c, double s) const {
  return {c * ray.x - s * ray.y, s * ray.x + c * ray.y, c * ray.way_x - s * ray.way_y, s * ray.way_x + c * ray.way_y, ray.reach};
}

Crossing ViewPlanner::crossing(Across across, const PlaneRay& ray, double table_position) const {
  const Axis x{grid_.x(0), grid_.voxel_x, grid_.nx}, y{grid_.y(0), grid_.voxel_y, grid_.ny};
  const bool by_x = across == Across::x;
  const Axis &line = by_x ? x : y, &along = by_x ? y : x;
  const double way = by_x ? ray.way_x : ray.way_y, sideways = by_x ? ray.way_y : ray.way_x;
  // Way from the source to line i: distance + distance_step i [mm].
  const double distance = (line.first - (by_x ? ray.x : ray.y)) / way, distance_step = line.size / way;
  Crossing c;
  c.place = ((by_x ? ray.y : ray.x) + distance * sideways - along.first) / along.size;
  c.slope = distance_step * sideways / along.size;
  Interval lines{0, static_cast<double>(line.n) - 1};
  lines.keep(c.place, c.slope, -1, static_cast<double>(along.n));
  if (geometry_.beam != Beam::parallel) lines.keep(distance, distance_step, 0, ray.reach);
  if (lines.low <= lines.high) {
    c.begin = static_cast<int>(std::ceil(lines.low));
    c.end = static_cast<int>(std::floor(lines.high)) + 1;
  }
  if (!geometry_.is_cone()) return c;
  const double first = row_height(0) / ray.reach, pitch = geometry_.row_pitch / ray.reach;  // tangents of the cone angle
  c.height = (table_position + distance * first - grid_.z(0)) / grid_.voxel_z;
  c.height_slope = distance_step * first / grid_.voxel_z;
  c.step = distance * pitch / grid_.voxel_z;
  c.step_slope = distance_step * pitch / grid_.voxel_z;
  return c;
}

RayBundle ViewPlanner::begun(Across across, std::size_t first_column) const {
  RayBundle bundle{across, first_column, {}, {}};
  bundle.crossings.reserve(rays_.size() - first_column);
  bundle.length.reserve(rays_.size() - first_column);
  return bundle;
}

std::vector<RayBundle> ViewPlanner::bundles(const View& view) const {
  const double c = std::cos(view.angle), s = std::sin(view.angle);
  std::vector<RayBundle> bundles;
  bool forward = false;
  for (std::size_t k = 0; k < rays_.size(); ++k) {
    const PlaneRay ray = turned(rays_[k], c, s);
    const bool by_x = std::abs(ray.way_x) * grid_.voxel_y >= std::abs(ray.way_y) * grid_.voxel_x;
    const Across across = by_x ? Across::x : Across::y;
    const double way = by_x ? ray.way_x : ray.way_y;
    if (bundles.empty() || bundles.back().across != across || forward != (way > 0)) bundles.push_back(begun(across, k));
    forward = way > 0;
    bundles.back().crossings.push_back(crossing(across, ray, view.table_position));
    bundles.back().length.push_back((by_x ? grid_.voxel_x : grid_.voxel_y) / std::abs(way) / 10);
  }
  return bundles;
}

}  // namespace counterflow::projection
