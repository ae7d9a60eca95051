#include "pipelines/counterflow/picture.h"

#include <png.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>
#include <string>
#include <system_error>

#include "core/array.h"
#include "core/error.h"

namespace counterflow {
namespace {

double distance_to_segment(Point p, Point a, Point b) {
  const double dx = b.x - a.x, dy = b.y - a.y;
  const double length = dx * dx + dy * dy;
  const double t = length > 0 ? std::clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / length, 0.0, 1.0) : 0.0;
  return std::hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

bool finite(Point p) { return std::isfinite(p.x) && std::isfinite(p.y); }

// Range of whole numbers within [low, high], cut to [0, end).
std::pair<long, long> whole_range(double low, double high, std::size_t end) {
  const double last = static_cast<double>(end) - 1;
  return {std::lround(std::ceil(std::clamp(low, 0.0, last + 1))), std::lround(std::floor(std::clamp(high, -1.0, last)))};
}

std::uint8_t byte(double value) { return static_cast<std::uint8_t>(std::lround(255 * std::clamp(value, 0.0, 1.0))); }

}  // namespace

Color mixed(Color a, Color b, double part) {
  return {a.red + part * (b.red - a.red), a.green + part * (b.green - a.green), a.blue + part * (b.blue - a.blue)};
}

Color grey(double value) {
  const double v = std::clamp(value, 0.0, 1.0);
  return {v, v, v};
}

Color hot(double value) {
  const double v = 3 * std::clamp(value, 0.0, 1.0);
  return {std::min(v, 1.0), std::clamp(v - 1, 0.0, 1.0), std::clamp(v - 2, 0.0, 1.0)};
}

Picture::Picture(std::size_t width, std::size_t height, Color background)
    : width_(width), height_(height), pixels_(checked_size(width, height), background) {
  if (width == 0 || height == 0) throw DataError("a picture needs at least one pixel");
}

void Picture::fill(long x, long y, long width, long height, Color color) {
  const long right = std::min(x + width, static_cast<long>(width_)), bottom = std::min(y + height, static_cast<long>(height_));
  for (long j = std::max(y, 0L); j < bottom; ++j)
    for (long i = std::max(x, 0L); i < right; ++i) set(static_cast<std::size_t>(i), static_cast<std::size_t>(j), color);
}

// Coverage of a pixel: 1 within half the width less half a pixel of the line, 0 beyond half the width and half a pixel.
void Picture::stroke(std::span<const Point> points, double line_width, Color color) {
  Point low{1e9, 1e9}, high{-1e9, -1e9};
  for (const Point& p : points) {
    if (!finite(p)) continue;
    low = {std::min(low.x, p.x), std::min(low.y, p.y)};
    high = {std::max(high.x, p.x), std::max(high.y, p.y)};
  }
  const double reach = line_width / 2 + 0.5;
  const auto [left, right] = whole_range(low.x - reach, high.x + reach, width_);
  const auto [top, bottom] = whole_range(low.y - reach, high.y + reach, height_);
  if (left > right || top > bottom) return;
  const std::size_t columns = static_cast<std::size_t>(right - left + 1);
  std::vector<double> coverage(columns * static_cast<std::size_t>(bottom - top + 1), 0.0);
  for (std::size_t k = 0; k < points.size(); ++k) {
    const Point a = points[k], b = points[std::min(k + 1, points.size() - 1)];
    if (!finite(a) || !finite(b)) continue;
    const auto [i0, i1] = whole_range(std::min(a.x, b.x) - reach, std::max(a.x, b.x) + reach, width_);
    const auto [j0, j1] = whole_range(std::min(a.y, b.y) - reach, std::max(a.y, b.y) + reach, height_);
    for (long j = j0; j <= j1; ++j)
      for (long i = i0; i <= i1; ++i) {
        double& c = coverage[static_cast<std::size_t>(j - top) * columns + static_cast<std::size_t>(i - left)];
        c = std::max(c,
                     std::clamp(reach - distance_to_segment({static_cast<double>(i), static_cast<double>(j)}, a, b), 0.0, 1.0));
      }
  }
  for (std::size_t k = 0; k < coverage.size(); ++k) {
    Color& pixel = pixels_[(static_cast<std::size_t>(top) + k / columns) * width_ + static_cast<std::size_t>(left) + k % columns];
    pixel = mixed(pixel, color, coverage[k]);
  }
}

void Picture::paste(const Picture& other, long x, long y) {
  for (std::size_t j = 0; j < other.height_; ++j)
    for (std::size_t i = 0; i < other.width_; ++i) {
      const long column = x + static_cast<long>(i), row = y + static_cast<long>(j);
      if (column >= 0 && row >= 0 && column < static_cast<long>(width_) && row < static_cast<long>(height_))
        set(static_cast<std::size_t>(column), static_cast<std::size_t>(row), other.at(i, j));
    }
}

void Picture::write_png(const std::filesystem::path& file) const {
  std::vector<std::uint8_t> bytes;
  bytes.reserve(3 * pixels_.size());
  for (const Color& c : pixels_) bytes.insert(bytes.end(), {byte(c.red), byte(c.green), byte(c.blue)});
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width_);
  image.height = static_cast<png_uint_32>(height_);
  image.format = PNG_FORMAT_RGB;
  const std::filesystem::path temporary = file.string() + ".part";
  const bool written = png_image_write_to_file(&image, temporary.c_str(), 0, bytes.data(), 0, nullptr) != 0;
  std::error_code error;
  if (written) std::filesystem::rename(temporary, file, error);
  if (!written || error) {
    const std::string reason = written ? error.message() : image.message;
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw ArchiveError("cannot write the picture " + file.string() + ": " + reason +
                       "; choose a folder that exists and can be written to");
  }
}

}  // namespace counterflow
