// Rays against the conventions of format.md, written out anew here.
#include "core/geometry/ray.h"

#include <gtest/gtest.h>

#include <numbers>

namespace counterflow {
namespace {

ScanGeometry geometry_of(Beam beam) {
  ScanGeometry g;
  g.beam = beam;
  g.columns = 101;
  g.rows = 5;
  g.views = g.views_per_rotation = 90;
  g.source_to_isocenter = beam == Beam::parallel ? 0 : 400;
  g.source_to_detector = beam == Beam::parallel ? 0 : 700;
  g.column_pitch = 2.5;
  g.row_pitch = 3;
  g.column_offset = 1.25;
  g.row_offset = 0.5;
  g.angle_step = -0.07;
  return g;
}

// The column where a point of the plane is seen, from the words of the format: the signed angle between the central ray and the
// ray through the point, counter-clockwise positive; parallel: the offset along (sin b, -cos b).
double column_that_sees(const ScanGeometry& g, double b, double x, double y) {
  double u = x * std::sin(b) - y * std::cos(b);
  if (g.beam != Beam::parallel) {
    const double cx = -std::cos(b), cy = -std::sin(b);
    const double dx = x - g.source_to_isocenter * std::cos(b), dy = y - g.source_to_isocenter * std::sin(b);
    const double fan = std::atan2(cx * dy - cy * dx, cx * dx + cy * dy);
    const bool arc = g.beam == Beam::fan_arc || g.beam == Beam::cone_arc;
    u = g.source_to_detector * (arc ? fan : std::tan(fan));
  }
  return u / g.column_pitch + (static_cast<double>(g.columns) - 1) / 2 + g.column_offset;
}

double distance_to(const Ray& ray, Vector3 point) { return norm(cross(point - ray.origin, ray.direction)); }

TEST(Ray, passes_through_the_point_that_its_column_sees_in_every_beam) {
  for (Beam beam : {Beam::fan_arc, Beam::fan_flat, Beam::parallel, Beam::cone_arc, Beam::cone_flat}) {
    const ScanGeometry g = geometry_of(beam);
    for (double b : {0.0, 0.3, 2.0, -1.1, 9.9}) {
      const double column = column_that_sees(g, b, 31, -17);
      // Row 2.5 is the central one: (5-1)/2 + 0.5, so the ray lies in the plane z = 0.
      const Ray ray = ray_of(g, b, column, 2.5);
      EXPECT_NEAR(distance_to(ray, {31, -17, 0}), 0, 1e-10) << beam_name(beam) << " at " << b;
      EXPECT_NEAR(norm(ray.direction), 1, 1e-14);
    }
  }
}

TEST(Ray, of_a_flat_and_an_arc_detector_differ_off_axis) {
  const Ray arc = ray_of(geometry_of(Beam::fan_arc), 0.4, 90, 2), flat = ray_of(geometry_of(Beam::fan_flat), 0.4, 90, 2);
  EXPECT_GT(norm(cross(arc.direction, flat.direction)), 1e-4);
}

TEST(Ray, starts_at_the_source_and_grows_with_the_column_counter_clockwise) {
  const ScanGeometry g = geometry_of(Beam::fan_arc);
  const double b = 0.5;
  const Ray low = ray_of(g, b, 50, 2.5), high = ray_of(g, b, 51, 2.5);
  EXPECT_NEAR(low.origin.x, 400 * std::cos(b), 1e-12);
  EXPECT_NEAR(low.origin.y, 400 * std::sin(b), 1e-12);
  EXPECT_GT(cross(low.direction, high.direction).z, 0);
}

TEST(Ray, of_a_parallel_beam_runs_against_the_source_direction) {
  const Ray ray = ray_of(geometry_of(Beam::parallel), 0.5, 51.25 + 4, 2.5);
  EXPECT_NEAR(ray.direction.x, -std::cos(0.5), 1e-15);
  EXPECT_NEAR(ray.origin.x * std::sin(0.5) - ray.origin.y * std::cos(0.5), 10, 1e-12);
}

TEST(Ray, of_a_fan_stays_in_its_slice_and_of_a_cone_rises_to_its_row) {
  for (Beam beam : {Beam::fan_arc, Beam::fan_flat}) {
    const Ray ray = ray_of(geometry_of(beam), 1.0, 80, 4);
    EXPECT_NEAR(ray.origin.z, 1.5 * 3 * 400 / 700, 1e-12);
    EXPECT_EQ(ray.direction.z, 0);
  }
  // A flat detector stands at the distance 700 along the central ray; an arc's rays all have that horizontal length.
  const Ray flat = ray_of(geometry_of(Beam::cone_flat), 1.0, 80, 4), arc = ray_of(geometry_of(Beam::cone_arc), 1.0, 80, 4);
  const Vector3 central{-std::cos(1.0), -std::sin(1.0), 0};
  EXPECT_NEAR(flat.at(700 / dot(flat.direction, central)).z, 4.5, 1e-12);
  EXPECT_NEAR(arc.at(700 / std::hypot(arc.direction.x, arc.direction.y)).z, 4.5, 1e-12);
  EXPECT_EQ(arc.origin.z, 0);
}

TEST(Ray, moves_with_the_table_in_the_patients_system) {
  for (Beam beam : {Beam::cone_arc, Beam::cone_flat, Beam::fan_arc, Beam::parallel}) {
    const Ray still = ray_of(geometry_of(beam), 1.0, 80, 4, 0.3), moved = ray_of(geometry_of(beam), 1.0, 80, 4, 0.3, -17.5);
    EXPECT_EQ(still.direction, moved.direction);
    EXPECT_NEAR(norm(moved.origin - still.origin - Vector3{0, 0, -17.5}), 0, 1e-12);
  }
}

TEST(Ray, from_a_moved_focal_spot_ends_at_the_same_place_of_the_detector) {
  const ScanGeometry g = geometry_of(Beam::fan_flat);
  const double b = 2.2;
  const Ray ray = ray_of(g, b, 70, 2.5), moved = ray_of(g, b, 70, 2.5, 0.8);
  EXPECT_NEAR(dot(moved.origin - ray.origin, {-std::sin(b), std::cos(b), 0}), 0.8, 1e-12);
  const Vector3 pixel = ray.at(700 / std::cos(g.fan_angle(70)));
  EXPECT_NEAR(distance_to(moved, pixel), 0, 1e-10);
}

}  // namespace
}  // namespace counterflow
