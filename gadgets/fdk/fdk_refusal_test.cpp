#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "core/testing/refusal.h"
#include "gadgets/fdk/test_scan.h"

namespace counterflow {
namespace {

using namespace fdk_testing;
using ::testing::HasSubstr;
using testing::refusal;

const ScanHeader kHeader = header(geometry(Beam::cone_flat, 24, 10, 20), 16, 8, 4);

TEST(FeldkampRefuses, fans_moving_tables_and_ranges_that_are_too_short) {
  const auto begin = [](ScanHeader h) { return refusal<ConfigError>([&] { gadget<float>().begin({}, h); }); };
  ScanHeader h = kHeader;
  h.geometry.beam = Beam::fan_arc;
  EXPECT_THAT(begin(h), HasSubstr("expected geometry cone-flat or cone-arc, got fan-arc"));
  h = kHeader;
  h.geometry.table_feed = 20;
  EXPECT_THAT(begin(h), HasSubstr("table"));
  h = kHeader;
  h.geometry.views = 10;
  EXPECT_THAT(begin(h), HasSubstr("expected views over at least"));
}

TEST(FeldkampRefuses, an_image_without_voxels_and_one_beyond_the_source) {
  ScanHeader h = kHeader;
  h.grid.nz = 0;
  EXPECT_THAT(refusal<ConfigError>([&] { gadget<float>().begin({}, h); }), HasSubstr("at least one voxel, got 16 x 16 x 0"));
  EXPECT_THAT(refusal<ConfigError>([&] {
                gadget<float>({{"voxel", "60"}}).begin({}, kHeader);
              }),
              HasSubstr("within the source's circle"));
}

TEST(FeldkampRefuses, views_of_another_shape_or_with_nan_and_scans_that_end_early) {
  const auto fdk = gadget<float>();
  const auto good = view_of<float>(kHeader.geometry, 3, {});
  auto state = fdk.begin({}, kHeader);
  auto wrong = good;
  wrong.areal_density = Array<float, 3>({1, 1, 24});
  EXPECT_THAT(refusal<DataError>([&] { fdk.add({}, state, wrong); }), HasSubstr("= [1,10,24], got [1,1,24]"));
  wrong = good;
  wrong.areal_density[5] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(refusal<DataError>([&] { fdk.add({}, state, wrong); }), HasSubstr("NaN or infinity"));
  fdk.add({}, state, good);
  EXPECT_THAT(refusal<DataError>([&] { fdk.end({}, state, [](Image<float>) {}); }), HasSubstr("expected 20 views, got 1"));
}

TEST(FeldkampRefuses, noise_without_covariance_and_cotangents_of_another_shape) {
  const auto fdk = gadget<float>({{"noise", "true"}});
  auto state = fdk.begin({}, kHeader);
  EXPECT_THAT(refusal<DataError>([&] { fdk.add({}, state, view_of<float>(kHeader.geometry, 0, {})); }),
              HasSubstr("set covariance=\"true\" on the decomposition"));
  auto bar = std::make_shared<Image<float>>();
  bar->value = Array<float, 4>({1, 1, 16, 16});
  bar->slice = 8;
  EXPECT_THAT(refusal<DataError>([&] { fdk.adjoint_begin({}, state, {bar}); }), HasSubstr("[1,1,16,16] for slice 8"));
}

}  // namespace
}  // namespace counterflow
