#include <gtest/gtest.h>

#include "gadgets/helical/test_scan.h"

namespace counterflow {
namespace {

using namespace helical_testing;

// All sizes different; more parallel views than a batch; voxels beyond the field; slices from first to last complete one.
ScanHeader small_scan(Beam beam, double pitch, double sense, std::size_t rows = 5) {
  ScanGeometry g = geometry(beam, 27, rows, 22, pitch, 2.6, 200, 3);
  g.angle_step *= sense;
  g.column_offset = 0.3, g.row_offset = -0.2;
  g.first_angle = 0.4;
  ScanHeader h = header(g, 9, 20, 2.5);
  h.grid.ny = 7;
  return h;
}

template <class Real>
double error_of(const ScanHeader& h, std::size_t materials, unsigned seed) {
  return testing::transpose_error(gadget<Real>({{"window", "cosine"}, {"plateau", "0.5"}}), h, materials, seed);
}

TEST(HelicalReconstructionAdjoint, is_the_transpose_in_double_and_in_float) {
  for (Beam beam : {Beam::cone_arc, Beam::cone_flat})
    for (double pitch : {0.35, -1.1})
      for (double sense : {1.0, -1.0})
        for (unsigned seed = 0; seed < 2; ++seed) {
          const ScanHeader h = small_scan(beam, pitch, sense);
          EXPECT_LT(error_of<double>(h, 3, seed), 1e-12) << beam_name(beam) << " pitch " << pitch;
          EXPECT_LT(error_of<float>(h, 3, seed), 1e-5) << beam_name(beam) << " pitch " << pitch;
        }
}

TEST(HelicalReconstructionAdjoint, is_the_transpose_for_one_row_and_many) {
  for (std::size_t rows : {1u, 2u, 40u}) {
    const ScanHeader h = small_scan(Beam::cone_arc, 0.9, 1, rows);
    EXPECT_LT(error_of<double>(h, 1, 1), 1e-12) << rows;
    EXPECT_LT(error_of<float>(h, 1, 1), 1e-5) << rows;
  }
}

TEST(HelicalReconstructionAdjoint, agrees_with_differences_and_a_mutant_does_not) {
  ScanHeader h = small_scan(Beam::cone_arc, 1.0, 1);
  h.geometry = geometry(Beam::cone_arc, 13, 5, 9, 1.0, 1.6, 100, 3);
  h.grid = header(h.geometry, 5, 12, 2).grid;
  const auto errors = testing::adjoint_errors<HelicalReconstruction<double>>(h, 2);
  EXPECT_LT(errors.right.value, 1e-8) << errors.right.block;
  EXPECT_GT(errors.wrong_least, 1e-6);
}

TEST(HelicalReconstructionAdjoint, images_without_a_cotangent_count_as_zero) {
  const ScanHeader h = small_scan(Beam::cone_flat, 1.0, 1);
  const auto helical = gadget<double>();
  const auto state = helical.begin({}, h);
  const auto x = testing::empty_view<double>(h.geometry, h.geometry.views / 2, 2);
  None none;
  const auto zero = helical.adjoint({}, state, x, helical.adjoint_begin({}, state, {nullptr}), none).areal_density;
  EXPECT_EQ(zero, (Array<double, 3>(x.areal_density.shape())));
  auto one = std::make_shared<Image<double>>();
  one->value = Array<double, 4>({2, 1, 7, 9}, 1);
  one->slice = h.grid.nz / 2;
  const auto bar = helical.adjoint({}, state, x, helical.adjoint_begin({}, state, {one, nullptr}), none).areal_density;
  EXPECT_NE(bar(1, 2, 13), 0);
}

}  // namespace
}  // namespace counterflow
