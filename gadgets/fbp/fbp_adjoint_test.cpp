#include <gtest/gtest.h>

#include "gadgets/fbp/test_scan.h"

namespace counterflow {
namespace {

using namespace fbp_testing;

// All sizes different; 65 views: two whole batches and one view.
ScanHeader small_scan(Beam beam, double range, std::size_t views) {
  ScanGeometry g = geometry(beam, 27, views);
  g.rows = 5;
  g.column_offset = 0.3;
  g.first_angle = 0.4;
  g.angle_step = range / static_cast<double>(views);
  ScanHeader h = header(g, 13, 16);  // its corners lie outside the field of view
  h.grid.ny = 11;
  return h;
}

template <class Real>
double error_of(const ScanHeader& h, std::size_t materials, unsigned seed) {
  return testing::transpose_error(gadget<Real>({{"window", "cosine"}}), h, materials, seed);
}

TEST(FilteredBackprojectionAdjoint, is_the_transpose_in_double_and_in_float) {
  for (Beam beam : {Beam::fan_arc, Beam::fan_flat, Beam::parallel})
    for (double range : {6.283185307179586, -4.0, 8.0})
      for (unsigned seed = 0; seed < 5; ++seed) {
        const ScanHeader h = small_scan(beam, range, 65);
        EXPECT_LT(error_of<double>(h, 3, seed), 1e-12) << beam_name(beam) << " range " << range;
        EXPECT_LT(error_of<float>(h, 3, seed), 1e-5) << beam_name(beam) << " range " << range;
      }
}

TEST(FilteredBackprojectionAdjoint, is_the_transpose_for_one_slice_of_one_material) {
  ScanHeader h = small_scan(Beam::fan_arc, 6.283185307179586, 65);
  h.geometry.rows = 1;
  EXPECT_LT(error_of<double>(h, 1, 1), 1e-12);
  EXPECT_LT(error_of<float>(h, 1, 1), 1e-5);
}

TEST(FilteredBackprojectionAdjoint, agrees_with_differences_and_a_mutant_does_not) {
  const auto errors = testing::adjoint_errors<FilteredBackprojection<double>>(small_scan(Beam::fan_arc, 6.283185307179586, 9), 3);
  EXPECT_LT(errors.right.value, 1e-8) << errors.right.block;
  EXPECT_GT(errors.wrong_least, 1e-6);
}

TEST(FilteredBackprojectionAdjoint, images_without_a_cotangent_count_as_zero) {
  const ScanHeader h = small_scan(Beam::fan_flat, 6.283185307179586, 9);
  const auto fbp = gadget<double>();
  const auto state = fbp.begin({}, h);
  const auto x = testing::empty_view<double>(h.geometry, 0, 2);
  None none;
  const auto z = fbp.adjoint_begin({}, state, {nullptr, nullptr});
  EXPECT_EQ(fbp.adjoint({}, state, x, z, none).areal_density, (Array<double, 3>({2, 5, 27})));
  auto one = std::make_shared<Image<double>>();
  one->value = Array<double, 4>({2, 1, 11, 13}, 1);
  one->slice = 3;
  const auto bar = fbp.adjoint({}, state, x, fbp.adjoint_begin({}, state, {nullptr, one}), none).areal_density;
  for (double v : bar.block(1, 2)) EXPECT_NEAR(v, 0, 1e-12);
  EXPECT_NE(bar(1, 3, 13), 0);
}

}  // namespace
}  // namespace counterflow
