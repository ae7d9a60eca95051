#include "pipelines/counterflow/view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace counterflow {
namespace {

std::vector<ImageSeries> some_images() {
  const ImageGrid grid{.nx = 7, .ny = 5, .nz = 3, .voxel_x = 2, .voxel_y = 2};
  ImageSeries materials{0, {"density", "g/cm^3", {"water", "iodine"}}, grid, Array<float, 4>({2, 3, 5, 7}), {}};
  for (std::size_t i = 0; i < materials.value.size(); ++i) materials.value[i] = 0.001F * static_cast<float>(i % 105);
  ImageSeries noise{1, {"noise", "g/cm^3", {"water", "iodine"}}, grid, Array<float, 4>({2, 3, 5, 7}, 0.01F), {}};
  return {materials, noise};
}

TEST(View, shows_all_channels_of_the_middle_slice) {
  const auto images = some_images();
  const auto tiles = tiles_of(images, {});
  ASSERT_EQ(tiles.size(), 4u);
  EXPECT_EQ(tiles[0].grey.unit, "g/cm^3");
  EXPECT_EQ(tiles[1].grey.unit, "mg/mL");
  EXPECT_EQ(tiles[2].grey.name, "noise of water");
  EXPECT_EQ(tiles[0].caption, "slice 1 (0-2)");
  EXPECT_FLOAT_EQ(tiles[1].grey.value[8], 1000 * images[0].value(1, 1, 1, 1));
  EXPECT_EQ(tiles[2].window.low, 0);
}

TEST(View, one_material_and_one_slice_can_be_asked_for) {
  const auto images = some_images();
  ViewOptions options;
  options.material = "iodine";
  options.slice = 2;
  options.window = {20.0, 10.0};
  const auto tiles = tiles_of(images, options);
  ASSERT_EQ(tiles.size(), 1u);
  EXPECT_FLOAT_EQ(tiles[0].grey.value[0], 1000 * images[0].value(1, 2, 0, 0));
  EXPECT_EQ(tiles[0].window.low, 15);
  EXPECT_EQ(tiles[0].window.high, 25);
}

TEST(View, makes_monoenergetic_images_of_materials) {
  auto images = some_images();
  images[0].value(0, 1, 0, 0) = 1;
  images[0].value(1, 1, 0, 0) = 0;
  images[0].value(0, 1, 0, 1) = 0;
  images[0].value(1, 1, 0, 1) = 0;
  ViewOptions options;
  options.kev = 60;
  const auto tiles = tiles_of(images, options);
  EXPECT_EQ(tiles[0].grey.name, "60 keV");
  EXPECT_NEAR(tiles[0].grey.value[0], 0, 1e-3);
  EXPECT_NEAR(tiles[0].grey.value[1], -1000, 1e-3);
  EXPECT_EQ(tiles[0].window.low, -160);
  EXPECT_EQ(tiles[0].window.high, 240);
}

TEST(View, a_profile_outside_the_image_is_refused) {
  ViewOptions options;
  options.material = "water";
  const auto tiles = tiles_of(some_images(), options);
  EXPECT_GT(profile_of(tiles, 3.9).draw().width(), 100u);
  EXPECT_THROW(profile_of(tiles, 5.1), ConfigError);
}

TEST(View, lays_a_material_over_a_monoenergetic_image) {
  ViewOptions options;
  options.overlay = "iodine";
  const auto tiles = tiles_of(some_images(), options);
  ASSERT_EQ(tiles.size(), 1u);
  EXPECT_EQ(tiles[0].grey.name, "70 keV");
  ASSERT_TRUE(tiles[0].overlay);
  EXPECT_EQ(tiles[0].overlay->unit, "mg/mL");
  EXPECT_EQ(tiles[0].overlay_window.low, 0);
}

TEST(View, refuses_what_is_not_there) {
  const auto refuses = [](const ViewOptions& options, const std::string& text) {
    try {
      tiles_of(some_images(), options);
      FAIL() << "accepted";
    } catch (const ConfigError& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr(text));
    }
  };
  ViewOptions options;
  options.material = "iodin";
  refuses(options, "did you mean 'iodine'");
  options.kev = 70;
  refuses(options, "not for both");
  options = {};
  options.slice = 3;
  refuses(options, "slices 0 to 2");
  options = {};
  options.window = {0.0, 0.0};
  refuses(options, "wider than 0");
}

}  // namespace
}  // namespace counterflow
