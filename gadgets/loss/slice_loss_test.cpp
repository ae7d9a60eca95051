#include "gadgets/loss/slice_loss.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/testing/gadget_with.h"
#include "core/testing/gradient_check.h"
#include "core/testing/refusal.h"
#include "gadgets/loss/test_images.h"

namespace counterflow {
namespace {

using testing::empty_image;
using testing::gadget_with;
using ::testing::HasSubstr;
using testing::image_header;
using testing::kWaterIodine;
using testing::random_images;
using testing::refusal;
using testing::Settings;

const Settings kSigma{{"sigma", "0.01 0.001"}};

template <class G>
double loss_of(const G& gadget, const ScanHeader& h, const std::vector<typename G::In>& xs) {
  auto state = gadget.begin({}, h);
  for (const auto& x : xs) gadget.consume(state, x);
  return gadget.loss(state);
}

// One slice of 61 x 63 voxels of 1 mm, off the isocenter by (2.5, -1.5) mm, in a field of 40 mm.
ScanHeader fine_header() {
  auto h = image_header(1);
  h.geometry.columns = 80;
  h.grid = {.nx = 61, .ny = 63, .voxel_x = 1, .voxel_y = 1, .centre_x = 2.5, .centre_y = -1.5};
  return h;
}

// water(x, y) about the isocenter, no iodine.
template <class F>
Image<double> image_of(const ScanHeader& h, F&& water) {
  auto x = empty_image<double>(h, kWaterIodine, 0);
  for (std::size_t j = 0; j < h.grid.ny; ++j)
    for (std::size_t i = 0; i < h.grid.nx; ++i)
      x.value(0, 0, j, i) = water(h.grid.x(static_cast<double>(i)), h.grid.y(static_cast<double>(j)));
  return x;
}

// Random numbers, different in every slice.
std::vector<Image<double>> noise(const ScanHeader& h, unsigned seed) {
  std::mt19937_64 random(seed);
  return random_images<double>(h, kWaterIodine, {1, 0.005}, {0.02, 0.002}, random);
}

// ---- rings

TEST(RingUniformity, sees_no_ring_where_the_profile_is_a_line) {
  const auto h = fine_header();
  const auto gadget = gadget_with<RingUniformity<double>>({{"sigma", "1"}});
  EXPECT_NEAR(loss_of(gadget, h, {image_of(h, [](double, double) { return 3.; })}), 0, 1e-20);
  const auto cup = image_of(h, [](double x, double y) { return std::floor(std::hypot(x, y)); });
  EXPECT_NEAR(loss_of(gadget, h, {cup}), 0, 1e-20);
}

TEST(RingUniformity, is_the_mean_square_of_narrow_rings_about_the_isocenter) {
  const auto h = fine_header();
  const auto gadget = gadget_with<RingUniformity<double>>({{"sigma", "0.01"}, {"smooth", "15"}});
  const auto ring = [](double x, double y) { return 1 + 0.02 * std::cos(M_PI * std::floor(std::hypot(x, y))); };
  // every second ring is 2 sigma up, the others down: 4 in water, nothing in iodine
  EXPECT_NEAR(loss_of(gadget, h, {image_of(h, ring)}), 4 / 2., 0.1);
  const auto beside = [&](double x, double y) { return ring(x - 6, y); };
  EXPECT_LT(loss_of(gadget, h, {image_of(h, beside)}), 0.2);
}

TEST(RingUniformity, agrees_with_a_regression_ring_by_ring) {
  const auto h = fine_header();
  const auto x = noise(h, 4)[0];
  constexpr double kRadius = 12, kSmooth = 3;
  double sum[2][12] = {}, size[12] = {}, voxels = 0;
  for (std::size_t i = 0; i < 61 * 63; ++i) {
    const double r = std::hypot(h.grid.x(static_cast<double>(i % 61)), h.grid.y(static_cast<double>(i / 61)));
    if (r >= kRadius) continue;
    const auto ring = static_cast<std::size_t>(r);
    for (std::size_t c = 0; c < 2; ++c) sum[c][ring] += x.value[c * 61 * 63 + i];
    size[ring] += 1, voxels += 1;
  }
  double expected = 0;
  for (std::size_t c = 0; c < 2; ++c)
    for (std::size_t r = 0; r < 12; ++r) {
      // normal equations of a + b (k - r)
      double s0 = 0, s1 = 0, s2 = 0, t0 = 0, t1 = 0;
      for (std::size_t k = 0; k < 12; ++k) {
        const double d = static_cast<double>(k) - static_cast<double>(r),
                     w = size[k] * std::exp(-d * d / (2 * kSmooth * kSmooth));
        s0 += w, s1 += w * d, s2 += w * d * d, t0 += w * sum[c][k] / size[k], t1 += w * d * sum[c][k] / size[k];
      }
      const double smooth = (t0 * s2 - t1 * s1) / (s0 * s2 - s1 * s1);
      expected += size[r] * std::pow((sum[c][r] / size[r] - smooth) / (c == 0 ? 0.01 : 0.001), 2) / voxels / 2;
    }
  auto settings = kSigma;
  settings["radius"] = "12", settings["smooth"] = "3";
  const auto gadget = gadget_with<RingUniformity<double>>(settings);
  EXPECT_NEAR(loss_of(gadget, h, {x}), expected, 1e-10 * expected);
  auto state = gadget.begin({}, h);
  gadget.consume(state, x);
  EXPECT_EQ(gadget.report(state).at(0).count, static_cast<std::uint64_t>(voxels));
}

TEST(RingUniformity, takes_rings_that_lie_in_the_image_whole) {
  auto h = fine_header();
  const auto gadget = gadget_with<RingUniformity<double>>();
  const auto corner = [](double x, double y) { return std::hypot(x, y) > 28.5 ? 9. : 1.; };  // 28 mm to the nearer side
  EXPECT_NEAR(loss_of(gadget, h, {image_of(h, corner)}), 0, 1e-20);
  h.grid.centre_x = 31;
  EXPECT_THAT(refusal([&] { loss_of(gadget, h, {image_of(h, corner)}); }), HasSubstr("no voxel of the images lies within 40 mm"));
}

// ---- total variation

TEST(TotalVariation, is_the_length_of_an_edge_times_its_height) {
  const auto h = fine_header();
  const auto gadget = gadget_with<TotalVariation<double>>({{"sigma", "0.01"}, {"eps", "1e-6"}, {"radius", "100"}});
  const auto step = image_of(h, [](double x, double) { return x < 5 ? 1 : 1.2; });
  EXPECT_NEAR(loss_of(gadget, h, {step}), 63 * 20 / (61. * 63) / 2, 1e-5);
  EXPECT_NEAR(loss_of(gadget, h, {image_of(h, [](double, double) { return 7.; })}), 0, 1e-12);
}

TEST(TotalVariation, is_isotropic_and_square_below_eps) {
  const auto h = fine_header();
  const auto slope = image_of(h, [](double x, double y) { return 0.03 * x + 0.04 * y; });
  const auto at = [&](const char* eps) {
    return loss_of(gadget_with<TotalVariation<double>>({{"sigma", "0.01"}, {"eps", eps}, {"radius", "10"}}), h, {slope});
  };
  std::size_t voxels = 0;
  double sum = 0;  // of voxels whose next ones lie within 10 mm; those at the edge lack one difference or both
  const auto inside = [](int x, int y) { return std::hypot(x + 0.5, y + 0.5) <= 10; };
  for (int y = -10; y <= 10; ++y)
    for (int x = -10; x <= 10; ++x)
      if (inside(x, y)) ++voxels, sum += std::hypot(inside(x + 1, y) ? 3 : 0, inside(x, y + 1) ? 4 : 0);
  EXPECT_NEAR(at("1e-6"), sum / static_cast<double>(voxels) / 2, 1e-5);
  EXPECT_NEAR(at("1e4") / at("2e4"), 2, 1e-4);  // d^2 / (2 eps)
}

TEST(TotalVariation, leaves_out_what_lies_beyond_the_radius) {
  const auto h = fine_header();
  const auto gadget = gadget_with<TotalVariation<double>>({{"radius", "10"}});
  const auto outside = image_of(h, [](double x, double y) { return std::hypot(x, y) <= 10 ? 1. : x * y; });
  EXPECT_NEAR(loss_of(gadget, h, {outside}), 0, 1e-12);
}

// ---- both

template <class Loss>
struct Mutant : Loss {
  typename Loss::In adjoint(const typename Loss::State& state, const typename Loss::In& x) const {
    auto bar = Loss::adjoint(state, x);
    for (double& v : bar.value.block(1)) v *= 1.0001;
    return bar;
  }
};

template <class Loss>
class SliceLosses : public ::testing::Test {};
using Both = ::testing::Types<RingUniformity<double>, TotalVariation<double>>;
TYPED_TEST_SUITE(SliceLosses, Both);

TYPED_TEST(SliceLosses, adjoint) {
  const auto h = image_header(3);
  for (unsigned seed = 0; seed < 20; ++seed) {
    const auto xs = noise(h, seed);
    const auto error = [&](const auto& gadget) {
      return testing::sink_adjoint_error(
                 gadget, h, xs, seed, [](auto&) {}, testing::DifferenceStep{.relative = 1e-5})
          .value;
    };
    EXPECT_LT(error(gadget_with<TypeParam>(kSigma)), 1e-8);
    EXPECT_GT(error(gadget_with<Mutant<TypeParam>>(kSigma)), 1e-6);
  }
}

TYPED_TEST(SliceLosses, are_means_over_slices_however_they_come) {
  const auto h = image_header(2);
  const auto xs = noise(h, 1);
  const auto gadget = gadget_with<TypeParam>(kSigma);
  auto both = empty_image<double>(h, kWaterIodine, 0, 2);
  for (std::size_t c = 0; c < 2; ++c)
    for (std::size_t z = 0; z < 2; ++z) std::ranges::copy(xs[z].value.block(c, 0), both.value.block(c, z).begin());
  const double mean = (loss_of(gadget, h, {xs[0]}) + loss_of(gadget, h, {xs[1]})) / 2;
  EXPECT_GT(mean, 0);
  EXPECT_NEAR(loss_of(gadget, h, xs), mean, 1e-12 * mean);
  EXPECT_NEAR(loss_of(gadget, h, {both}), mean, 1e-12 * mean);
}

TYPED_TEST(SliceLosses, a_restarted_run_has_the_loss_of_a_new_one) {
  const auto h = image_header(2);
  const auto gadget = gadget_with<TypeParam>(kSigma);
  auto state = gadget.begin({}, h);
  for (const auto& x : noise(h, 1)) gadget.consume(state, x);
  gadget.restart({}, state);
  for (const auto& x : noise(h, 2)) gadget.consume(state, x);
  EXPECT_EQ(gadget.loss(state), loss_of(gadget, h, noise(h, 2)));
}

TYPED_TEST(SliceLosses, refuse_what_does_not_fit) {
  const auto h = image_header(1);
  const auto x = noise(h, 1)[0];
  EXPECT_THAT(refusal([&] {
                loss_of(gadget_with<TypeParam>({{"sigma", "1 2 3"}}), h, {x});
              }),
              HasSubstr("one for each of 2 channels, got 3"));
  EXPECT_THAT(refusal([&] {
                loss_of(gadget_with<TypeParam>({{"radius", "0.1"}}), fine_header(), {noise(fine_header(), 1)[0]});
              }),
              HasSubstr("no voxel of the images lies within 0.1 mm"));
  auto other = x;
  other.grid.voxel_x = 3;
  EXPECT_THAT(refusal([&] { loss_of(gadget_with<TypeParam>(), h, {x, other}); }), HasSubstr("on one grid, got others too"));
  other.channels = nullptr;
  EXPECT_THAT(refusal([&] { loss_of(gadget_with<TypeParam>(), h, {other}); }), HasSubstr("does not say what its channels"));
}

}  // namespace
}  // namespace counterflow
