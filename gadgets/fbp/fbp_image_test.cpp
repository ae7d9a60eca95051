#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include <cmath>
#include <numbers>
#include <random>

#include "gadgets/fbp/test_scan.h"

namespace counterflow {
namespace {

using namespace fbp_testing;
constexpr double kPi = std::numbers::pi;
const std::vector<Beam> kAllBeams{Beam::fan_arc, Beam::fan_flat, Beam::parallel};

auto within(double radius) {
  return [=](double x, double y) { return std::hypot(x, y) < radius; };
}
template <class Real>
auto same_as(const Image<Real>& other) {
  return [&other](std::size_t i, std::size_t j) { return static_cast<double>(other.value(0, 0, j, i)); };
}
auto constant(double value) {
  return [=](std::size_t, std::size_t) { return value; };
}

TEST(FilteredBackprojection, a_uniform_disc_is_flat_to_its_edge_and_in_scale) {
  for (Beam beam : kAllBeams)
    for (const char* window : {"ram-lak", "hann"}) {
      const ScanHeader h = header(geometry(beam, 360, 480), 150, 1.5);
      const auto image = image_of(gadget<float>({{"window", window}}), h, {{0, 0, 100, 1.02}});
      EXPECT_LT(largest_difference(image, within(97), constant(1.02)), 0.005 * 1.02) << beam_name(beam) << " " << window;
      const auto outside = [](double x, double y) { return std::hypot(x, y) > 103 && std::hypot(x, y) < 112; };
      const double limit = window == std::string("hann") ? 0.005 : 0.02;  // an unwindowed ramp rings about the edge
      EXPECT_LT(largest_difference(image, outside, constant(0)), limit * 1.02) << beam_name(beam) << " " << window;
      EXPECT_EQ(image.channels->unit, "g/cm^3");
    }
}

// Centroid of what stands above a fifth of the peak.
template <class Real>
std::pair<double, double> centroid(const Image<Real>& image) {
  double sum = 0, sx = 0, sy = 0;
  const double peak = *std::max_element(image.value.begin(), image.value.end());
  for (std::size_t j = 0; j < image.value.extent(2); ++j)
    for (std::size_t i = 0; i < image.value.extent(3); ++i) {
      const double v = image.value(0, 0, j, i) - 0.2 * peak;
      if (v < 0) continue;
      sum += v, sx += v * image.grid.x(static_cast<double>(i)), sy += v * image.grid.y(static_cast<double>(j));
    }
  return {sx / sum, sy / sum};
}

TEST(FilteredBackprojection, a_thin_wire_is_found_at_its_place_in_every_geometry) {
  const Disc wire{73.37, -41.84, 0.4, 8};
  const double voxel = 0.5;
  for (Beam beam : kAllBeams)
    for (double offset : {0.25, -7.6})
      for (double sense : {1.0, -1.0})
        for (double range : {2 * kPi, 4.1}) {
          ScanGeometry g = geometry(beam, 420, 500);
          g.column_offset = offset;
          g.first_angle = 2.7;
          g.angle_step = sense * range / 500;
          const auto fbp = gadget<double>({{"centre_x", "72"}, {"centre_y", "-43"}});
          const auto [x, y] = centroid(image_of(fbp, header(g, 33, voxel), {wire}));
          SCOPED_TRACE(::testing::Message() << beam_name(beam) << " offset " << offset << " sense " << sense << " range "
                                            << range);
          EXPECT_NEAR(x, wire.x, 0.05 * voxel);
          EXPECT_NEAR(y, wire.y, 0.05 * voxel);
        }
}

TEST(FilteredBackprojection, short_scans_over_scans_and_several_turns_equal_the_full_turn) {
  const std::vector<Disc> body{{5, -8, 90, 1}, {40, 20, 12, 0.3}, {-35, 30, 8, -0.4}, {0, -60, 6, 1}};
  const auto smooth = [&](double x, double y) {  // further than 4 mm from any edge
    for (const Disc& d : body)
      if (std::abs(std::hypot(x - d.x, y - d.y) - d.radius) < 4) return false;
    return std::hypot(x, y) < 110;
  };
  for (Beam beam : kAllBeams) {
    const auto scan = [&](double range) {
      ScanGeometry g = geometry(beam, 360, 720);
      g.views = static_cast<std::size_t>(std::lround(range / g.angle_step));
      return image_of(gadget<float>(), header(g, 100, 2.2), body);
    };
    const auto full = scan(2 * kPi);
    for (double range : {kPi + 0.5, 4.4, 5.9, 7.3, 4 * kPi})
      EXPECT_LT(largest_difference(scan(range), smooth, same_as(full)), 0.005) << beam_name(beam) << " range " << range;
  }
}

TEST(FilteredBackprojection, windows_trade_sharpness_for_smoothness_in_their_order) {
  const ScanHeader h = header(geometry(Beam::fan_flat, 200, 300), 21, 0.4);
  double last = 1e300;
  for (const char* window : {"ram-lak", "shepp-logan", "cosine", "hamming", "hann"}) {
    const auto image = image_of(gadget<double>({{"window", window}}), h, {{0, 0, 0.5, 1}});
    const double peak = image.value(0, 0, 10, 10);
    EXPECT_LT(peak, 0.99 * last) << window;
    EXPECT_GT(peak, 0) << window;
    last = peak;
  }
  const auto half = image_of(gadget<double>({{"cutoff", "0.5"}}), h, {{0, 0, 0.5, 1}});
  EXPECT_LT(half.value(0, 0, 10, 10), 0.4 * last);
}

TEST(FilteredBackprojection, materials_and_rows_do_not_leak_into_each_other) {
  ScanGeometry g = geometry(Beam::fan_arc, 60, 65);  // an odd number of views: the last has no partner
  g.rows = 3;
  g.row_offset = 0.5;
  const ScanHeader h = header(g, 19, 11);
  std::vector<PathLengths<float>> xs;
  for (std::size_t v = 0; v < g.views; ++v) {
    auto x = view_of<float>(g, v, {{{0, 0, 80, 1e4}}, {{20, 10, 30, 1}}});
    for (std::size_t k = 0; k < g.columns; ++k) x.areal_density(1, 1, k) = 0;
    xs.push_back(std::move(x));
  }
  const auto images = testing::reconstructed(gadget<float>(), h, xs);
  ASSERT_EQ(images.size(), 3u);
  for (float v : images[1].value.block(1)) EXPECT_EQ(v, 0);
  for (auto& x : xs)
    for (auto& v : x.areal_density.block(0)) v = 0;
  const auto alone = testing::reconstructed(gadget<float>(), h, xs);
  EXPECT_TRUE(std::equal(images[2].value.block(1).begin(), images[2].value.block(1).end(), alone[2].value.block(1).begin()));
  EXPECT_EQ(images[2].slice, 2u);
  EXPECT_EQ(images[2].grid.nz, 3u);
  EXPECT_DOUBLE_EQ(images[2].grid.z(2), g.slice_position(2));
  EXPECT_EQ(images[2].channels->names[1], "material 1");
}

TEST(FilteredBackprojection, line_integrals_become_attenuation_per_cm) {
  const ScanHeader h = header(geometry(Beam::parallel, 100, 120), 11, 2);
  std::vector<PathLengths<float>> xs;
  for (std::size_t v = 0; v < h.geometry.views; ++v) {
    xs.push_back(view_of<float>(h.geometry, v, {{{0, 0, 60, 0.2}}}));
    xs.back().channels = std::make_shared<const Channels>(Channels{"line_integral", "1", {"bin 0"}});
  }
  const auto images = testing::reconstructed(gadget<float>(), h, xs);
  EXPECT_EQ(images[0].channels->quantity, "attenuation");
  EXPECT_EQ(images[0].channels->unit, "1/cm");
  EXPECT_NEAR(images[0].value(0, 0, 5, 5), 0.2, 0.001);
}

TEST(FilteredBackprojection, the_grid_is_the_headers_unless_properties_say_otherwise) {
  const ScanHeader h = header(geometry(Beam::fan_arc, 24, 20), 16, 4);
  const auto out = gadget<float>({{"nx", "7"}, {"voxel", "2.5"}, {"centre_y", "-30"}}).output_header(h);
  EXPECT_EQ(out.grid.nx, 7u);
  EXPECT_EQ(out.grid.ny, 16u);
  EXPECT_DOUBLE_EQ(out.grid.voxel_y, 2.5);
  EXPECT_DOUBLE_EQ(out.grid.y(7.5), -30);
  EXPECT_EQ(gadget<float>().output_header(h).grid.voxel_x, 4);
}

TEST(FilteredBackprojection, a_preview_leaves_the_scan_as_it_was_and_ends_as_the_image) {
  const ScanHeader h = header(geometry(Beam::fan_flat, 60, 75), 20, 8);
  const auto fbp = gadget<double>();
  const std::vector<Disc> disc{{10, 0, 70, 1}};
  const auto expected = image_of(fbp, h, disc);
  auto state = fbp.begin({}, h);
  EXPECT_TRUE(fbp.preview(state).value.empty());
  for (std::size_t v = 0; v < 75; ++v) {
    fbp.add({}, state, view_of<double>(h.geometry, v, {disc}));
    if (v % 20 == 7) {
      EXPECT_TRUE(fbp.preview(state).view.preview);
    }
  }
  const auto last = fbp.preview(state);
  std::vector<Image<double>> images;
  fbp.end({}, state, [&](Image<double> image) { images.push_back(image); });
  EXPECT_EQ(images[0].value, expected.value);
  EXPECT_EQ(last.value, expected.value);
  EXPECT_FALSE(images[0].view.preview);
}

TEST(FilteredBackprojection, half_a_turn_of_parallel_previews_is_already_in_scale) {
  const ScanHeader h = header(geometry(Beam::parallel, 60, 64), 9, 8);
  const auto fbp = gadget<double>();
  auto state = fbp.begin({}, h);
  for (std::size_t v = 0; v < 32; ++v) fbp.add({}, state, view_of<double>(h.geometry, v, {{{0, 0, 80, 1}}}));
  EXPECT_NEAR(fbp.preview(state).value(0, 0, 4, 4), 1, 0.01);
}

TEST(FilteredBackprojection, the_same_bits_for_any_number_of_threads) {
  ScanGeometry g = geometry(Beam::fan_arc, 90, 70);
  g.rows = 2;
  const ScanHeader h = header(g, 40, 5);
  std::vector<Array<float, 4>> values;
  for (std::size_t threads : {1, 2, 3, 4}) {
    const tbb::global_control control(tbb::global_control::max_allowed_parallelism, threads);
    values.push_back(image_of(gadget<float>(), h, {{10, 5, 60, 1}}).value);
    EXPECT_EQ(values.back(), values.front()) << threads;
  }
}

// The covariance of a linear operator A of uncorrelated rays is sum_j A_ij A_ij C_j; the rows of A come from its adjoint.
TEST(FilteredBackprojection, the_covariance_is_that_of_the_linear_operator) {
  for (Beam beam : kAllBeams) {
    ScanGeometry g = geometry(beam, 17, 35);
    g.rows = 2;
    ScanHeader h = header(g, 6, 25);
    h.grid.ny = 5;
    const auto fbp = gadget<double>({{"noise", "true"}, {"window", "cosine"}});
    std::mt19937_64 random(11);
    std::vector<PathLengths<double>> xs;
    for (std::size_t v = 0; v < g.views; ++v) {
      xs.push_back(view_of<double>(g, v, {{{0, 0, 40, 1}}, {{0, 0, 10, 1}}}));
      xs.back().covariance = Array<double, 3>({3, g.rows, g.columns});
      for (double& c : xs.back().covariance) c = std::uniform_real_distribution<double>(0.1, 1)(random);
      for (double& c : xs.back().covariance.block(1)) c -= 0.8;  // of two materials: of either sign
    }
    const auto images = testing::reconstructed(fbp, h, xs);
    const auto state = fbp.begin({}, h);
    const auto expect_covariance = [&](std::size_t pair, std::size_t r, std::size_t y, std::size_t x) {
      auto unit = std::make_shared<Image<double>>();
      unit->value = Array<double, 4>({2, 1, 5, 6});
      unit->slice = r;
      unit->value(0, 0, y, x) = 1;  // every channel is reconstructed alike
      const auto z = fbp.adjoint_begin({}, state, {unit});
      double covariance = 0, terms = 0;
      for (const auto& in : xs) {
        None none;
        const auto row = fbp.adjoint({}, state, in, z, none).areal_density;
        for (std::size_t k = 0; k < g.columns; ++k) {
          const double term = std::pow(row(0, r, k), 2) * in.covariance(pair, r, k);
          covariance += term, terms += std::abs(term);
        }
      }
      EXPECT_NEAR(images[r].covariance(pair, 0, y, x), covariance, 1e-10 * terms) << beam_name(beam);
      EXPECT_GT(terms, 1e-4);
    };
    expect_covariance(0, 0, 2, 3);
    expect_covariance(1, 0, 0, 0);
    expect_covariance(2, 1, 4, 5);
    expect_covariance(1, 1, 3, 1);
  }
}

TEST(FilteredBackprojection, its_footprint_bounds_what_it_holds) {
  ScanGeometry g = geometry(Beam::fan_arc, 24, 20);
  g.rows = 3;
  const ScanHeader h = header(g, 16, 4);  // two bins: at most two channels
  const Footprint f = gadget<float>().footprint(h);
  EXPECT_EQ(f.emitted, 3u);
  EXPECT_EQ(f.message, 16u * 16 * 2 * sizeof(float));
  EXPECT_GE(f.state, 16u * 16 * 6 * sizeof(float));
}

}  // namespace
}  // namespace counterflow
