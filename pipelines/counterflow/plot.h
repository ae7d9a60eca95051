// Line plots with axes: profiles through images, curves of training.
//   Plot("Profile", "x [mm]", "density [g/cm^3]").add({"measured", x, y}).write_png("profile.png");
// And the parts of axes that other pictures need too: round numbers and colour bars.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "pipelines/counterflow/font.h"
#include "pipelines/counterflow/picture.h"

namespace counterflow {

// Round numbers (1, 2 or 5 times a power of ten apart) within [low, high], about `count` of them.
std::vector<double> ticks(double low, double high, int count);
// The largest of 1, 2, 5 times a power of ten that is not above `value`.
double round_below(double value);
// Text of a number to the places that ticks `step` apart need.
std::string tick_text(double value, double step);

struct Curve {
  std::string name;
  std::vector<double> x, y;  // of equal length; a non-finite value parts the line
};

class Plot {
 public:
  Plot(std::string title, std::string x_label, std::string y_label);
  Plot& add(Curve curve);
  Plot& logarithmic_y();  // values <= 0 are left out

  Picture draw(std::size_t width = 900, std::size_t height = 560) const;
  void write_png(const std::filesystem::path& file) const { draw().write_png(file); }

 private:
  struct Frame;
  double value(double y) const;
  Frame frame(std::size_t width, std::size_t height) const;
  void draw_axes(Picture& picture, const Frame& frame) const;
  void draw_curves(Picture& picture, const Frame& frame) const;

  std::string title_, x_label_, y_label_;
  std::vector<Curve> curves_;
  bool logarithmic_ = false;
};

}  // namespace counterflow
