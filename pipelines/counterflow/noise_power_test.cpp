#include "pipelines/counterflow/noise_power.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>
#include <random>

#include "core/error.h"

namespace counterflow {
namespace {

using std::numbers::pi;
const ImageGrid kGrid{.nx = 132, .ny = 120, .nz = 12, .voxel_x = 0.5, .voxel_y = 0.5};
constexpr std::size_t kSide = 32;
constexpr double kSigma = 7;

std::vector<std::size_t> all_pixels() {
  std::vector<std::size_t> out(kGrid.nx * kGrid.ny);
  std::iota(out.begin(), out.end(), 0u);
  return out;
}

using Kernel = std::array<std::array<double, 3>, 3>;
constexpr Kernel kWhite{{{0, 0, 0}, {0, 1, 0}, {0, 0, 0}}};
constexpr Kernel kSmooth{{{0.0625, 0.125, 0.0625}, {0.125, 0.25, 0.125}, {0.0625, 0.125, 0.0625}}};
constexpr Kernel kHighPass{{{-0.0625, -0.125, -0.0625}, {-0.125, 0.75, -0.125}, {-0.0625, -0.125, -0.0625}}};

// White noise, each slice convolved with a kernel, cyclically.
Array<float, 4> noise(const Kernel& kernel) {
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal(0, kSigma);
  Array<float, 4> out({1, kGrid.nz, kGrid.ny, kGrid.nx});
  const std::size_t nx = kGrid.nx, ny = kGrid.ny;
  for (std::size_t z = 0; z < kGrid.nz; ++z) {
    std::vector<double> white(nx * ny);
    for (double& v : white) v = normal(random);
    for (std::size_t y = 0; y < ny; ++y)
      for (std::size_t x = 0; x < nx; ++x) {
        double sum = 1000;
        for (std::size_t j = 0; j < 3; ++j)
          for (std::size_t i = 0; i < 3; ++i) sum += kernel[j][i] * white[(y + j) % ny * nx + (x + i) % nx];
        out(0u, z, y, x) = static_cast<float>(sum);
      }
  }
  return out;
}

// What the estimator expects at a frequency [cycles a pixel]: the transform of the kernel's autocorrelation, each lag by the
// share of pixel pairs that lie within a square (Bartlett 1950). For wide squares that is |H(f)|^2.
double expected_power(const Kernel& h, double fx, double fy) {
  double sum = 0;
  for (int ly = -2; ly <= 2; ++ly)
    for (int lx = -2; lx <= 2; ++lx) {
      double r = 0;
      for (int j = 0; j < 3; ++j)
        for (int i = 0; i < 3; ++i)
          if (j + ly >= 0 && j + ly < 3 && i + lx >= 0 && i + lx < 3)
            r += h[static_cast<std::size_t>(j)][static_cast<std::size_t>(i)] *
                 h[static_cast<std::size_t>(j + ly)][static_cast<std::size_t>(i + lx)];
      const double share = (1 - std::abs(lx) / static_cast<double>(kSide)) * (1 - std::abs(ly) / static_cast<double>(kSide));
      sum += r * share * std::cos(2 * pi * (fx * lx + fy * ly));
    }
  return kSigma * kSigma * kGrid.voxel_x * kGrid.voxel_y * sum;
}

// Its mean over the frequencies of each ring, and how many there are.
struct Ring {
  double sum = 0, count = 0;
};
std::vector<Ring> rings_of(const Kernel& kernel) {
  std::vector<Ring> out(kSide / 2 + 1);
  const int half = static_cast<int>(kSide) / 2;
  for (int j = -half; j < half; ++j)
    for (int i = -half; i < half; ++i) {
      const auto ring = static_cast<std::size_t>(std::lround(std::hypot(i, j)));
      if (ring >= out.size()) continue;
      out[ring].sum += expected_power(kernel, i / static_cast<double>(kSide), j / static_cast<double>(kSide));
      out[ring].count += 1;
    }
  return out;
}

// Five standard errors of a ring's mean: half its frequencies are independent, of squares that overlap by halves about a third.
void expect_spectrum(const NoisePower& nps, const Kernel& kernel) {
  const auto rings = rings_of(kernel);
  ASSERT_EQ(nps.power.size(), kSide / 2);
  for (std::size_t k = 3; k <= nps.power.size(); ++k) {  // the quadratic trend takes some of the first two
    const double expected = rings[k].sum / rings[k].count;
    const double error = std::sqrt(6 / (rings[k].count * static_cast<double>(nps.squares)));
    EXPECT_NEAR(nps.power[k - 1] / expected, 1, 5 * error) << "ring " << k;
  }
}

NoisePower measured(const Array<float, 4>& value) {
  const auto corners = squares_on(all_pixels(), kGrid, kSide);
  return noise_power(value, 0, kGrid, corners, kSide);
}

TEST(NoisePower, of_white_noise_is_flat_and_its_integral_the_variance) {
  const NoisePower nps = measured(noise(kWhite));
  EXPECT_GT(nps.squares, 400u);
  expect_spectrum(nps, kWhite);
  EXPECT_NEAR(nps.variance, kSigma * kSigma * (1 - 6.0 / (kSide * kSide)), 0.02 * kSigma * kSigma);
  EXPECT_NEAR(nps.frequency.front(), 1.2 / (kSide * 0.5), 0.2 / (kSide * 0.5));
  EXPECT_NEAR(nps.frequency.back(), 1.0, 0.02);  // Nyquist
}

TEST(NoisePower, of_filtered_noise_is_the_filters) {
  const NoisePower nps = measured(noise(kSmooth));
  expect_spectrum(nps, kSmooth);
  const double variance = kSigma * kSigma * (0.375 * 0.375 - 6.0 / (kSide * kSide));  // the trend takes six of the strongest
  EXPECT_NEAR(nps.variance, variance, 0.02 * variance);
}

TEST(NoisePower, of_a_high_pass_falls_at_low_frequencies_as_after_a_ramp_filter) {
  const NoisePower nps = measured(noise(kHighPass));
  expect_spectrum(nps, kHighPass);
  EXPECT_LT(nps.power[0], 0.05 * nps.power.back());
  EXPECT_GT(nps.peak(), 0.8);
  EXPECT_GT(nps.mean(), 0.6);
  EXPECT_LT(nps.mean(), nps.peak());
}

TEST(NoisePower, does_not_see_a_quadratic_trend) {
  auto value = noise(kWhite);
  const NoisePower before = measured(value);
  for (std::size_t z = 0; z < kGrid.nz; ++z)
    for (std::size_t y = 0; y < kGrid.ny; ++y)
      for (std::size_t x = 0; x < kGrid.nx; ++x) {
        const double u = static_cast<double>(x) / 40, v = static_cast<double>(y) / 40;
        value(0u, z, y, x) += static_cast<float>(5 * u - 3 * v + 4 * u * u - 2 * u * v + v * v);
      }
  const NoisePower after = measured(value);
  EXPECT_NEAR(after.variance, before.variance, 1e-4 * before.variance);
  EXPECT_NEAR(after.power[0], before.power[0], 1e-3 * before.power[0]);
}

TEST(NoisePower, squares_lie_wholly_on_the_pixels_that_are_given) {
  std::vector<std::size_t> pixels;
  std::vector<char> marked(kGrid.nx * kGrid.ny, 0);
  for (std::size_t y = 0; y < kGrid.ny; ++y)
    for (std::size_t x = 0; x < kGrid.nx; ++x)
      if (std::hypot(static_cast<double>(x) - 61, static_cast<double>(y) - 55) < 25) {
        pixels.push_back(y * kGrid.nx + x);
        marked[pixels.back()] = 1;
      }
  const auto corners = squares_on(pixels, kGrid, 16);
  EXPECT_GE(corners.size(), 9u);
  for (const Corner& c : corners)
    for (std::size_t j = 0; j < 16; ++j)
      for (std::size_t i = 0; i < 16; ++i) EXPECT_TRUE(marked[(c.y + j) * kGrid.nx + c.x + i]);
  EXPECT_TRUE(squares_on(pixels, kGrid, 48).empty());
  EXPECT_TRUE(squares_on({}, kGrid, 16).empty());
  EXPECT_THROW(noise_power(noise(kWhite), 0, kGrid, {}, 16), DataError);
}

}  // namespace
}  // namespace counterflow
