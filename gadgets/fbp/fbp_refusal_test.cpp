#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "core/testing/refusal.h"
#include "gadgets/fbp/test_scan.h"

namespace counterflow {
namespace {

using namespace fbp_testing;
using ::testing::HasSubstr;
using testing::refusal;

const ScanHeader kHeader = header(geometry(Beam::fan_arc, 24, 20), 16, 4);

TEST(FilteredBackprojectionRefuses, cone_beams) {
  ScanHeader h = kHeader;
  h.geometry.beam = Beam::cone_flat;
  EXPECT_THAT(refusal<ConfigError>([&] { gadget<float>().begin({}, h); }),
              HasSubstr("expected geometry fan-arc, fan-flat or parallel, got cone-flat"));
}

TEST(FilteredBackprojectionRefuses, helical_scans) {
  ScanHeader h = kHeader;
  h.geometry.beam = Beam::cone_arc;
  h.geometry.table_feed = 12.5;
  EXPECT_THAT(refusal<ConfigError>([&] { gadget<float>().begin({}, h); }),
              HasSubstr("expected a standing table, got a helical scan (table feed 12.5 mm a turn); use HelicalReconstruction"));
}

TEST(FilteredBackprojectionRefuses, an_image_without_voxels_and_one_beyond_the_source) {
  ScanHeader h = kHeader;
  h.grid.nx = 0;
  EXPECT_THAT(refusal<ConfigError>([&] { gadget<float>().begin({}, h); }), HasSubstr("set nx, ny and voxel"));
  EXPECT_THAT(refusal<ConfigError>([&] {
                gadget<float>({{"voxel", "60"}}).begin({}, kHeader);
              }),
              HasSubstr("within the source's circle"));
}

TEST(FilteredBackprojectionRefuses, misspelt_windows_and_properties) {
  EXPECT_THAT(refusal<ConfigError>([&] { gadget<float>({{"window", "han"}}); }), HasSubstr("did you mean 'hann'?"));
  EXPECT_THAT(refusal<ConfigError>([&] { gadget<float>({{"cutof", "1"}}); }), HasSubstr("cutoff"));
  EXPECT_THAT(refusal<ConfigError>([&] { gadget<float>({{"cutoff", "1.5"}}); }), HasSubstr("from 0.01 to 1"));
}

TEST(FilteredBackprojectionRefuses, views_of_another_shape_without_channels_or_with_nan) {
  const auto fbp = gadget<float>();
  const auto good = view_of<float>(kHeader.geometry, 3, {{{0, 0, 20, 1}}});
  auto state = fbp.begin({}, kHeader);
  auto wrong = good;
  wrong.areal_density = Array<float, 3>({1, 1, 23});
  EXPECT_THAT(refusal<DataError>([&] { fbp.add({}, state, wrong); }),
              HasSubstr("view 3: expected path lengths [channel,row,column] = [1,1,24], got [1,1,23]"));
  wrong = good;
  wrong.channels = nullptr;
  EXPECT_THAT(refusal<DataError>([&] { fbp.add({}, state, wrong); }), HasSubstr("channels"));
  wrong = good;
  wrong.areal_density[5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(refusal<DataError>([&] { fbp.add({}, state, wrong); }), HasSubstr("NaN"));
  fbp.add({}, state, good);
  wrong.areal_density = Array<float, 3>({2, 1, 24});
  EXPECT_THAT(refusal<DataError>([&] { fbp.add({}, state, wrong); }), HasSubstr("got [2,1,24]"));
}

TEST(FilteredBackprojectionRefuses, a_scan_that_ends_early) {
  const auto fbp = gadget<float>();
  auto state = fbp.begin({}, kHeader);
  fbp.add({}, state, view_of<float>(kHeader.geometry, 0, {{{0, 0, 20, 1}}}));
  EXPECT_THAT(refusal<DataError>([&] { fbp.end({}, state, [](Image<float>) {}); }), HasSubstr("expected 20 views, got 1"));
}

TEST(FilteredBackprojectionRefuses, noise_without_covariance) {
  const auto fbp = gadget<float>({{"noise", "true"}});
  auto state = fbp.begin({}, kHeader);
  EXPECT_THAT(refusal<DataError>([&] {
                fbp.add({}, state, view_of<float>(kHeader.geometry, 0, {{{0, 0, 20, 1}}}));
              }),
              HasSubstr("set covariance=\"true\" on the decomposition"));
}

TEST(FilteredBackprojectionRefuses, cotangents_of_another_shape) {
  const auto fbp = gadget<float>();
  const auto state = fbp.begin({}, kHeader);
  auto bar = std::make_shared<Image<float>>();
  bar->value = Array<float, 4>({1, 1, 16, 15});
  EXPECT_THAT(refusal<DataError>([&] { fbp.adjoint_begin({}, state, {bar}); }), HasSubstr("[1,1,16,15]"));
}

}  // namespace
}  // namespace counterflow
