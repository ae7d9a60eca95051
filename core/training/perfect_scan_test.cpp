#include "core/training/perfect_scan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/physics/counts_model.h"
#include "core/testing/counts_scan.h"
#include "core/testing/refusal.h"

namespace counterflow {
namespace {

using ::testing::HasSubstr;

ScanHeader header() {
  ScanHeader h = testing::small_header(5);  // a short detector about the central ray
  h.geometry.angle_step = 0.1;
  return h;
}

// A disc of water with some iodine about the isocenter, as a truth of 1 mm voxels.
std::shared_ptr<Truth> disc(double radius, double iodine) {
  auto truth = std::make_shared<Truth>();
  truth->materials = {"water", "iodine"};
  truth->grid.nx = truth->grid.ny = 200;
  truth->grid.nz = 2;
  truth->density = Array<float, 4>({2, 2, 200, 200});
  for (std::size_t z = 0; z < 2; ++z)
    for (std::size_t j = 0; j < 200; ++j)
      for (std::size_t i = 0; i < 200; ++i)
        if (std::hypot(truth->grid.x(static_cast<double>(i)), truth->grid.y(static_cast<double>(j))) < radius) {
          truth->density(0, z, j, i) = 1;
          truth->density(1, z, j, i) = static_cast<float>(iodine);
        }
  return truth;
}

Counts<float> view_of(const ScanHeader& h) {
  Counts<float> x;
  x.view.exposure = 1.25;
  const std::array<std::size_t, 3> shape = {h.bins(), h.geometry.rows, h.geometry.columns};
  x.counts = Array<float, 3>(shape, 7);
  x.background = Array<float, 3>(shape, 3);
  x.threshold_shift = Array<float, 3>({h.bins(), 1, h.modules}, 0.5F);
  x.open_beam = std::make_shared<Array<float, 3>>(shape, 4000.F);
  return x;
}

TEST(PerfectScan, counts_what_the_model_expects_behind_the_truth) {
  const ScanHeader h = header();
  const PerfectScan perfect({h, h}, disc(80, 0.01));
  const auto y = perfect.counts(1, view_of(h));
  const CountsModel model(h.system, {"water", "iodine"});
  for (std::size_t c = 0; c < h.geometry.columns; ++c) {
    const double u = h.geometry.source_to_isocenter * std::sin(h.geometry.fan_angle(static_cast<double>(c)));
    const double chord = 0.2 * std::sqrt(80 * 80 - u * u);  // [g/cm^2] of water, its radius within a voxel
    const auto expected = [&](double length) {
      std::vector<double> scale;
      for (double total : model.nominal().total) scale.push_back(1.25 * 4000 / total);
      return model.ray(model.nominal(), scale, {}, std::vector<double>{length, 0.01 * length}).lambda;
    };
    const auto fewest = expected(chord + 0.1), most = expected(chord - 0.1);
    for (std::size_t b = 0; b < h.bins(); ++b) {
      EXPECT_GT(static_cast<double>(y->counts(b, 0, c)), fewest[b]) << b << " " << c;
      EXPECT_LT(static_cast<double>(y->counts(b, 0, c)), most[b]) << b << " " << c;
    }
  }
  EXPECT_TRUE(y->background.empty());
  EXPECT_TRUE(y->threshold_shift.empty());
}

TEST(PerfectScan, what_it_cannot_know_is_refused) {
  const ScanHeader h = header();
  auto regions = std::make_shared<Truth>();
  EXPECT_THAT(testing::refusal<ConfigError>([&] { PerfectScan({h}, regions); }), HasSubstr("holds regions but no densities"));
  auto x = view_of(h);
  x.open_beam = nullptr;
  const PerfectScan perfect({h}, disc(80, 0));
  EXPECT_THAT(testing::refusal<DataError>([&] { perfect.counts(0, x); }), HasSubstr("put AirCalibration before"));
}

}  // namespace
}  // namespace counterflow
