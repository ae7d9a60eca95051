#include "pipelines/counterflow/image_comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "core/error.h"
#include "core/testing/refusal.h"

namespace counterflow {
namespace {

using ::testing::HasSubstr;
using testing::refusal;

const ImageGrid kGrid{.nx = 61, .ny = 61, .nz = 2, .voxel_x = 0.5, .voxel_y = 0.5, .voxel_z = 1};
constexpr double kRadius = 12;  // of the body [mm]

double radius_of(std::size_t y, std::size_t x) {
  return std::hypot(kGrid.x(static_cast<double>(x)), kGrid.y(static_cast<double>(y)));
}

// Iodine [g/cm^3] as a function of slice, row and column.
std::vector<ImageSeries> images(auto&& iodine) {
  ImageSeries s{0, {"density", "g/cm^3", {"water", "iodine"}}, kGrid, Array<float, 4>({2, kGrid.nz, kGrid.ny, kGrid.nx}), {}};
  for (std::size_t z = 0; z < kGrid.nz; ++z)
    for (std::size_t y = 0; y < kGrid.ny; ++y)
      for (std::size_t x = 0; x < kGrid.nx; ++x) {
        s.value(0, z, y, x) = 1;
        s.value(1, z, y, x) = static_cast<float>(iodine(z, y, x));
      }
  return {s};
}

Truth body() {
  Truth truth{{"water"}, kGrid, Array<float, 4>({1, kGrid.nz, kGrid.ny, kGrid.nx}), {}};
  for (std::size_t z = 0; z < kGrid.nz; ++z)
    for (std::size_t y = 0; y < kGrid.ny; ++y)
      for (std::size_t x = 0; x < kGrid.nx; ++x) truth.density(0, z, y, x) = radius_of(y, x) <= kRadius ? 1 : 0;
  return truth;
}

const ImageDifference& of(const std::vector<ImageDifference>& all, const std::string& quantity) {
  const auto found = std::ranges::find(all, quantity, &ImageDifference::quantity);
  EXPECT_NE(found, all.end()) << quantity;
  return *found;
}

// 2 mg/mL on every other ring within the body, and anything outside of it.
TEST(ImageComparison, finds_the_rings_within_the_object) {
  const auto flat = images([](auto...) { return 0.005; });
  const auto rings = images([](std::size_t, std::size_t y, std::size_t x) {
    if (radius_of(y, x) > kRadius) return 1.0;
    return 0.005 + (static_cast<std::size_t>(radius_of(y, x) / kGrid.voxel_x) % 2 == 0 ? 0.002 : 0.0);
  });
  const auto d = compare_images(rings, flat, body());
  const ImageDifference& iodine = of(d, "iodine");
  EXPECT_EQ(iodine.unit, "mg/mL");
  EXPECT_NEAR(iodine.rings, 2 / std::sqrt(2), 0.03);  // 13 of the 25 rings
  EXPECT_NEAR(iodine.mean, 2 * 276.0 / 576, 0.02);    // ring k holds 2 k + 1 shares, k < 24
  EXPECT_NEAR(iodine.root_mean_square, 2 / std::sqrt(2), 0.05);
  EXPECT_EQ(of(d, "water").root_mean_square, 0);
  EXPECT_NEAR(of(d, "70 keV").rings / iodine.rings, 26, 3);                       // HU of 1 mg/mL of iodine at 70 keV
  EXPECT_GT(of(compare_images(rings, flat, std::nullopt), "iodine").rings, 100);  // no truth: what is outside counts too
}

TEST(ImageComparison, noise_is_no_ring) {
  std::mt19937_64 random(5);
  const auto noisy = images([&](auto...) { return 0.005 + 0.001 * std::normal_distribution<double>()(random); });
  const auto d = compare_images(noisy, images([](auto...) { return 0.005; }), body());
  EXPECT_NEAR(of(d, "iodine").root_mean_square, 1, 0.05);
  EXPECT_LT(of(d, "iodine").rings, 0.25);
}

TEST(ImageComparison, refuses_other_grids_and_other_channels) {
  const auto a = images([](auto...) { return 0.0; });
  auto b = a;
  b[0].grid.voxel_x = 0.7;
  EXPECT_THAT(refusal<DataError>([&] { compare_images(a, b, std::nullopt); }), HasSubstr("expected two files on the same grid"));
  b = {{5, {"map", "1", {"effective Z"}}, kGrid, Array<float, 4>({1, 2, 61, 61}), {}}};
  EXPECT_THAT(refusal<DataError>([&] { compare_images(a, b, std::nullopt); }), HasSubstr("share no channel"));
}

}  // namespace
}  // namespace counterflow
