#include "pipelines/counterflow/picture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <png.h>

#include <cmath>
#include <limits>
#include <random>

#include "core/error.h"
#include "core/testing/folder.h"
#include "pipelines/counterflow/font.h"
#include "pipelines/counterflow/panel.h"
#include "pipelines/counterflow/plot.h"

namespace counterflow {
namespace {

constexpr Color kBlack{0, 0, 0}, kWhite{1, 1, 1};

double light(const Picture& picture) {
  double sum = 0;
  for (std::size_t y = 0; y < picture.height(); ++y)
    for (std::size_t x = 0; x < picture.width(); ++x) sum += picture.at(x, y).red;
  return sum;
}

TEST(Picture, is_read_back_from_png_row_0_first) {
  Picture picture(5, 3, kBlack);
  picture.set(4, 0, {1, 0.5, 0});
  picture.set(0, 2, {0, 0, 1});
  const testing::Folder folder;
  const auto file = folder / "picture.png";
  picture.write_png(file);
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  ASSERT_NE(png_image_begin_read_from_file(&image, file.c_str()), 0);
  image.format = PNG_FORMAT_RGB;
  std::vector<std::uint8_t> bytes(PNG_IMAGE_SIZE(image));
  ASSERT_NE(png_image_finish_read(&image, nullptr, bytes.data(), 0, nullptr), 0);
  ASSERT_EQ(image.width, 5u);
  ASSERT_EQ(image.height, 3u);
  EXPECT_THAT(std::vector<int>(bytes.begin() + 12, bytes.begin() + 15), ::testing::ElementsAre(255, 128, 0));
  EXPECT_THAT(std::vector<int>(bytes.begin() + 30, bytes.begin() + 33), ::testing::ElementsAre(0, 0, 255));
}

TEST(Picture, into_a_folder_that_is_not_there_is_refused) {
  EXPECT_THROW(Picture(2, 2, kBlack).write_png(testing::Folder() / "nowhere" / "x.png"), ArchiveError);
}

TEST(Stroke, covers_its_length_times_its_width) {
  Picture picture(60, 60, kBlack);
  picture.stroke(std::vector<Point>{{10, 10}, {40, 50}}, 4, kWhite);
  EXPECT_NEAR(light(picture), 50 * 4 + M_PI * 4, 4);  // with two half-round ends of radius 2
}

TEST(Stroke, outside_the_picture_and_through_nothing_draws_what_is_inside) {
  Picture picture(20, 20, kBlack);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  picture.stroke(std::vector<Point>{{-50, 5}, {50, 5}, {nan, nan}, {10, -90}, {10, -80}}, 2, kWhite);
  EXPECT_NEAR(light(picture), 40, 1e-9);
  picture.stroke(std::vector<Point>{}, 2, kWhite);
  picture.stroke(std::vector<Point>{{nan, 1}}, 2, kWhite);
  EXPECT_NEAR(light(picture), 40, 1e-9);
}

TEST(Text, of_every_printable_character_has_ink_and_grows_with_its_size) {
  for (char c = '!'; c <= '~'; ++c) {
    if (c == '^') continue;
    Picture picture(40, 40, kBlack);
    draw_text(picture, {10, 28}, std::string(1, c), 16, kWhite);
    EXPECT_GT(light(picture), 4) << c;
  }
  EXPECT_NEAR(text_width("iodine 5 mg/mL", 20), 2 * text_width("iodine 5 mg/mL", 10), 1e-9);
  EXPECT_LT(text_width("g/cm^3", 10), text_width("g/cm3", 10));
}

TEST(Ticks, are_round_and_within) {
  EXPECT_THAT(ticks(-160, 240, 5), ::testing::ElementsAre(-100, 0, 100, 200));
  EXPECT_THAT(ticks(0, 1, 5), ::testing::Pointwise(::testing::DoubleNear(1e-12), {0.0, 0.2, 0.4, 0.6, 0.8, 1.0}));
  EXPECT_DOUBLE_EQ(round_below(87), 50);
  EXPECT_DOUBLE_EQ(round_below(0.21), 0.2);
  EXPECT_EQ(tick_text(0.25, 0.05), "0.25");
  EXPECT_EQ(tick_text(-100, 100), "-100");
}

TEST(Plot, draws_its_curves_and_refuses_unpaired_ones) {
  Plot plot("loss", "evaluation", "loss");
  const Picture empty = plot.draw();
  plot.add({"training", {0, 1, 2}, {1, 0.1, 0.0}}).logarithmic_y();
  const Picture picture = plot.draw();
  EXPECT_EQ(picture.width(), 900u);
  EXPECT_NE(light(picture), light(empty));
  EXPECT_THROW(plot.add({"", {1, 2}, {1}}), DataError);
}

Slice ramp_slice() {
  Slice slice{"ramp", "HU", 4, 3, 1, 1, {}};
  for (int k = 0; k < 12; ++k) slice.value.push_back(static_cast<float>(k));
  return slice;
}

TEST(Panel, puts_row_0_at_the_top_and_enlarges_by_a_whole_number) {
  Tile tile;
  tile.grey = ramp_slice();
  tile.window = {0, 11};
  const Picture picture = draw_panel({tile});
  EXPECT_GE(picture.width(), 512u);
  const std::size_t left = 24, top = 42, right = 24 + 500, bottom = 42 + 370;  // within the image's corners
  EXPECT_LT(picture.at(left, top).red, 0.02);
  EXPECT_GT(picture.at(right, bottom).red, 0.98);
  EXPECT_GT(picture.at(left, bottom - 80).red, picture.at(right, top).red);
}

TEST(Panel, an_overlay_colours_only_where_there_is_some) {
  Tile tile;
  tile.grey = ramp_slice();
  tile.window = {0, 11};
  tile.overlay = ramp_slice();
  std::ranges::fill(tile.overlay->value, 0.0F);
  tile.overlay->value[11] = 5;
  tile.overlay_window = {0, 5};
  const Picture picture = draw_panel({tile});
  const Color without = picture.at(30, 200), with = picture.at(24 + 500, 42 + 370);
  EXPECT_EQ(without.red, without.blue);
  EXPECT_GT(with.red, with.blue + 0.1);
}

TEST(Smoothing, keeps_constants_and_spreads_a_point_by_binomial_weights) {
  Slice slice{"", "", 7, 5, 1, 1, std::vector<float>(35, 2.0F)};
  EXPECT_THAT(smoothed(slice).value, ::testing::Each(::testing::FloatNear(2, 1e-6F)));
  slice.value.assign(35, 0.0F);
  slice.value[2 * 7 + 3] = 256;
  const auto out = smoothed(slice).value;
  EXPECT_FLOAT_EQ(out[2 * 7 + 3], 36);
  EXPECT_FLOAT_EQ(out[2 * 7 + 4], 24);
  EXPECT_FLOAT_EQ(out[3 * 7 + 5], 4);
  EXPECT_FLOAT_EQ(out[0], 0);
}

TEST(AboveNoise, is_two_and_a_half_deviations_whatever_a_tenth_of_the_values_is) {
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal(2, 0.5F);
  std::vector<float> values(20000);
  for (float& v : values) v = normal(random);
  EXPECT_NEAR(above_noise(values), 3.25, 0.05);
  std::fill_n(values.begin(), 2000, 100.0F);
  EXPECT_NEAR(above_noise(values), 3.25, 0.3);
}

TEST(Percentiles, leave_out_what_is_not_finite_and_are_never_empty) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Window w = percentiles({nan, 3, 1, 2, 5, 4}, 0.25, 1);
  EXPECT_EQ(w.low, 2);
  EXPECT_EQ(w.high, 5);
  EXPECT_LT(percentiles({7, 7}, 0, 1).low, percentiles({7, 7}, 0, 1).high);
  EXPECT_LT(percentiles({}, 0, 1).low, percentiles({}, 0, 1).high);
}

}  // namespace
}  // namespace counterflow
