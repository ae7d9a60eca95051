#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "core/testing/gradient_check.h"
#include "gadgets/fdk/test_scan.h"

namespace counterflow {
namespace {

using namespace fdk_testing;
constexpr double kTurn = 2 * std::numbers::pi;

// All sizes different; 37 views: one whole batch and five more. Corners lie outside the field of view, slices beyond the cone.
ScanHeader small_scan(Beam beam, double range, std::size_t views, std::size_t rows = 7, double voxel_z = 9) {
  ScanGeometry g = geometry(beam, 23, rows, views);
  g.column_offset = 0.3;
  g.row_offset = -0.4;
  g.first_angle = 0.4;
  g.angle_step = range / static_cast<double>(views);
  ScanHeader h = header(g, 9, 19, 24);
  h.grid.ny = 11;
  h.grid.voxel_z = voxel_z;
  h.grid.centre_z = 3;
  return h;
}

template <class Real>
std::vector<PathLengths<Real>> random_views(const ScanHeader& h, std::size_t channels, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  std::vector<PathLengths<Real>> xs;
  for (std::size_t v = 0; v < h.geometry.views; ++v) {
    xs.push_back(view_of<Real>(h.geometry, v, {}));
    xs.back().areal_density = Array<Real, 3>({channels, h.geometry.rows, h.geometry.columns});
    for (Real& a : xs.back().areal_density) a = static_cast<Real>(normal(random));
  }
  return xs;
}

// |<Ax, w> - <x, A'w>| / sum of |terms| of the first.
template <class Real>
double dot_test(const ScanHeader& h, std::size_t channels, unsigned seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  const auto fdk = gadget<Real>({{"window", "cosine"}});
  const auto xs = random_views<Real>(h, channels, random);
  double left = 0, terms = 0, right = 0;
  std::vector<Sent<Image<Real>>> bars;
  for (auto& image : reconstruct(fdk, h, xs)) {
    for (Real& v : image.value) {
      const Real w = static_cast<Real>(normal(random));
      left += static_cast<double>(v) * w, terms += std::abs(static_cast<double>(v) * w);
      v = w;
    }
    bars.push_back(std::make_shared<const Image<Real>>(std::move(image)));
  }
  const auto state = fdk.begin({}, h);
  const auto z = fdk.adjoint_begin({}, state, bars);
  for (const auto& x : xs) {
    None none;
    const auto bar = fdk.adjoint({}, state, x, z, none);
    for (std::size_t i = 0; i < bar.areal_density.size(); ++i)
      right += static_cast<double>(bar.areal_density[i]) * static_cast<double>(x.areal_density[i]);
  }
  return terms > 0 ? std::abs(left - right) / terms : 1e300;
}

TEST(FeldkampAdjoint, is_the_transpose_in_double_and_in_float) {
  for (Beam beam : {Beam::cone_arc, Beam::cone_flat})
    for (double range : {kTurn, -4.0, 8.0})
      for (double voxel_z : {9., 2., 30.})  // a row holds many voxels, or is skipped
        for (unsigned seed = 0; seed < 3; ++seed) {
          const ScanHeader h = small_scan(beam, range, 37, 7, voxel_z);
          SCOPED_TRACE(::testing::Message() << beam_name(beam) << " range " << range << " voxel " << voxel_z);
          EXPECT_LT(dot_test<double>(h, 2, seed), 1e-12);
          EXPECT_LT(dot_test<float>(h, 2, seed), 1e-5);
        }
}

TEST(FeldkampAdjoint, is_the_transpose_for_tall_detectors_and_volumes) {  // several vectors of rows and of voxels
  ScanHeader h = small_scan(Beam::cone_flat, kTurn, 5, 75, 1.1);
  h.grid.nz = 83;
  EXPECT_LT(dot_test<double>(h, 1, 1), 1e-12);
  EXPECT_LT(dot_test<float>(h, 1, 1), 1e-5);
}

// Forgets a ten-thousandth of one row.
struct Mutant : FeldkampReconstruction<double> {
  In adjoint(const Params& p, const State& state, const In& x, const Cotangent& z, Params& p_bar) const {
    In bar = FeldkampReconstruction<double>::adjoint(p, state, x, z, p_bar);
    for (double& v : bar.areal_density.block(1, 2)) v *= 1.0001;
    return bar;
  }
};

TEST(FeldkampAdjoint, agrees_with_differences_and_a_mutant_does_not) {
  const ScanHeader h = small_scan(Beam::cone_arc, kTurn, 7);
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937_64 random(seed);
    const auto xs = random_views<double>(h, 2, random);
    const auto error = testing::fold_adjoint_error(gadget<double>(), h, None(), xs, seed);
    EXPECT_LT(error.value, 1e-8) << error.block;
    EXPECT_GT(testing::fold_adjoint_error(Mutant(), h, None(), xs, seed).value, 1e-6);
  }
}

TEST(FeldkampAdjoint, images_without_a_cotangent_count_as_zero) {
  const ScanHeader h = small_scan(Beam::cone_flat, kTurn, 7);
  const auto fdk = gadget<double>();
  const auto state = fdk.begin({}, h);
  std::mt19937_64 random(1);
  const auto x = random_views<double>(h, 2, random).front();
  None none;
  const auto z = fdk.adjoint_begin({}, state, {nullptr, nullptr});
  EXPECT_EQ(fdk.adjoint({}, state, x, z, none).areal_density, (Array<double, 3>({2, 7, 23})));
}

}  // namespace
}  // namespace counterflow
