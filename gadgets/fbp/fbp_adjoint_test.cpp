#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "core/testing/gradient_check.h"
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
std::vector<PathLengths<Real>> random_views(const ScanHeader& h, std::size_t channels, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  std::vector<PathLengths<Real>> xs;
  for (std::size_t v = 0; v < h.geometry.views; ++v) {
    xs.push_back(view_of<Real>(h.geometry, v, std::vector<std::vector<Disc>>(channels)));
    for (Real& a : xs.back().areal_density) a = static_cast<Real>(normal(random));
  }
  return xs;
}

// |<Ax, w> - <x, A'w>| / sum of |terms| of the first.
template <class Real>
double dot_test(const ScanHeader& h, std::size_t channels, unsigned seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  const auto fbp = gadget<Real>({{"window", "cosine"}});
  const auto xs = random_views<Real>(h, channels, random);
  double left = 0, terms = 0, right = 0;
  std::vector<Sent<Image<Real>>> bars;
  for (auto& image : reconstruct(fbp, h, xs)) {
    for (Real& v : image.value) {
      const Real w = static_cast<Real>(normal(random));
      left += static_cast<double>(v) * w, terms += std::abs(static_cast<double>(v) * w);
      v = w;
    }
    bars.push_back(std::make_shared<const Image<Real>>(std::move(image)));
  }
  const auto state = fbp.begin({}, h);
  const auto z = fbp.adjoint_begin({}, state, bars);
  for (const auto& x : xs) {
    None none;
    const auto bar = fbp.adjoint({}, state, x, z, none);
    for (std::size_t i = 0; i < bar.areal_density.size(); ++i)
      right += static_cast<double>(bar.areal_density[i]) * static_cast<double>(x.areal_density[i]);
  }
  return std::abs(left - right) / terms;
}

TEST(FilteredBackprojectionAdjoint, is_the_transpose_in_double_and_in_float) {
  for (Beam beam : {Beam::fan_arc, Beam::fan_flat, Beam::parallel})
    for (double range : {6.283185307179586, -4.0, 8.0})
      for (unsigned seed = 0; seed < 5; ++seed) {
        const ScanHeader h = small_scan(beam, range, 65);
        EXPECT_LT(dot_test<double>(h, 3, seed), 1e-12) << beam_name(beam) << " range " << range;
        EXPECT_LT(dot_test<float>(h, 3, seed), 1e-5) << beam_name(beam) << " range " << range;
      }
}

TEST(FilteredBackprojectionAdjoint, is_the_transpose_for_one_slice_of_one_material) {
  ScanHeader h = small_scan(Beam::fan_arc, 6.283185307179586, 65);
  h.geometry.rows = 1;
  EXPECT_LT(dot_test<double>(h, 1, 1), 1e-12);
  EXPECT_LT(dot_test<float>(h, 1, 1), 1e-5);
}

// Forgets one of the weights for one column: what a test on the image's mean would not see.
struct Mutant : FilteredBackprojection<double> {
  In adjoint(const Params& p, const State& state, const In& x, const Cotangent& z, Params& p_bar) const {
    In bar = FilteredBackprojection<double>::adjoint(p, state, x, z, p_bar);
    for (double& v : bar.areal_density.block(1, 2)) v *= 1.0001;
    return bar;
  }
};

TEST(FilteredBackprojectionAdjoint, agrees_with_differences_and_a_mutant_does_not) {
  const ScanHeader h = small_scan(Beam::fan_arc, 6.283185307179586, 9);
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937_64 random(seed);
    const auto xs = random_views<double>(h, 3, random);
    const auto error = testing::fold_adjoint_error(gadget<double>(), h, None(), xs, seed);
    EXPECT_LT(error.value, 1e-8) << error.block;
    EXPECT_GT(testing::fold_adjoint_error(Mutant(), h, None(), xs, seed).value, 1e-6);
  }
}

TEST(FilteredBackprojectionAdjoint, images_without_a_cotangent_count_as_zero) {
  const ScanHeader h = small_scan(Beam::fan_flat, 6.283185307179586, 9);
  const auto fbp = gadget<double>();
  const auto state = fbp.begin({}, h);
  std::mt19937_64 random(1);
  const auto x = random_views<double>(h, 2, random).front();
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
