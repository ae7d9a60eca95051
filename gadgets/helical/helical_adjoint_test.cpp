#include <gtest/gtest.h>

#include "core/testing/gradient_check.h"
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
std::vector<PathLengths<Real>> random_views(const ScanHeader& h, std::size_t channels, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  std::vector<PathLengths<Real>> xs;
  for (std::size_t v = 0; v < h.geometry.views; ++v) {
    xs.push_back(view_of<Real>(h.geometry, v, std::vector<std::vector<Body>>(channels)));
    for (Real& a : xs.back().areal_density) a = static_cast<Real>(normal(random));
  }
  return xs;
}

// |<Ax, w> - <x, A'w>| / sum of |terms| of the first. Source views are asked for in an order of their own.
template <class Real>
double dot_test(const ScanHeader& h, std::size_t channels, unsigned seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  const auto helical = gadget<Real>({{"window", "cosine"}, {"plateau", "0.5"}});
  auto xs = random_views<Real>(h, channels, random);
  auto state = helical.begin({}, h);
  for (const auto& x : xs) helical.add({}, state, x);
  double left = 0, terms = 0, right = 0;
  std::vector<Sent<Image<Real>>> bars;
  helical.end({}, state, [&](Image<Real> image) {
    for (Real& v : image.value) {
      const Real w = static_cast<Real>(normal(random));
      left += static_cast<double>(v) * w, terms += std::abs(static_cast<double>(v) * w);
      v = w;
    }
    bars.push_back(std::make_shared<const Image<Real>>(std::move(image)));
  });
  const auto z = helical.adjoint_begin({}, state, bars);
  std::ranges::shuffle(xs, random);
  for (const auto& x : xs) {
    None none;
    const auto bar = helical.adjoint({}, state, x, z, none);
    for (std::size_t i = 0; i < bar.areal_density.size(); ++i)
      right += static_cast<double>(bar.areal_density[i]) * static_cast<double>(x.areal_density[i]);
  }
  return std::abs(left - right) / terms;
}

TEST(HelicalReconstructionAdjoint, is_the_transpose_in_double_and_in_float) {
  for (Beam beam : {Beam::cone_arc, Beam::cone_flat})
    for (double pitch : {0.35, -1.1})
      for (double sense : {1.0, -1.0})
        for (unsigned seed = 0; seed < 2; ++seed) {
          const ScanHeader h = small_scan(beam, pitch, sense);
          EXPECT_LT(dot_test<double>(h, 3, seed), 1e-12) << beam_name(beam) << " pitch " << pitch;
          EXPECT_LT(dot_test<float>(h, 3, seed), 1e-5) << beam_name(beam) << " pitch " << pitch;
        }
}

TEST(HelicalReconstructionAdjoint, is_the_transpose_for_one_row_and_many) {
  for (std::size_t rows : {1u, 2u, 40u}) {
    const ScanHeader h = small_scan(Beam::cone_arc, 0.9, 1, rows);
    EXPECT_LT(dot_test<double>(h, 1, 1), 1e-12) << rows;
    EXPECT_LT(dot_test<float>(h, 1, 1), 1e-5) << rows;
  }
}

// Forgets a ten-thousandth of one row of one channel.
struct Mutant : HelicalReconstruction<double> {
  In adjoint(const Params& p, const State& state, const In& x, const Cotangent& z, Params& p_bar) const {
    In bar = HelicalReconstruction<double>::adjoint(p, state, x, z, p_bar);
    for (double& v : bar.areal_density.block(1, 2)) v *= 1.0001;
    return bar;
  }
};

TEST(HelicalReconstructionAdjoint, agrees_with_differences_and_a_mutant_does_not) {
  ScanHeader h = small_scan(Beam::cone_arc, 1.0, 1);
  h.geometry = geometry(Beam::cone_arc, 13, 5, 9, 1.0, 1.6, 100, 3);
  h.grid = header(h.geometry, 5, 12, 2).grid;
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937_64 random(seed);
    auto xs = random_views<double>(h, 2, random);
    const auto error = testing::fold_adjoint_error(gadget<double>(), h, None(), xs, seed);
    EXPECT_LT(error.value, 1e-8) << error.block;
    EXPECT_GT(testing::fold_adjoint_error(Mutant(), h, None(), xs, seed).value, 1e-6);
  }
}

TEST(HelicalReconstructionAdjoint, images_without_a_cotangent_count_as_zero) {
  const ScanHeader h = small_scan(Beam::cone_flat, 1.0, 1);
  const auto helical = gadget<double>();
  const auto state = helical.begin({}, h);
  std::mt19937_64 random(1);
  const auto x = random_views<double>(h, 2, random).at(h.geometry.views / 2);
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
