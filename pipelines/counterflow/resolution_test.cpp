#include "pipelines/counterflow/resolution.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "core/testing/refusal.h"
#include "pipelines/counterflow/test_blur.h"

namespace counterflow {
namespace {

using testing::add_disk;
using testing::gaussian_frequency;
using testing::gaussian_mtf;
using ::testing::HasSubstr;
using testing::refusal;

const ImageGrid kGrid{.nx = 110, .ny = 96, .voxel_x = 0.7, .voxel_y = 0.7, .centre_x = 2, .centre_y = -1};

std::vector<double> flat(double value) { return std::vector<double>(kGrid.nx * kGrid.ny, value); }

// Within 2 % wherever the transfer is above a tenth.
void expect_gaussian(const Resolution& r, double blur, double tolerance = 0.02) {
  EXPECT_DOUBLE_EQ(r.transfer.front(), 1);
  for (std::size_t k = 0; k < r.transfer.size(); ++k) {
    const double expected = gaussian_mtf(r.frequency[k], blur);
    if (expected > 0.1) {
      EXPECT_NEAR(r.transfer[k] / expected, 1, tolerance) << "at " << r.frequency[k];
    }
  }
  for (double level : {0.5, 0.1}) {
    ASSERT_TRUE(frequency_at(r, level));
    EXPECT_NEAR(*frequency_at(r, level) / gaussian_frequency(level, blur), 1, tolerance);
  }
}

TEST(Resolution, of_an_edge_is_the_blurs) {
  for (double blur : {0.6, 1.0}) {
    auto image = flat(3);
    add_disk(image, kGrid, 4.13, -2.71, 13.9, blur, -5);
    const Resolution r = edge_resolution(image, kGrid, {4.13, -2.71, 13.9});
    expect_gaussian(r, blur);
    EXPECT_NEAR(r.contrast, -5, 0.01);
  }
}

TEST(Resolution, of_an_edge_is_the_blurs_beside_other_regions_and_in_noise) {
  auto image = flat(0);
  const Circle edge{-14, 2, 12}, others[] = {{16, 2, 11}, {2, 0, 60}, edge};
  add_disk(image, kGrid, edge.x, edge.y, edge.radius, 0.8, 1);
  add_disk(image, kGrid, others[0].x, others[0].y, others[0].radius, 0.8, 40);  // its edge is within the window
  std::mt19937_64 random(1);
  std::normal_distribution<double> noise(0, 0.02);
  for (double& v : image) v += noise(random);
  const Resolution r = edge_resolution(image, kGrid, edge, others);
  EXPECT_NEAR(r.noise, 0.02, 0.002);
  EXPECT_NEAR(*frequency_at(r, 0.5) / gaussian_frequency(0.5, 0.8), 1, 0.03);
  const Resolution wrong = edge_resolution(image, kGrid, edge);  // the neighbour must matter where it is not told
  EXPECT_GT(wrong.noise, 1);
}

TEST(Resolution, of_a_wire_between_pixels_is_the_blurs) {
  for (const auto& [x, y] : {std::pair(2.0, -1.0), std::pair(2.35, -1.35), std::pair(-3.17, 4.41)}) {
    auto image = flat(-1000);
    add_disk(image, kGrid, x, y, 0.05, 0.75, 3e4);
    expect_gaussian(wire_resolution(image, kGrid, {x + 0.4, y - 0.6, 0.05}), 0.75, 0.005);  // its place need not be exact
  }
}

TEST(Resolution, of_a_thick_wire_is_corrected_by_its_disk) {
  auto image = flat(1);
  add_disk(image, kGrid, 1.23, 0.71, 0.8, 0.75, 7);
  expect_gaussian(wire_resolution(image, kGrid, {1.23, 0.71, 0.8}), 0.75, 0.01);
  const Resolution uncorrected = wire_resolution(image, kGrid, {1.23, 0.71, 0});
  EXPECT_LT(*frequency_at(uncorrected, 0.5), 0.9 * gaussian_frequency(0.5, 0.75));
}

TEST(Resolution, differences_between_directions_are_averaged) {
  auto image = flat(0);
  const double wide = 1.1, narrow = 0.6;
  for (std::size_t j = 0; j < kGrid.ny; ++j)
    for (std::size_t i = 0; i < kGrid.nx; ++i) {
      const double x = kGrid.x(static_cast<double>(i)) / wide, y = kGrid.y(static_cast<double>(j)) / narrow;
      image[j * kGrid.nx + i] = std::exp(-(x * x + y * y) / 2);
    }
  const Resolution r = wire_resolution(image, kGrid, {0, 0, 0});
  for (std::size_t k = 0; k < r.frequency.size(); k += 16) {
    double expected = 0;
    for (int a = 0; a < 360; ++a) {
      const double s = std::hypot(wide * std::cos(a * M_PI / 180), narrow * std::sin(a * M_PI / 180));
      expected += gaussian_mtf(r.frequency[k], s) / 360;
    }
    EXPECT_NEAR(r.transfer[k], expected, 0.005);
  }
}

TEST(Resolution, where_there_is_no_wire_or_edge_is_refused) {
  const auto image = flat(1);
  EXPECT_THAT(refusal<DataError>([&] { wire_resolution(image, kGrid, {0, 0, 0.1}); }), HasSubstr("no wire at (0, 0) mm"));
  EXPECT_THAT(refusal<DataError>([&] { wire_resolution(image, kGrid, {38, 0, 0.1}); }), HasSubstr("not within the image"));
  EXPECT_THAT(refusal<DataError>([&] { edge_resolution(image, kGrid, {0, 0, 2}); }), HasSubstr("too small"));
  EXPECT_THAT(refusal<DataError>([&] { edge_resolution(image, kGrid, {200, 0, 14}); }), HasSubstr("too little of it"));
}

TEST(Resolution, frequency_of_a_level_lies_between_points_or_nowhere) {
  const Resolution r{{0, 1, 2}, {1, 0.6, 0.2}, 0, 0};
  EXPECT_NEAR(*frequency_at(r, 0.5), 1.25, 1e-12);
  EXPECT_FALSE(frequency_at(r, 0.1));
}

}  // namespace
}  // namespace counterflow
