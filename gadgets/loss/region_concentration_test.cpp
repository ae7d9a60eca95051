#include "gadgets/loss/region_concentration.h"

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

// Two inserts; values of water and iodine.
const Settings kInserts{
    {"places", "3 2 5   -4 -6 4"}, {"materials", "water iodine"}, {"values", "0.99 0.005   1.01 0.002"}, {"sigma", "0.01 0.001"}};

template <class G>
double loss_of(const G& gadget, const ScanHeader& h, const std::vector<typename G::In>& xs) {
  auto state = gadget.begin({}, h);
  for (const auto& x : xs) gadget.consume(state, x);
  return gadget.loss(state);
}

ScanHeader with_truth(ScanHeader h) {
  Truth truth;
  truth.materials = {"water", "iodine"};
  truth.regions = {{"body", 0, 0, 10, {{"water", 1}}}, {"rod", 3, 2, 4, {{"water", 0.99}, {"iodine", 0.005}}}};
  h.truth = std::make_shared<const Truth>(truth);
  return h;
}

TEST(RegionConcentration, is_the_mean_square_of_what_means_are_off_by_in_sigmas) {
  const auto h = image_header(3);
  std::vector<Image<double>> xs;
  for (std::size_t z = 0; z < 3; ++z) {
    xs.push_back(empty_image<double>(h, kWaterIodine, z));
    std::ranges::fill(xs[z].value.block(0), 1.0 + 0.01 * static_cast<double>(z));  // 1.01 in the mean
    std::ranges::fill(xs[z].value.block(1), 0.003);
  }
  const double expected = (4 + 4 + 0 + 1) / 4.;
  EXPECT_NEAR(loss_of(gadget_with<RegionConcentration<double>>(kInserts), h, xs), expected, 1e-12);
}

TEST(RegionConcentration, averages_over_the_inner_part_of_a_place) {
  const auto h = image_header(1);
  auto x = empty_image<double>(h, kWaterIodine, 0);
  double sum = 0, n = 0;
  for (std::size_t i = 0; i < 99; ++i) {
    x.value[i] = 0.02 * static_cast<double>(i);
    if (std::hypot(h.grid.x(static_cast<double>(i % 9)) - 3, h.grid.y(static_cast<double>(i / 9)) - 2) > 0.8 * 5) continue;
    sum += x.value[i], n += 1;
  }
  const auto gadget =
      gadget_with<RegionConcentration<double>>({{"places", "3 2 5"}, {"materials", "water"}, {"values", "0"}, {"sigma", "1"}});
  EXPECT_NEAR(loss_of(gadget, h, {x}), std::pow(sum / n, 2), 1e-12);
}

TEST(RegionConcentration, knows_the_regions_of_the_truth_without_the_inserts_in_them) {
  const auto h = with_truth(image_header(2));
  const auto gadget = gadget_with<RegionConcentration<double>>();
  EXPECT_EQ(gadget.reference(), "truth");
  EXPECT_EQ(gadget_with<RegionConcentration<double>>(kInserts).reference(), "");
  std::vector<Image<double>> xs;
  for (std::size_t z = 0; z < 2; ++z) {
    xs.push_back(empty_image<double>(h, kWaterIodine, z));
    for (std::size_t i = 0; i < 99; ++i) {
      const bool rod = std::hypot(h.grid.x(static_cast<double>(i % 9)) - 3, h.grid.y(static_cast<double>(i / 9)) - 2) < 4.1;
      xs[z].value[i] = rod ? 0.99 : 1;
      xs[z].value[99 + i] = rod ? 0.005 : 0;
    }
  }
  EXPECT_NEAR(loss_of(gadget, h, xs), 0, 1e-20);
  for (auto& x : xs)
    for (double& v : x.value.block(1)) v += 0.002;
  EXPECT_NEAR(loss_of(gadget, h, xs), 4 / 2., 1e-12);
}

TEST(RegionConcentration, leaves_out_regions_of_another_basis) {
  auto h = with_truth(image_header(1));
  Truth truth = *h.truth;
  truth.regions.push_back({"bone", -5, -5, 4, {{"water", 1.}, {"calcium", 0.2}}});
  h.truth = std::make_shared<const Truth>(truth);
  const RegionConcentration<float> gadget;
  auto state = gadget.begin({}, h);
  gadget.consume(state, empty_image<float>(h, kWaterIodine, 0));
  EXPECT_EQ(gadget.report(state).at(0).count, 2U);
  EXPECT_EQ(gadget.report(state).at(0).of, 3U);
}

