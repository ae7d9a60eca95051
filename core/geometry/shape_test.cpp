// Chords against closed forms and against counting points along the ray; the order of painting.
#include "core/geometry/shape.h"

#include <gtest/gtest.h>

#include <numbers>
#include <random>

#include "core/geometry/shape_painting.h"

namespace counterflow {
namespace {

Ray ray_through(Vector3 a, Vector3 b) { return {a, (1 / norm(b - a)) * (b - a)}; }

TEST(Shape, a_ball_has_the_chord_of_its_radius_and_distance) {
  const Shape ball = Shape::ellipsoid({10, 20, 30}, {5, 5, 5});
  const Ray ray{{-500, 23, 30}, {1, 0, 0}};
  EXPECT_NEAR(ball.chord(ray).begin, 506, 1e-11);
  EXPECT_NEAR(ball.chord(ray).length(), 8, 1e-11);
  EXPECT_TRUE(ball.chord({{-500, 25.001, 30}, {1, 0, 0}}).empty());
}

TEST(Shape, an_ellipse_along_z_is_wider_for_an_inclined_ray) {
  const Shape column = Shape::cylinder({0, 0, 0}, 3, 2);
  EXPECT_NEAR(column.chord({{0, -50, 7}, {0, 1, 0}}).length(), 4, 1e-12);
  EXPECT_NEAR(column.chord(ray_through({-9, 0, -9}, {9, 0, 9})).length(), 6 * std::sqrt(2.0), 1e-12);
  EXPECT_EQ(column.chord({{1, 1, 0}, {0, 0, 1}}).length(), Shape::kInfinite);
}

TEST(Shape, a_finite_cylinder_ends_at_its_lids) {
  const Shape can = Shape::cylinder({1, 2, 3}, 4, 4, 10, Frame::of({1, 0, 0}, {0, 1, 0}));
  EXPECT_NEAR(can.chord({{-100, 2, 3}, {1, 0, 0}}).length(), 20, 1e-12);
  EXPECT_NEAR(can.chord({{1, -100, 3}, {0, 1, 0}}).length(), 8, 1e-12);
  EXPECT_TRUE(can.chord({{11.5, -100, 3}, {0, 1, 0}}).empty());
}

TEST(Shape, a_turned_box_shows_its_diagonal) {
  const Shape box = Shape::box({0, 0, 0}, {1, 1, 5}, Frame::turned(std::numbers::pi / 4));
  EXPECT_NEAR(box.chord({{-30, 0, 0}, {1, 0, 0}}).length(), 2 * std::sqrt(2.0), 1e-12);
  EXPECT_TRUE(box.chord({{-30, 0, 5.1}, {1, 0, 0}}).empty());
}

TEST(Shape, a_cone_is_as_wide_as_its_height_says) {
  const Shape cone = Shape::cone({0, 0, 0}, 4, 1, 6);
  EXPECT_NEAR(cone.chord({{-30, 0, -6}, {1, 0, 0}}).length(), 8, 1e-9);
  EXPECT_NEAR(cone.chord({{-30, 0, 4}, {1, 0, 0}}).length(), 3, 1e-12);
  EXPECT_NEAR(cone.chord({{0.5, 0, -30}, {0, 0, 1}}).length(), 12, 1e-12);
  EXPECT_NEAR(cone.chord({{3, 0, -30}, {0, 0, 1}}).length(), 4, 1e-12);
}

TEST(Shape, a_clip_keeps_the_side_below_its_plane) {
  Shape ball = Shape::ellipsoid({0, 0, 0}, {5, 5, 5});
  ball.clip({2, 0, 0}, 2);  // x <= 1
  const Chord chord = ball.chord({{-50, 0, 0}, {1, 0, 0}});
  EXPECT_NEAR(chord.begin, 45, 1e-12);
  EXPECT_NEAR(chord.end, 51, 1e-12);
  EXPECT_TRUE(ball.chord({{1.5, -50, 0}, {0, 1, 0}}).empty());
  EXPECT_FALSE(ball.contains({1.5, 0, 0}));
  EXPECT_TRUE(ball.contains({0.5, 0, 0}));
}

TEST(Shape, every_chord_is_the_length_of_the_points_inside) {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> in(-1, 1);
  const auto vector = [&](double size) { return Vector3{size * in(random), size * in(random), size * in(random)}; };
  for (int k = 0; k < 200; ++k) {
    const Frame frame = Frame::of(vector(1), vector(1));
    const Vector3 center = vector(4), half{3 + in(random), 2 + in(random), 4 + in(random)};
    Shape shape = k % 4 == 0   ? Shape::ellipsoid(center, half, frame)
                  : k % 4 == 1 ? Shape::cylinder(center, half.x, half.y, half.z, frame)
                  : k % 4 == 2 ? Shape::box(center, half, frame)
                               : Shape::cone(center, half.x, 0.3 * half.y, half.z, frame);
    if (k % 3 == 0) shape.clip(vector(1), 0.5);
    const Ray ray = ray_through(vector(30), center + vector(2));
    constexpr int kSteps = 40000;
    const double begin = -80, step = 160.0 / kSteps;
    double inside = 0;
    for (int i = 0; i < kSteps; ++i) inside += shape.contains(ray.at(begin + (i + 0.5) * step)) ? step : 0;
    EXPECT_NEAR(shape.chord(ray).length(), inside, 2.1 * step) << k;
  }
}

TEST(Shape, knows_whether_it_is_the_same_for_every_z) {
  EXPECT_TRUE(Shape::cylinder({1, 2, 3}, 4, 5).z_invariant());
  EXPECT_TRUE(Shape::cylinder({1, 2, 3}, 4, 5).clip({1, 1, 0}, 3).z_invariant());
  EXPECT_FALSE(Shape::cylinder({1, 2, 3}, 4, 5).clip({1, 0, 1}, 3).z_invariant());
  EXPECT_FALSE(Shape::cylinder({1, 2, 3}, 4, 5, 100).z_invariant());
  EXPECT_FALSE(Shape::ellipsoid({1, 2, 3}, {4, 5, 6}).z_invariant());
  EXPECT_NEAR(Shape::cylinder({30, 40, 3}, 4, 5).reach(), 55, 1e-12);
}

TEST(Shape, without_size_or_with_a_degenerate_frame_is_refused) {
  EXPECT_THROW(Shape::ellipsoid({}, {1, 0, 1}), ConfigError);
  EXPECT_THROW(Shape::cylinder({}, -1, 1), ConfigError);
  EXPECT_THROW(Frame::of({0, 0, 1}, {0, 0, 2}), ConfigError);
  EXPECT_THROW(Frame::of({0, 0, 0}, {1, 0, 0}), ConfigError);
}

TEST(ShapePainting, what_is_painted_later_covers_what_lies_below) {
  ShapePainting painting;
  painting.paint({Shape::cylinder({0, 0, 0}, 50, 50), 0, 1.0});
  painting.paint({Shape::cylinder({-10, 0, 0}, 15, 15), 1, 2.0});
  painting.paint({Shape::cylinder({10, 0, 0}, 15, 15), 2, 3.0});
  painting.paint({Shape::cylinder({10, 0, 0}, 5, 5), 1, 0.0});  // a hole
  RayWorkspace workspace;
  std::vector<double> areal(3, 99.0);
  painting.integrate({{-500, 0, 0}, {1, 0, 0}}, workspace, areal);
  // From -25 to -5 material 1, from -5 to 25 material 2 but for the hole from 5 to 15, the rest of -50..50 material 0.
  EXPECT_NEAR(areal[0], 0.1 * 50 * 1.0, 1e-12);
  EXPECT_NEAR(areal[1], 0.1 * 20 * 2.0, 1e-12);
  EXPECT_NEAR(areal[2], 0.1 * 20 * 3.0, 1e-12);
  EXPECT_EQ(painting.at({-20, 0, 0}), 1u);
  EXPECT_EQ(painting.at({0, 0, 0}), 2u);
  EXPECT_EQ(painting.at({10, 0, 0}), 3u);
  EXPECT_EQ(painting.at({60, 0, 0}), std::nullopt);
}

TEST(ShapePainting, among_the_near_ones_the_same_shape_is_seen) {
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> in(-1, 1);
  ShapePainting painting;
  for (int k = 0; k < 60; ++k) {
    const Vector3 center{20 * in(random), 20 * in(random), 20 * in(random)};
    const Frame frame = Frame::of({in(random), in(random), in(random)}, {in(random), in(random), in(random)});
    if (k % 3 == 0) painting.paint({Shape::cylinder(center, 2, 3), 0, 1.0});
    else if (k % 3 == 1) painting.paint({Shape::ellipsoid(center, {2, 3, 5}, frame), 0, 1.0});
    else painting.paint({Shape::box(center, {2, 3, 1}, frame), 0, 1.0});
  }
  std::vector<std::size_t> near;
  std::size_t seen = 0, fewer = 0;
  for (int k = 0; k < 3000; ++k) {
    const Vector3 middle{20 * in(random), 20 * in(random), 20 * in(random)};
    const Vector3 point = middle + Vector3{0.5 * in(random), 0.5 * in(random), 0.5 * in(random)};
    painting.near(middle, 0.9, near);
    EXPECT_EQ(painting.at(point), painting.at(point, near));
    seen += painting.at(point) ? 1 : 0;
    fewer += near.size() < 30 ? 1 : 0;
  }
  EXPECT_GT(seen, 300u);
  EXPECT_GT(fewer, 2900u);
}

TEST(ShapePainting, a_ray_past_everything_sees_nothing) {
  ShapePainting painting;
  painting.paint({Shape::ellipsoid({0, 0, 0}, {5, 5, 5}), 0, 1.0});
  RayWorkspace workspace;
  std::vector<double> areal(1, 99.0);
  painting.integrate({{-500, 6, 0}, {1, 0, 0}}, workspace, areal);
  EXPECT_EQ(areal[0], 0);
  EXPECT_FALSE(painting.z_invariant());
}

}  // namespace
}  // namespace counterflow
