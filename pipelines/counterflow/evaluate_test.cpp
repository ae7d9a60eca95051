// counterflow evaluate on images of known resolution and noise: what it prints and writes are the figures that they were made
// with.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <random>
#include <sstream>

#include "core/archive/archive.h"
#include "core/archive/image_file.h"
#include "core/testing/folder.h"
#include "pipelines/counterflow/test_blur.h"
#include "pipelines/counterflow/test_command.h"

namespace counterflow {
namespace {

using testing::Folder;
using ::testing::HasSubstr;

const ImageGrid kGrid{.nx = 150, .ny = 130, .nz = 6, .voxel_x = 0.5, .voxel_y = 0.5, .voxel_z = 1};
constexpr double kBlur = 0.7;    // [mm]
constexpr double kWhite = 0.04;  // deviation of the noise before its filter [1/cm]

// A scan that says nothing of what the images should show.
std::string scan_file(const Folder& folder) {
  ScanHeader h;
  h.quantity = Quantity::line_integrals;
  h.geometry = {.beam = Beam::parallel, .columns = 2, .views = 1, .views_per_rotation = 1, .column_pitch = 1, .row_pitch = 1};
  h.geometry.angle_step = 1;
  h.grid = kGrid;
  h.system.bins = 1;
  const auto file = folder / "scan.h5";
  ArchiveWriter writer(file, h);
  PathLengths<float> x;
  x.areal_density = Array<float, 3>({1, 1, 2});
  writer.write(x);
  writer.finish();
  return file.string();
}

std::string image_file(const Folder& folder, auto&& slice) {
  const auto file = folder / "images.h5";
  ImageFileWriter writer(file, {"chain", "initial"});
  for (std::size_t z = 0; z < kGrid.nz; ++z) {
    Image<float> image;
    image.value = Array<float, 4>({1, 1, kGrid.ny, kGrid.nx});
    image.grid = kGrid;
    image.slice = z;
    image.channels = std::make_shared<const Channels>(Channels{"attenuation", "1/cm", {"bin 0"}});
    const std::vector<double> values = slice();
    for (std::size_t i = 0; i < values.size(); ++i) image.value[i] = static_cast<float>(values[i]);
    writer.write(image);
  }
  writer.finish();
  return file.string();
}

// The numbers of the line of a channel behind a heading.
std::vector<double> figures(const std::string& text, const std::string& heading, const std::string& channel) {
  const auto line = text.find(channel, text.find(heading));
  std::istringstream in(text.substr(line + channel.size(), text.find('\n', line) - line - channel.size()));
  std::vector<double> out;
  for (std::string word; in >> word;)
    if (std::isdigit(static_cast<unsigned char>(word[0]))) out.push_back(std::stod(word));
  return out;
}

// [frequency, value] of a CSV's last two columns.
std::vector<std::pair<double, double>> curve(const std::filesystem::path& file) {
  std::istringstream in(testing::read_file(file));
  std::vector<std::pair<double, double>> out;
  std::string line;
  for (std::getline(in, line); std::getline(in, line);) {
    const auto last = line.rfind(','), before = line.rfind(',', last - 1);
    out.emplace_back(std::stod(line.substr(before + 1)), std::stod(line.substr(last + 1)));
  }
  return out;
}

TEST(Evaluate, gives_the_resolution_that_a_wire_was_blurred_by) {
  const Folder folder;
  std::mt19937_64 random(11);
  const auto images = image_file(folder, [&] {
    std::vector<double> slice(kGrid.nx * kGrid.ny, 0.2);
    testing::add_disk(slice, kGrid, -8.3, 5.6, 0.4, kBlur, 3);
    for (double& v : slice) v += 0.001 * std::normal_distribution<double>()(random);
    return slice;
  });
  const auto result = testing::run("evaluate " + images + " " + scan_file(folder) + " --wire -8.3,5.6,0.8 --plots " +
                                   (folder / "plots").string());
  ASSERT_EQ(result.code, 0) << result.text;
  const auto printed = figures(result.text, "resolution (MTF)", "bin 0 [1/cm]  wire");  // contrast, its noise, f50, f10
  ASSERT_EQ(printed.size(), 4u) << result.text;
  EXPECT_NEAR(printed[2] / (10 * testing::gaussian_frequency(0.5, kBlur)), 1, 0.01);
  EXPECT_NEAR(printed[3] / (10 * testing::gaussian_frequency(0.1, kBlur)), 1, 0.01);
  const auto written = curve(folder / "plots/mtf.csv");
  ASSERT_GT(written.size(), 10u);
  for (const auto& [frequency, transfer] : written) {
    EXPECT_NEAR(transfer, testing::gaussian_mtf(frequency / 10, kBlur), 0.01) << frequency << " lp/cm";
  }
}

// White noise filtered by [1 2 1] / 4 along x and y: variance sigma^2 (3/8)^2, autocorrelation (6, 4, 1) / 16 at lags of 0, 1, 2.
TEST(Evaluate, gives_the_noise_that_the_images_were_made_with) {
  const Folder folder;
  std::mt19937_64 random(12);
  const auto images = image_file(folder, [&] {
    const std::size_t nx = kGrid.nx, ny = kGrid.ny;
    std::vector<double> slice(nx * ny), white(nx * ny);
    for (double& v : white) v = kWhite * std::normal_distribution<double>()(random);
    constexpr double kTap[] = {0.25, 0.5, 0.25};
    for (std::size_t y = 0; y < ny; ++y)
      for (std::size_t x = 0; x < nx; ++x) {
        slice[y * nx + x] = 0.2;
        for (std::size_t j = 0; j < 3; ++j)
          for (std::size_t i = 0; i < 3; ++i) slice[y * nx + x] += kTap[j] * kTap[i] * white[(y + j) % ny * nx + (x + i) % nx];
      }
    return slice;
  });
  const auto result =
      testing::run("evaluate " + images + " " + scan_file(folder) + " --uniform 0,0,31 --plots " + (folder / "plots").string());
  ASSERT_EQ(result.code, 0) << result.text;
  // deviation, that of the NPS, peak, mean, squares of a side
  const auto printed = figures(result.text, "noise (NPS)", "bin 0 [1/cm]  uniform");
  ASSERT_EQ(printed.size(), 6u) << result.text;
  const double deviation = kWhite * 3 / 8, side = printed[5], pixel = kGrid.voxel_x;
  EXPECT_NEAR(printed[0] / deviation, 1, 0.02);
  EXPECT_NEAR(printed[1] / deviation, 1, 0.02);

  const auto along = [&](double f) {  // of squares of a side: each lag by the share of pairs in them (Bartlett 1950)
    const double w = 2 * std::numbers::pi * f * pixel;
    return (6 + 8 * (1 - 1 / side) * std::cos(w) + 2 * (1 - 2 / side) * std::cos(2 * w)) / 16;
  };
  const auto expected = [&](double f) {  // mean over the circle of frequencies f [1/mm]
    double sum = 0;
    for (int k = 0; k < 64; ++k) {
      const double angle = 2 * std::numbers::pi * k / 64;
      sum += along(f * std::cos(angle)) * along(f * std::sin(angle)) / 64;
    }
    return kWhite * kWhite * pixel * pixel * sum;
  };
  const auto written = curve(folder / "plots/nps.csv");
  ASSERT_GE(written.size(), 16u);
  double sum = 0, weighted = 0;
  for (std::size_t k = 0; k < written.size(); ++k) {
    const auto& [frequency, power] = written[k];
    if (k >= 2) {  // the quadratic trend takes some of the first two
      EXPECT_NEAR(power / expected(frequency / 10), 1, 0.15) << frequency << " lp/cm";
    }
    const double weight = k < 2 ? power : expected(frequency / 10);
    sum += weight, weighted += frequency * weight;
  }
  EXPECT_LT(printed[2], 3);  // the peak is at the low end
  EXPECT_NEAR(printed[3] / (weighted / sum), 1, 0.02);
}

}  // namespace
}  // namespace counterflow
