// A picture in RGB that is drawn on with smooth edges and written as PNG. Coordinates in pixels, x to the right, y down; the
// centre of the first pixel is (0, 0).
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace counterflow {

struct Color {
  double red = 0, green = 0, blue = 0;  // 0 to 1
  bool operator==(const Color&) const = default;
};

Color mixed(Color a, Color b, double part_of_b);
Color grey(double value);
// Black, red, orange, yellow, white: for overlays.
Color hot(double value);

struct Point {
  double x = 0, y = 0;
};

class Picture {
 public:
  Picture(std::size_t width, std::size_t height, Color background);

  std::size_t width() const { return width_; }
  std::size_t height() const { return height_; }
  Color at(std::size_t x, std::size_t y) const { return pixels_[y * width_ + x]; }
  void set(std::size_t x, std::size_t y, Color color) { pixels_[y * width_ + x] = color; }

  // Pixels [x, x + width) x [y, y + height), cut at the border.
  void fill(long x, long y, long width, long height, Color color);
  // Lines through the points with round ends, as one stroke: where it meets itself it does not darken. Non-finite points part it.
  void stroke(std::span<const Point> points, double line_width, Color color);
  void paste(const Picture& other, long x, long y);

  // Throws ArchiveError where the file cannot be written; it appears whole or not at all.
  void write_png(const std::filesystem::path& file) const;

 private:
  std::size_t width_, height_;
  std::vector<Color> pixels_;
};

}  // namespace counterflow
