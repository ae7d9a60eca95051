#include "pipelines/counterflow/panel.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/error.h"
#include "pipelines/counterflow/font.h"
#include "pipelines/counterflow/plot.h"

namespace counterflow {
namespace {

constexpr Color kRoom{0.055, 0.063, 0.078}, kLetters{0.93, 0.94, 0.96}, kQuiet{0.6, 0.64, 0.7}, kLine{0.3, 0.33, 0.38};
constexpr double kTitle = 13, kText = 9.5;
constexpr long kMargin = 22, kHead = 40, kBar = 13, kBarGap = 12, kBarSpace = 84, kFoot = 14;
constexpr double kSingleWidth = 512, kPanelWidth = 360;  // least widths of an image [pixel]

// Bilinear; at the border the outermost values go on.
double sampled(const Slice& slice, double x, double y) {
  const auto place = [](double v, std::size_t n, std::size_t& at) {
    const double inside = std::clamp(v, 0.0, static_cast<double>(n) - 1);
    at = std::min(static_cast<std::size_t>(inside), n > 1 ? n - 2 : 0);
    return inside - static_cast<double>(at);
  };
  std::size_t i = 0, j = 0;
  const double a = place(x, slice.nx, i), b = place(y, slice.ny, j);
  const auto value = [&](std::size_t column, std::size_t row) {
    return static_cast<double>(slice.value[std::min(row, slice.ny - 1) * slice.nx + std::min(column, slice.nx - 1)]);
  };
  const double top = (1 - a) * value(i, j) + a * value(i + 1, j), bottom = (1 - a) * value(i, j + 1) + a * value(i + 1, j + 1);
  return (1 - b) * top + b * bottom;
}

double part_of(Window w, double value) { return (value - w.low) / (w.high - w.low); }

// How much an overlay hides what is under it: most of it from a quarter of its window above where it begins.
double opacity(const Tile& tile, double value) {
  const double ramp = 0.25 * (tile.overlay_window.high - tile.overlay_window.low);
  const double t = std::clamp((value - tile.overlay_from) / ramp, 0.0, 1.0);
  return 0.9 * t * t * (3 - 2 * t);
}

Color overlay_color(const Tile& tile, double value) { return hot(0.15 + 0.75 * part_of(tile.overlay_window, value)); }

struct Size {
  long width, height;
};

Size size_of(const Slice& slice, double least_width) {
  const double factor = std::max(1.0, std::ceil(least_width / static_cast<double>(slice.nx)));
  const double width = factor * static_cast<double>(slice.nx);
  const double height = factor * static_cast<double>(slice.ny) * slice.voxel_y / slice.voxel_x;
  return {std::lround(width), std::max(1L, std::lround(height))};
}

void draw_image(Picture& picture, long left, long top, Size size, const Tile& tile) {
  const auto position = [](long pixel, long pixels, std::size_t voxels) {
    return (static_cast<double>(pixel) + 0.5) * static_cast<double>(voxels) / static_cast<double>(pixels) - 0.5;
  };
  for (long j = 0; j < size.height; ++j)
    for (long i = 0; i < size.width; ++i) {
      const double grey_value = sampled(tile.grey, position(i, size.width, tile.grey.nx), position(j, size.height, tile.grey.ny));
      Color color = std::isfinite(grey_value) ? grey(part_of(tile.window, grey_value)) : Color{0.25, 0, 0.35};
      if (tile.overlay) {
        const Slice& o = *tile.overlay;
        const double value = sampled(o, position(i, size.width, o.nx), position(j, size.height, o.ny));
        if (std::isfinite(value)) color = mixed(color, overlay_color(tile, value), opacity(tile, value));
      }
      picture.set(static_cast<std::size_t>(left + i), static_cast<std::size_t>(top + j), color);
    }
}

// About a fifth of the image wide, of a round length.
void draw_scale_bar(Picture& picture, long left, long top, Size size, const Slice& slice) {
  const double pixels_per_mm = static_cast<double>(size.width) / (static_cast<double>(slice.nx) * slice.voxel_x);
  const double length = round_below(0.25 * static_cast<double>(slice.nx) * slice.voxel_x);
  const double x = static_cast<double>(left) + 14, y = static_cast<double>(top + size.height) - 15;
  const std::vector<Point> bar{{x, y}, {x + length * pixels_per_mm, y}};
  const std::string text = tick_text(length, length) + " mm";
  picture.stroke(bar, 5, {0, 0, 0});
  picture.stroke(bar, 2.5, kLetters);
  draw_text(picture, {x, y - 8}, text, kText, kLetters);
}

void draw_color_bar(Picture& picture, long left, long top, long height, Window window, const std::string& title,
                    const std::function<Color(double)>& color) {
  for (long j = 0; j < height; ++j)
    picture.fill(left, top + j, kBar, 1, color(1 - (static_cast<double>(j) + 0.5) / static_cast<double>(height)));
  const double x = static_cast<double>(left), right = x + kBar, y = static_cast<double>(top),
               bottom = y + static_cast<double>(height);
  picture.stroke(std::vector<Point>{{x - 0.5, y - 0.5}, {right, y - 0.5}, {right, bottom}, {x - 0.5, bottom}, {x - 0.5, y - 0.5}},
                 1, kLine);
  const std::vector<double> marks = ticks(window.low, window.high, 5);
  const double step = marks.size() > 1 ? marks[1] - marks[0] : window.high - window.low;
  for (double mark : marks) {
    const double row = bottom - part_of(window, mark) * static_cast<double>(height);
    picture.stroke(std::vector<Point>{{right, row}, {right + 4, row}}, 1, kQuiet);
    draw_text(picture, {right + 9, row + kText / 2}, tick_text(mark, step), kText, kLetters);
  }
  draw_text(picture, {x, y - 12}, title, kText, kQuiet);
}

std::vector<float> sorted_finite(const std::vector<float>& values) {
  std::vector<float> sorted;
  std::ranges::copy_if(values, std::back_inserter(sorted), [](float v) { return std::isfinite(v); });
  std::ranges::sort(sorted);
  return sorted;
}

double quantile(const std::vector<float>& sorted, double part) {
  return static_cast<double>(sorted[static_cast<std::size_t>(std::lround(part * static_cast<double>(sorted.size() - 1)))]);
}

long tile_width(const Tile& tile, Size size) { return size.width + kBarGap + (tile.overlay ? 2 : 1) * kBarSpace; }

void draw_tile(Picture& picture, long left, long top, Size size, const Tile& tile) {
  const double x = static_cast<double>(left), baseline = static_cast<double>(top + kHead) - 12;
  std::string title = tile.grey.name + (tile.overlay ? " + " + tile.overlay->name : "");
  std::ranges::replace(title, '_', ' ');
  draw_text(picture, {x, baseline}, title, kTitle, kLetters);
  draw_text(picture, {x + static_cast<double>(size.width) - 4, baseline}, tile.caption, kText, kQuiet, Align::right);
  const long image_top = top + kHead;
  draw_image(picture, left, image_top, size, tile);
  draw_scale_bar(picture, left, image_top, size, tile.grey);
  const long bar = left + size.width + kBarGap;
  draw_color_bar(picture, bar, image_top, size.height, tile.window, tile.grey.unit, grey);
  if (tile.overlay)
    draw_color_bar(picture, bar + kBarSpace, image_top, size.height, tile.overlay_window, tile.overlay->unit, [&](double part) {
      const double value = tile.overlay_window.low + part * (tile.overlay_window.high - tile.overlay_window.low);
      return mixed(kRoom, overlay_color(tile, value), std::max(opacity(tile, value), 0.05));
    });
}

}  // namespace

Window percentiles(const std::vector<float>& values, double low, double high) {
  const std::vector<float> sorted = sorted_finite(values);
  if (sorted.empty()) return {0, 1};
  Window window{quantile(sorted, low), quantile(sorted, high)};
  const double least = std::max(0.02 * std::max(std::abs(window.low), std::abs(window.high)), 1e-9);
  if (window.high - window.low < least) window = {window.low - least, window.low + least};
  return window;
}

double above_noise(const std::vector<float>& values) {
  std::vector<float> sorted = sorted_finite(values);
  if (sorted.empty()) return 0;
  const double median = quantile(sorted, 0.5);
  for (float& v : sorted) v = std::abs(v - static_cast<float>(median));
  return median + 2.5 * 1.4826 * quantile(sorted_finite(sorted), 0.5);
}

Slice smoothed(Slice slice) {
  constexpr double kWeights[] = {1.0 / 16, 4.0 / 16, 6.0 / 16, 4.0 / 16, 1.0 / 16};
  // Along lines of n pixels `step` apart; border pixels are repeated.
  const auto filter = [&](std::size_t lines, std::size_t line_step, std::size_t n, std::size_t step) {
    const std::vector<float> from = slice.value;
    for (std::size_t line = 0; line < lines; ++line)
      for (std::size_t i = 0; i < n; ++i) {
        double sum = 0;
        for (std::size_t k = 0; k < 5; ++k) {
          const std::size_t at = std::clamp(i + k, std::size_t{2}, n + 1) - 2;
          sum += kWeights[k] * static_cast<double>(from[line * line_step + at * step]);
        }
        slice.value[line * line_step + i * step] = static_cast<float>(sum);
      }
  };
  filter(slice.ny, slice.nx, slice.nx, 1);
  filter(slice.nx, 1, slice.ny, slice.nx);
  return slice;
}

Picture draw_panel(const std::vector<Tile>& tiles) {
  if (tiles.empty()) throw DataError("there is no image to draw");
  const std::size_t n = tiles.size();
  const std::size_t columns = n <= 3 ? n : static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(n))));
  const std::size_t rows = (n + columns - 1) / columns;
  std::vector<Size> sizes;
  Size cell{0, 0};
  for (const Tile& tile : tiles) {
    sizes.push_back(size_of(tile.grey, n == 1 ? kSingleWidth : kPanelWidth));
    cell.width = std::max(cell.width, tile_width(tile, sizes.back()));
    cell.height = std::max(cell.height, kHead + sizes.back().height + kFoot);
  }
  const auto total = [](std::size_t count, long each) { return static_cast<std::size_t>(static_cast<long>(count) * each); };
  Picture picture(total(columns, cell.width) + kMargin, total(rows, cell.height) + kFoot, kRoom);
  for (std::size_t k = 0; k < n; ++k)
    draw_tile(picture, kMargin + static_cast<long>(k % columns) * cell.width, static_cast<long>(k / columns) * cell.height,
              sizes[k], tiles[k]);
  return picture;
}

}  // namespace counterflow