struct Mutant : RegionConcentration<double> {
  In adjoint(const State& state, const In& x) const {
    auto bar = RegionConcentration<double>::adjoint(state, x);
    for (double& v : bar.value.block(1)) v *= 1.0001;
    return bar;
  }
};

TEST(RegionConcentration, adjoint) {
  const auto h = image_header(3);
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937_64 random(seed);
    const auto xs = random_images<double>(h, kWaterIodine, {1, 0.005}, {0.3, 0.02}, random);
    const auto error = [&](const auto& gadget) { return testing::sink_adjoint_error(gadget, h, xs, seed, [](auto&) {}).value; };
    EXPECT_LT(error(gadget_with<RegionConcentration<double>>(kInserts)), 1e-8);
    EXPECT_GT(error(gadget_with<Mutant>(kInserts)), 1e-6);
    const auto of_truth = testing::sink_adjoint_error(RegionConcentration<double>(), with_truth(h), xs, seed, [](auto&) {});
    EXPECT_LT(of_truth.value, 1e-8);
  }
}

TEST(RegionConcentration, a_restarted_run_has_the_loss_of_a_new_one) {
  const auto h = image_header(3);
  std::mt19937_64 random(1);
  const auto gadget = gadget_with<RegionConcentration<float>>(kInserts);
  const auto first = random_images<float>(h, kWaterIodine, {1, 0.005}, {0.3, 0.02}, random);
  const auto second = random_images<float>(h, kWaterIodine, {1, 0.005}, {0.3, 0.02}, random);
  auto state = gadget.begin({}, h);
  for (const auto& x : first) gadget.consume(state, x);
  gadget.restart({}, state);
  for (const auto& x : second) gadget.consume(state, x);
  EXPECT_EQ(gadget.loss(state), loss_of(gadget, h, second));
}

TEST(RegionConcentration, without_places_there_is_no_loss_and_no_gradient) {
  const auto h = image_header(1);
  const RegionConcentration<double> gadget;
  const auto x = empty_image<double>(h, kWaterIodine, 0);
  EXPECT_TRUE(std::isnan(loss_of(gadget, h, {x})));
  EXPECT_THAT(refusal([&] { gadget.adjoint(gadget.begin({}, h), x); }), HasSubstr("give places, materials and values"));
}

TEST(RegionConcentration, refuses_what_does_not_fit) {
  const auto h = image_header(1);
  const auto x = empty_image<double>(h, kWaterIodine, 0);
  const auto refused = [&](Settings changes, ScanHeader header) {
    Settings settings = kInserts;
    for (const auto& [name, value] : changes) settings[name] = value;
    return refusal([&] { loss_of(gadget_with<RegionConcentration<double>>(settings), header, {x}); });
  };
  EXPECT_EQ(refused({}, h), "accepted");
  EXPECT_THAT(refused({{"places", "1 2"}}, h), HasSubstr("expected x, y and radius of each place, got 2 numbers"));
  EXPECT_THAT(refused({{"places", "1 2 0"}, {"values", "1 1"}}, h), HasSubstr("places with a radius"));
  EXPECT_THAT(refused({{"values", "1 2 3"}}, h), HasSubstr("for each of 2 places, got 3 values"));
  EXPECT_THAT(refused({{"materials", "water calcium"}}, h), HasSubstr("expected images with calcium, got water, iodine"));
  EXPECT_THAT(refused({{"materials", ""}, {"values", "1 2 3 4 5 6"}}, h), HasSubstr("expected images with 3 channels"));
  EXPECT_THAT(refused({{"sigma", "1 2 3"}}, h), HasSubstr("one for each of 2 channels, got 3"));
  EXPECT_THAT(refused({{"places", "50 0 3   3 2 5"}}, h), HasSubstr("the place at (50, 0) mm holds no voxel's centre"));
  EXPECT_THAT(refused({{"places", ""}}, h), HasSubstr("got values or materials alone"));
  auto no_regions = h;
  no_regions.truth = std::make_shared<const Truth>();
  EXPECT_THAT(refusal([&] { RegionConcentration<double>().begin({}, no_regions); }), HasSubstr("has no regions"));
}

}  // namespace
}  // namespace counterflow
