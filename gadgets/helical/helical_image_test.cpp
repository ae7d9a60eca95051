// Images of bodies whose line integrals are known in closed form: 16 rows of 1.2 mm, slices as far apart.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "gadgets/helical/test_scan.h"

namespace counterflow {
namespace {

using namespace helical_testing;
// Sanitized builds are ten times slower: fewer scans there.
#if defined(__SANITIZE_ADDRESS__)
const std::vector<std::tuple<Beam, double, double>> kScans{{Beam::cone_flat, 1.2, 1.0}};
#else
const std::vector<std::tuple<Beam, double, double>> kScans{{Beam::cone_arc, 0.5, 1.0},
                                                           {Beam::cone_arc, 1.0, -1.0},
                                                           {Beam::cone_flat, -1.0, 1.0},
                                                           {Beam::cone_flat, 1.2, 1.0},
                                                           {Beam::cone_arc, -1.2, -1.0}};
#endif
constexpr double kEndless = Shape::kInfinite;
constexpr double kVoxel = 3, kThickness = 1.2;

ScanHeader scan(Beam beam, double pitch, double sense = 1, double offset = 0.25) {
  ScanGeometry g = geometry(beam, 160, 16, 320, pitch, 1.1 + 1 / std::abs(pitch));
  g.angle_step *= sense;
  g.column_offset = offset;
  g.first_angle = 0.7;
  return header(g, 64, kVoxel, kThickness);
}

// Every voxel of a channel, with its place: use(x, y, z, value) [mm].
template <class Use>
void over_voxels(const ScanHeader& h, const Array<float, 4>& volume, Use&& use) {
  for (std::size_t k = 0; k < volume.extent(1); ++k)
    for (std::size_t j = 0; j < volume.extent(2); ++j)
      for (std::size_t i = 0; i < volume.extent(3); ++i)
        use(h.grid.x(static_cast<double>(i)), h.grid.y(static_cast<double>(j)), h.grid.z(static_cast<double>(k)),
            static_cast<double>(volume(0, k, j, i)));
}

class HelicalImage : public ::testing::TestWithParam<std::tuple<Beam, double, double>> {
 protected:
  ScanHeader h = scan(std::get<0>(GetParam()), std::get<1>(GetParam()), std::get<2>(GetParam()));
};

TEST_P(HelicalImage, of_a_water_cylinder_is_flat_in_every_slice_from_the_first_to_the_last) {
  const Array<float, 4> volume = image_of(h, {{Shape::cylinder({6, -9, 0}, 80, 80, kEndless), 1.02}}, {}, 1);
  double worst = 0, least = 1e9, most = -1e9;
  std::vector<double> mean(h.grid.nz), count(h.grid.nz);
  over_voxels(h, volume, [&](double x, double y, double z, double v) {
    if (std::hypot(x - 6, y + 9) > 74) return;
    worst = std::max(worst, std::abs(v / 1.02 - 1));
    const auto k = static_cast<std::size_t>(std::lround((z - h.grid.z(0)) / kThickness));
    mean[k] += v, count[k] += 1;
  });
  for (std::size_t k = 0; k < h.grid.nz; ++k) {
    least = std::min(least, mean[k] / count[k]);
    most = std::max(most, mean[k] / count[k]);
  }
  std::printf("largest error %.3f %%, slices differ by %.4f %%\n", 100 * worst, 100 * (most / least - 1));
  EXPECT_GE(h.grid.nz, 8u);
  EXPECT_LT(worst, 0.005);
  EXPECT_LT(most / least - 1, 0.0002);
}

TEST_P(HelicalImage, of_a_ball_has_its_place_density_and_mass) {
  const Vector3 at{47.3, -28.6, 1.37};
  const double radius = 12;
  const Array<float, 4> volume = image_of(h, {{Shape::ellipsoid(at, {radius, radius, radius}), 0.8}});
  double mass = 0, inside = 0, beyond = 0;
  Vector3 centre;
  over_voxels(h, volume, [&](double x, double y, double z, double v) {
    const Vector3 from = Vector3{x, y, z} - at;
    const double distance = norm(from);
    if (distance < 20) mass += v, centre = centre + v * from;
    if (distance < 6) inside = std::max(inside, std::abs(v / 0.8 - 1));
    if (distance > 20) beyond = std::max(beyond, std::abs(v / 0.8));
  });
  EXPECT_LT(std::hypot(centre.x, centre.y) / mass, 0.05 * kVoxel);
  EXPECT_LT(std::abs(centre.z) / mass, 0.05 * kThickness);
  EXPECT_LT(inside, 0.01);
  const double volume_of_ball = 4 * std::numbers::pi / 3 * radius * radius * radius;
  EXPECT_NEAR(mass * kVoxel * kVoxel * kThickness / 0.8 / volume_of_ball, 1, 0.01);
  EXPECT_LT(beyond, 0.035);  // windmills about its top and bottom
  std::printf("off by %.4f, %.4f, %.4f voxel; density %+.2f %%; windmills %.1f %%\n", centre.x / mass / kVoxel,
              centre.y / mass / kVoxel, centre.z / mass / kThickness, 100 * inside, 100 * beyond);
}

INSTANTIATE_TEST_SUITE_P(Scans, HelicalImage, ::testing::ValuesIn(kScans));

// A thin wire along z: its place in every slice.
TEST(HelicalReconstruction, finds_a_wire_at_its_place_in_every_slice) {
  for (Beam beam : {Beam::cone_arc, Beam::cone_flat}) {
    ScanHeader h = scan(beam, 1.0, 1, -3.4);
    h.grid.nx = h.grid.ny = 24;
    h.grid.voxel_x = h.grid.voxel_y = 1;
    h.grid.centre_x = 51.3, h.grid.centre_y = -38.6;
    const Array<float, 4> volume = image_of(h, {{Shape::cylinder({51.9, -37.8, 0}, 1, 1, kEndless), 1}}, {}, 3);
    std::vector<double> sum(h.grid.nz), x0(h.grid.nz), y0(h.grid.nz);
    over_voxels(h, volume, [&](double x, double y, double z, double v) {
      if (std::hypot(x - 51.9, y + 37.8) > 6) return;
      const auto k = static_cast<std::size_t>(std::lround((z - h.grid.z(0)) / kThickness));
      sum[k] += v, x0[k] += v * (x - 51.9), y0[k] += v * (y + 37.8);
    });
    double farthest = 0;
    for (std::size_t k = 0; k < h.grid.nz; ++k) {
      farthest = std::max(farthest, std::hypot(x0[k], y0[k]) / sum[k]);
      EXPECT_LT(std::hypot(x0[k], y0[k]) / sum[k], 0.05) << beam_name(beam) << " slice " << k;
      EXPECT_NEAR(sum[k], std::numbers::pi, 0.04 * std::numbers::pi);
    }
    std::printf("wire off by at most %.4f voxel\n", farthest);
  }
}

// Full width at half maximum along z of a disc thin against the rows [mm].
double slice_width(double pitch) {
  ScanHeader h = scan(Beam::cone_arc, pitch);
  h.geometry = geometry(Beam::cone_arc, 40, 16, 160, pitch, 1.1 + 1 / pitch);
  h.grid.nx = h.grid.ny = 1;
  h.grid.centre_x = 40, h.grid.centre_y = 25;
  h.grid.nz = 61, h.grid.voxel_z = 0.1, h.grid.centre_z = 0;
  const Array<float, 4> volume = image_of(h, {{Shape::cylinder({40, 25, 0}, 25, 25, 0.1), 1}}, {}, 5);
  double sum = 0, peak = 0, mean = 0, above = 0;
  over_voxels(h, volume, [&](double, double, double z, double v) { sum += v, peak = std::max(peak, v), mean += v * z; });
  EXPECT_LT(std::abs(mean / sum), 0.05 * kThickness);
  over_voxels(h, volume, [&](double, double, double, double v) { above += v > peak / 2 ? 0.1 : 0; });
  return above;
}

TEST(HelicalReconstruction, has_slices_as_thick_at_every_pitch) {
  for (double pitch : {0.5, 1.0, 1.2}) {
    const double width = slice_width(pitch);
    EXPECT_GT(width, 1.0 * kThickness) << pitch;
    EXPECT_LT(width, 1.6 * kThickness) << pitch;
    std::printf("pitch %.1f: slices of %.2f mm from rows of %.2f mm\n", pitch, width, kThickness);
  }
}

TEST(HelicalReconstruction, treats_channels_alike_and_apart) {
  ScanHeader h = scan(Beam::cone_flat, 1.0);
  h.grid.nx = h.grid.ny = 9, h.grid.nz = 5;
  const std::vector<Body> a{{Shape::ellipsoid({5, 3, 0}, {9, 8, 7}), 1}}, b{{Shape::ellipsoid({-5, 3, 1}, {9, 8, 7}), 2}};
  const auto views = [&](const std::vector<std::vector<Body>>& objects) {
    return volume_of(gadget<float>(), h, [&](std::size_t v) { return view_of<float>(h.geometry, v, objects, 1); });
  };
  const auto both = views({a, b}), first = views({a}), second = views({b});
  EXPECT_THAT(both.block(0), ::testing::ElementsAreArray(first.block(0)));
  EXPECT_THAT(both.block(1), ::testing::ElementsAreArray(second.block(0)));
}

TEST(HelicalReconstruction, previews_show_what_the_table_has_passed) {
  const ScanHeader h = scan(Beam::cone_arc, 1.0);
  const auto helical = gadget<float>();
  auto state = helical.begin({}, h);
  EXPECT_TRUE(helical.preview(state).value.empty());
  for (std::size_t v = 0; v < h.geometry.views * 3 / 4; ++v)
    helical.add({}, state, view_of<float>(h.geometry, v, {{{Shape::cylinder({}, 60, 60, kEndless), 1}}}, 1));
  const auto picture = helical.preview(state);
  EXPECT_TRUE(picture.view.preview);
  EXPECT_NEAR(picture.value(0, 0, 32, 32), 1, 0.01);
  EXPECT_NEAR(picture.value(0, h.grid.nz - 1, 32, 32), 0, 0.7);
}

}  // namespace
}  // namespace counterflow
