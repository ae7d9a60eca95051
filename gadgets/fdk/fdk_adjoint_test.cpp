#include <gtest/gtest.h>

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
double error_of(const ScanHeader& h, std::size_t materials, unsigned seed) {
  return testing::transpose_error(gadget<Real>({{"window", "cosine"}}), h, materials, seed);
}

TEST(FeldkampAdjoint, is_the_transpose_in_double_and_in_float) {
  for (Beam beam : {Beam::cone_arc, Beam::cone_flat})
    for (double range : {kTurn, -4.0, 8.0})
      for (double voxel_z : {9., 2., 30.})  // a row holds many voxels, or is skipped
        for (unsigned seed = 0; seed < 3; ++seed) {
          const ScanHeader h = small_scan(beam, range, 37, 7, voxel_z);
          SCOPED_TRACE(::testing::Message() << beam_name(beam) << " range " << range << " voxel " << voxel_z);
          EXPECT_LT(error_of<double>(h, 2, seed), 1e-12);
          EXPECT_LT(error_of<float>(h, 2, seed), 1e-5);
        }
}

TEST(FeldkampAdjoint, is_the_transpose_for_tall_detectors_and_volumes) {  // several vectors of rows and of voxels
  ScanHeader h = small_scan(Beam::cone_flat, kTurn, 5, 75, 1.1);
  h.grid.nz = 83;
  EXPECT_LT(error_of<double>(h, 1, 1), 1e-12);
  EXPECT_LT(error_of<float>(h, 1, 1), 1e-5);
}

TEST(FeldkampAdjoint, agrees_with_differences_and_a_mutant_does_not) {
  const auto errors = testing::adjoint_errors<FeldkampReconstruction<double>>(small_scan(Beam::cone_arc, kTurn, 7), 2);
  EXPECT_LT(errors.right.value, 1e-8) << errors.right.block;
  EXPECT_GT(errors.wrong_least, 1e-6);
}

TEST(FeldkampAdjoint, images_without_a_cotangent_count_as_zero) {
  const ScanHeader h = small_scan(Beam::cone_flat, kTurn, 7);
  const auto fdk = gadget<double>();
  const auto state = fdk.begin({}, h);
  const auto x = testing::empty_view<double>(h.geometry, 0, 2);
  None none;
  const auto z = fdk.adjoint_begin({}, state, {nullptr, nullptr});
  EXPECT_EQ(fdk.adjoint({}, state, x, z, none).areal_density, (Array<double, 3>({2, 7, 23})));
}

}  // namespace
}  // namespace counterflow
