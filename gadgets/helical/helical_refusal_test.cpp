#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "core/testing/refusal.h"
#include "gadgets/helical/test_scan.h"

namespace counterflow {
namespace {

using namespace helical_testing;
using ::testing::HasSubstr;
using testing::refusal;

ScanHeader small() { return header(geometry(Beam::cone_arc, 24, 4, 20, 1, 2.6), 8, 10, 1.2); }

template <class Change>
std::string refusal_of(Change&& change, const testing::Settings& settings = {}) {
  ScanHeader h = small();
  change(h);
  return refusal<ConfigError>([&] { gadget<float>(settings).begin({}, h); });
}

TEST(HelicalReconstructionRefuses, standing_tables_fans_and_scans_that_are_too_short_or_too_fast) {
  EXPECT_EQ(refusal_of([](auto&) {}), "accepted");
  EXPECT_THAT(refusal_of([](auto& h) { h.geometry.table_feed = 0; }), HasSubstr("expected a moving table"));
  EXPECT_THAT(refusal_of([](auto& h) { h.geometry.beam = Beam::fan_arc; }), HasSubstr("true cone rays"));
  EXPECT_THAT(refusal_of([](auto& h) { h.geometry.views = 12; }), HasSubstr("needs views over at least"));
  EXPECT_THAT(refusal_of([](auto& h) { h.geometry.table_feed *= 1.9; }),
              HasSubstr("leaves gaps between the turns: expected at most"));
  EXPECT_THAT(refusal_of([](auto& h) { h.geometry.views_per_rotation = 21; }), HasSubstr("in a full turn, got 1.05 turns"));
}

TEST(HelicalReconstructionRefuses, slices_that_no_views_complete_and_images_without_voxels) {
  const std::size_t complete = small().grid.nz;
  EXPECT_THAT(refusal_of([&](auto& h) { h.grid.nz = complete + 1; }), HasSubstr("which the views complete, got slices from"));
  EXPECT_THAT(refusal_of([](auto&) {}, {{"centre_z", "7.5"}}), HasSubstr("set nz, voxel_z and centre_z"));
  EXPECT_THAT(refusal_of([](auto& h) { h.grid.ny = 0; }), HasSubstr("at least one voxel"));
  EXPECT_THAT(refusal_of([](auto&) {}, {{"voxel", "120"}}), HasSubstr("within the source's circle"));
}

TEST(HelicalReconstructionRefuses, misspelt_properties_and_values_out_of_range) {
  EXPECT_THAT(refusal<ConfigError>([] { gadget<float>({{"windw", "hann"}}); }), HasSubstr("did you mean 'window'?"));
  EXPECT_THAT(refusal<ConfigError>([] { gadget<float>({{"plateau", "1"}}); }), HasSubstr("from 0 to 0.95"));
}

TEST(HelicalReconstructionRefuses, views_that_stand_elsewhere_or_make_no_sense) {
  const ScanHeader h = small();
  const auto helical = gadget<float>();
  auto state = helical.begin({}, h);
  const auto good = view_of<float>(h.geometry, 0, {{}}, 1);
  const auto refused = [&](auto&& change) {
    auto x = good;
    change(x);
    return refusal<DataError>([&] { helical.add({}, state, x); });
  };
  EXPECT_THAT(refused([](auto& x) { x.view.angle += 0.1; }), HasSubstr("view 0: expected the source at 0 rad, got 0.1"));
  EXPECT_THAT(refused([](auto& x) { x.view.table_position += 1; }), HasSubstr("table_feed_mm of the header must describe"));
  EXPECT_THAT(refused([](auto& x) { x.areal_density = Array<float, 3>({1, 4, 23}); }), HasSubstr("[1,4,24], got [1,4,23]"));
  EXPECT_THAT(refused([](auto& x) { x.areal_density[5] = std::numeric_limits<float>::quiet_NaN(); }), HasSubstr("NaN"));
  EXPECT_THAT(refused([](auto& x) { x.channels = nullptr; }), HasSubstr("channels"));
  auto second = view_of<float>(h.geometry, 1, {{}}, 1);
  EXPECT_THAT(refusal<DataError>([&] { helical.add({}, state, second); }),
              HasSubstr("expected view 0; views must come in order"));
  helical.add({}, state, good);
  EXPECT_THAT(refusal<DataError>([&] { helical.end({}, state, [](Image<float>) {}); }), HasSubstr("expected 52 views, got 1"));
}

TEST(HelicalReconstructionRefuses, cotangents_of_another_shape) {
  const auto helical = gadget<float>();
  const auto state = helical.begin({}, small());
  auto bar = std::make_shared<Image<float>>();
  bar->value = Array<float, 4>({1, 1, 8, 7});
  EXPECT_THAT(refusal<DataError>([&] { helical.adjoint_begin({}, state, {bar}); }), HasSubstr("[1,1,8,7]"));
}

}  // namespace
}  // namespace counterflow
