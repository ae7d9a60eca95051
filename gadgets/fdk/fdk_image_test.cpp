#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <random>

#include "gadgets/fdk/test_scan.h"

namespace counterflow {
namespace {

using namespace fdk_testing;
constexpr double kPi = std::numbers::pi;
const std::vector<Beam> kCones{Beam::cone_arc, Beam::cone_flat};

template <class Real>
struct Voxel {
  double x, y, z;
  Real value;
};

// Every voxel of the slices.
template <class Real>
std::vector<Voxel<Real>> voxels(const std::vector<Image<Real>>& images) {
  std::vector<Voxel<Real>> out;
  for (const auto& image : images)
    for (std::size_t j = 0; j < image.grid.ny; ++j)
      for (std::size_t i = 0; i < image.grid.nx; ++i)
        out.push_back({image.grid.x(static_cast<double>(i)), image.grid.y(static_cast<double>(j)),
                       image.grid.z(static_cast<double>(image.slice)), image.value(0, 0, j, i)});
  return out;
}

// Largest departure from `value` where use(x, y, z).
template <class Real, class Use>
double worst(const std::vector<Image<Real>>& images, double value, Use&& use) {
  double largest = -1;
  for (const auto& v : voxels(images))
    if (use(v.x, v.y, v.z)) largest = std::max(largest, std::abs(static_cast<double>(v.value) - value));
  return largest < 0 ? 1e300 : largest;
}

TEST(Feldkamp, a_ball_is_flat_and_in_scale_in_the_plane_of_the_source) {
  for (Beam beam : kCones) {
    ScanHeader h = header(geometry(beam, 240, 3, 360, 250, 3), 64, 1, 1.5);
    const auto images = images_of(gadget<float>(), h, {{Shape::ellipsoid({4, -3, 0}, {38, 38, 38}), 1.02}}, 2);
    const auto off = [](double x, double y) { return std::hypot(x - 4, y + 3); };
    const double flat = worst(images, 1.02, [&](double x, double y, double) { return off(x, y) < 35; }) / 1.02;
    std::printf("ball in %s: off by %.2f %% at most, up to 3 mm from its edge\n", std::string(beam_name(beam)).c_str(),
                100 * flat);
    EXPECT_LT(flat, 0.005) << beam_name(beam);
    // Streaks of 360 views about a ball off the axis.
    EXPECT_LT(worst(images, 0, [&](double x, double y, double) { return off(x, y) > 43; }), 0.01 * 1.02) << beam_name(beam);
    EXPECT_EQ(images[0].channels->unit, "g/cm^3");
  }
}

// What is the same for every z is exact at every height: the paths grow by the cosine that weighs them.
TEST(Feldkamp, a_tall_cylinder_is_flat_at_every_height_and_for_every_range) {
  for (Beam beam : kCones)
    for (double range : {2 * kPi, -2 * kPi, kPi + 0.6, 4.4, 7.0}) {
      ScanHeader h = header(geometry(beam, 160, 7, 360, 200, 110), 40, 5, 2.5);
      h.geometry.angle_step = std::copysign(2 * kPi / 360, range);
      h.geometry.views = static_cast<std::size_t>(std::lround(std::abs(range / h.geometry.angle_step)));
      h.grid.voxel_z = 8;
      const auto images = images_of(gadget<float>(), h,
                                    {{Shape::cylinder({5, -2, 0}, 50, 50, 200), 1}, {Shape::cylinder({25, 10, 0}, 9, 9), 0.4}});
      ASSERT_EQ(images.size(), 5u);
      const auto off = [](double x, double y) { return std::hypot(x - 5, y + 2); };
      const auto rod = [](double x, double y) { return std::hypot(x - 25, y - 10); };
      EXPECT_LT(worst(images, 1, [&](double x, double y, double) { return off(x, y) < 46 && rod(x, y) > 14; }), 0.006)
          << beam_name(beam) << " range " << range;
      EXPECT_LT(worst(images, 1.4, [&](double x, double y, double) { return rod(x, y) < 4; }), 0.007)
          << beam_name(beam) << " range " << range;
    }
}

// A view of a small ball: rays within a few elements of where its centre is seen, which the conventions of scan_geometry.h say.
PathLengths<double> view_of_point(const ScanGeometry& g, std::size_t view, Vector3 centre, double radius) {
  const std::vector<Body> ball{{Shape::ellipsoid(centre, {radius, radius, radius}), 8}};
  PathLengths<double> x = view_of<double>(g, view, {});
  const double b = x.view.angle, across = centre.x * std::sin(b) - centre.y * std::cos(b);
  const double depth = g.source_to_isocenter - centre.x * std::cos(b) - centre.y * std::sin(b);
  const double place = g.is_arc() ? std::atan2(across, depth) : across / depth;
  const double distance = g.is_arc() ? std::hypot(across, depth) : depth;
  const double column =
      place * g.source_to_detector / g.column_pitch + (static_cast<double>(g.columns) - 1) / 2 + g.column_offset;
  const double row =
      centre.z / distance * g.source_to_detector / g.row_pitch + (static_cast<double>(g.rows) - 1) / 2 + g.row_offset;
  for (long r = std::lround(row) - 3; r <= std::lround(row) + 3; ++r)
    for (long k = std::lround(column) - 3; k <= std::lround(column) + 3; ++k) {
      double mean = 0;
      for (int i = 0; i < 9; ++i) {
        const Ray ray =
            ray_of(g, b, static_cast<double>(k) + (i % 3) / 3.0 - 1 / 3.0, static_cast<double>(r) + (i / 3) / 3.0 - 1 / 3.0);
        mean += 8 * ball[0].shape.chord(ray).length() / 10 / 9;
      }
      x.areal_density(0u, static_cast<std::size_t>(r), static_cast<std::size_t>(k)) = mean;
    }
  return x;
}

// Centroid of what stands above a fifth of the peak.
std::array<double, 3> centroid(const std::vector<Image<double>>& images) {
  double peak = 0, sum = 0;
  std::array<double, 3> at{};
  for (const auto& v : voxels(images)) peak = std::max(peak, v.value);
  for (const auto& v : voxels(images)) {
    const double value = v.value - 0.2 * peak;
    if (value < 0) continue;
    sum += value, at[0] += value * v.x, at[1] += value * v.y, at[2] += value * v.z;
  }
  for (double& c : at) c /= sum;
  return at;
}

TEST(Feldkamp, a_point_off_the_plane_is_found_at_its_place) {
  const double voxel = 0.5;
  double farthest = 0;
  for (Beam beam : kCones)
    for (auto [offset, sense] : {std::pair(0.25, 1.0), std::pair(-5.6, -1.0)})
      for (double range : {2 * kPi, 4.1})
        for (const Vector3 point : {Vector3{33.37, -21.84, 28.21}, Vector3{-12.4, 40.1, -33.7}}) {
          ScanHeader h = header(geometry(beam, 200, 150, 360, 120, 90), 25, 25, voxel);
          ScanGeometry& g = h.geometry;
          g.column_offset = offset;
          g.row_offset = -0.7 * offset;
          g.first_angle = 2.7;
          g.angle_step = sense * range / 360;
          h.grid.centre_x = std::round(point.x), h.grid.centre_y = std::round(point.y), h.grid.centre_z = std::round(point.z);
          const auto fdk = gadget<double>();
          auto state = fdk.begin({}, h);
          for (std::size_t v = 0; v < g.views; ++v) fdk.add({}, state, view_of_point(g, v, point, 0.6));
          std::vector<Image<double>> images;
          fdk.end({}, state, [&](Image<double> image) { images.push_back(std::move(image)); });
          const auto at = centroid(images);
          const double away = norm(Vector3{at[0], at[1], at[2]} - point) / voxel;
          farthest = std::max(farthest, away);
          EXPECT_LT(away, 0.05) << beam_name(beam) << " offset " << offset << " sense " << sense << " range " << range << " z "
                                << point.z;
        }
  std::printf("point off the plane: at most %.4f voxel away\n", farthest);
}

// A circle does not measure all planes (Tuy 1983): what changes along z is blurred, and lower, away from the plane of the source.
TEST(Feldkamp, discs_stacked_along_z_fade_away_from_the_plane_as_known) {
  ScanHeader h = header(geometry(Beam::cone_flat, 80, 101, 90, 200, 200), 3, 81, 2);
  h.grid.voxel_x = h.grid.voxel_y = 4;
  std::vector<Body> discs;
  for (int i = -4; i <= 4; ++i) discs.push_back({Shape::cylinder({0, 0, 16. * i}, 60, 60, 4), 1});
  const auto images = images_of(gadget<float>(), h, discs);
  const auto centre = [&](int i) { return static_cast<double>(images[static_cast<std::size_t>(40 + 8 * i)].value(0, 0, 1, 1)); };
  for (int i = 0; i <= 4; ++i)
    std::printf("disc at z = %2d mm (cone angle %.1f degrees): %.3f of 1\n", 16 * i, std::atan(16. * i / 541) * 180 / kPi,
                centre(i));
  EXPECT_NEAR(centre(0), 1, 0.01);
  EXPECT_LT(centre(4), 0.6);
  for (int i = 1; i <= 4; ++i) {
    EXPECT_LT(centre(i), centre(i - 1) + 0.002);
    EXPECT_NEAR(centre(i), centre(-i), 1e-3);
  }
}

TEST(Feldkamp, channels_are_reconstructed_alike_and_apart) {
  ScanHeader h = header(geometry(Beam::cone_arc, 60, 13, 35), 19, 9, 7);  // an odd number of views
  std::vector<PathLengths<float>> both, second;
  for (std::size_t v = 0; v < h.geometry.views; ++v) {
    const auto x = view_of<float>(h.geometry, v, {{Shape::ellipsoid({20, 10, 3}, {30, 30, 30}), 1}});
    auto y = x;
    y.areal_density = Array<float, 3>({2, h.geometry.rows, h.geometry.columns}, 1e4f);
    std::copy(x.areal_density.begin(), x.areal_density.end(), y.areal_density.block(1).begin());
    y.channels = std::make_shared<const Channels>(Channels{"areal_density", "g/cm^2", {"water", "iodine"}});
    both.push_back(std::move(y));
    second.push_back(x);
  }
  const auto images = testing::reconstructed(gadget<float>(), h, both),
             alone = testing::reconstructed(gadget<float>(), h, second);
  ASSERT_EQ(images.size(), 9u);
  for (std::size_t z = 0; z < 9; ++z) {
    EXPECT_TRUE(std::ranges::equal(images[z].value.block(1), alone[z].value.block(0))) << z;
    EXPECT_EQ(images[z].slice, z);
  }
  EXPECT_EQ(images[2].channels->names[1], "iodine");
}

TEST(Feldkamp, line_integrals_become_attenuation_per_cm) {
  ScanHeader h = header(geometry(Beam::cone_flat, 100, 9, 120), 5, 1, 2);
  std::vector<PathLengths<float>> xs;
  for (std::size_t v = 0; v < h.geometry.views; ++v) {
    xs.push_back(view_of<float>(h.geometry, v, {{Shape::cylinder({}, 60, 60), 0.2}}));
    xs.back().channels = std::make_shared<const Channels>(Channels{"line_integral", "1", {"bin 0"}});
  }
  const auto images = testing::reconstructed(gadget<float>(), h, xs);
  EXPECT_EQ(images[0].channels->quantity, "attenuation");
  EXPECT_EQ(images[0].channels->unit, "1/cm");
  EXPECT_NEAR(images[0].value(0, 0, 2, 2), 0.2, 0.001);
}

TEST(Feldkamp, the_grid_is_the_headers_unless_properties_say_otherwise) {
  const ScanHeader h = header(geometry(Beam::cone_flat, 24, 10, 20), 16, 6, 4);
  const auto out = gadget<float>({{"nx", "7"}, {"nz", "3"}, {"voxel_z", "2.5"}, {"centre_z", "-30"}}).output_header(h);
  EXPECT_EQ(out.grid.nx, 7u);
  EXPECT_EQ(out.grid.ny, 16u);
  EXPECT_EQ(out.grid.nz, 3u);
  EXPECT_DOUBLE_EQ(out.grid.z(0), -32.5);
  EXPECT_EQ(gadget<float>().output_header(h).grid, h.grid);
}

TEST(Feldkamp, a_preview_leaves_the_scan_as_it_was_and_ends_as_the_image) {
  const ScanHeader h = header(geometry(Beam::cone_flat, 60, 15, 75), 20, 5, 8);
  const std::vector<Body> ball{{Shape::ellipsoid({10, 0, 0}, {50, 40, 30}), 1}};
  const auto fdk = gadget<double>();
  const auto expected = images_of(fdk, h, ball);
  auto state = fdk.begin({}, h);
  EXPECT_TRUE(fdk.preview(state).value.empty());
  for (std::size_t v = 0; v < 75; ++v) {
    fdk.add({}, state, view_of<double>(h.geometry, v, ball));
    if (v % 20 == 7) {
      EXPECT_TRUE(fdk.preview(state).view.preview);
    }
  }
  const auto last = fdk.preview(state);
  std::vector<Image<double>> images;
  fdk.end({}, state, [&](Image<double> image) { images.push_back(std::move(image)); });
  for (std::size_t z = 0; z < 5; ++z) {
    EXPECT_EQ(images[z].value, expected[z].value);
    EXPECT_TRUE(std::ranges::equal(last.value.block(0, z), expected[z].value.block(0, 0)));
  }
  EXPECT_FALSE(images[0].view.preview);
}

TEST(Feldkamp, the_same_bits_for_any_number_of_threads) {
  const ScanHeader h = header(geometry(Beam::cone_arc, 90, 20, 70), 40, 20, 5);
  std::vector<Image<float>> first;
  for (std::size_t threads : {1, 2, 3, 4}) {
    const tbb::global_control control(tbb::global_control::max_allowed_parallelism, threads);
    const auto images = images_of(gadget<float>(), h, {{Shape::ellipsoid({10, 5, 2}, {60, 60, 40}), 1}});
    if (first.empty()) first = images;
    for (std::size_t z = 0; z < images.size(); ++z) EXPECT_EQ(images[z].value, first[z].value) << threads;
  }
}

// The covariance of a linear operator A of uncorrelated rays is sum_j A_ij^2 cov_j; the rows of A come from its adjoint.
TEST(Feldkamp, the_noise_map_is_that_of_the_linear_operator) {
  for (Beam beam : kCones) {
    ScanHeader h = header(geometry(beam, 13, 5, 35), 6, 4, 25);
    h.grid.ny = 5;
    h.geometry.row_offset = 0.3;
    const auto fdk = gadget<double>({{"noise", "true"}, {"window", "cosine"}});
    std::mt19937_64 random(11);
    std::vector<PathLengths<double>> xs;
    for (std::size_t v = 0; v < h.geometry.views; ++v) {
      xs.push_back(view_of<double>(h.geometry, v, {}));
      xs.back().areal_density = Array<double, 3>({2, 5, 13}, 1);
      xs.back().covariance = Array<double, 3>({3, 5, 13});
      for (double& c : xs.back().covariance) c = std::uniform_real_distribution<double>(0.1, 1)(random);
    }
    const auto images = testing::reconstructed(fdk, h, xs);
    const auto state = fdk.begin({}, h);
    const auto expect_covariance = [&](std::size_t pair, std::size_t z, std::size_t y, std::size_t x) {
      auto unit = std::make_shared<Image<double>>();
      unit->value = Array<double, 4>({2, 1, 5, 6});
      unit->slice = z;
      unit->value(0, 0, y, x) = 1;
      const auto cotangent = fdk.adjoint_begin({}, state, {unit});
      double sum = 0;
      for (const auto& in : xs) {
        None none;
        const auto row = fdk.adjoint({}, state, in, cotangent, none).areal_density;
        for (std::size_t i = 0; i < 5 * 13; ++i) sum += std::pow(row[i], 2) * in.covariance.block(pair)[i];
      }
      EXPECT_GT(sum, 0);
      EXPECT_NEAR(images[z].covariance(pair, 0, y, x), sum, 1e-10 * sum) << beam_name(beam);
    };
    expect_covariance(0, 0, 2, 3);
    expect_covariance(1, 1, 0, 0);
    expect_covariance(2, 3, 4, 5);
    expect_covariance(1, 2, 3, 1);
  }
}

TEST(Feldkamp, slices_beyond_the_cone_are_reported) {
  const ScanHeader h = header(geometry(Beam::cone_flat, 60, 20, 20, 250, 40), 40, 21, 4);  // 84 mm tall, seen: less than 40
  const auto fdk = gadget<float>();
  const auto remarks = fdk.report(fdk.begin({}, h));
  ASSERT_EQ(remarks.size(), 1u);
  EXPECT_GT(remarks[0].count, 11u);
  EXPECT_LT(remarks[0].count, 17u);
  EXPECT_EQ(remarks[0].of, 21u);
  ScanHeader inside = h;
  inside.grid.nz = 5;
  EXPECT_TRUE(fdk.report(fdk.begin({}, inside)).empty());
}

TEST(Feldkamp, its_footprint_bounds_what_it_holds) {
  const ScanHeader h = header(geometry(Beam::cone_arc, 24, 10, 20), 16, 12, 4);  // two bins: at most two channels
  const Footprint f = gadget<float>().footprint(h);
  EXPECT_EQ(f.emitted, 12u);
  EXPECT_EQ(f.message, 16u * 16 * 2 * sizeof(float));
  EXPECT_GE(f.state, 16u * 16 * 12 * 2 * sizeof(float) + 2 * 32u * 10 * 24 * 2 * sizeof(float));
}

}  // namespace
}  // namespace counterflow
