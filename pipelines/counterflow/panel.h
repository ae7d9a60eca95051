// Slices side by side, each with its title, colour bar and scale bar.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pipelines/counterflow/picture.h"

namespace counterflow {

// One slice as it is shown: values row by row, row 0 at the top.
struct Slice {
  std::string name, unit;  // "iodine", "mg/mL"
  std::size_t nx = 0, ny = 0;
  double voxel_x = 1, voxel_y = 1;  // [mm]
  std::vector<float> value;         // [y,x]
};

// Values from black to white.
struct Window {
  double low = 0, high = 1;
};

struct Tile {
  Slice grey;
  Window window;
  std::optional<Slice> overlay;  // in colour over the grey one: the more of it the less transparent
  Window overlay_window;
  double overlay_from = 0;  // below it the overlay is invisible
  std::string caption;      // "slice 8 (0-15)"
};

// From the part `low` to the part `high` (0 to 1) of the sorted values; non-finite ones do not count. Never empty.
Window percentiles(const std::vector<float>& values, double low, double high);

// Median plus two and a half standard deviations of what is not an outlier (by the median absolute deviation): above its noise.
double above_noise(const std::vector<float>& values);

// Binomial filter of 5 x 5 pixels: the noise of a filtered backprojection is mostly finer than that.
Slice smoothed(Slice slice);

// Tiles in rows; small images are enlarged by a whole number, smoothly.
Picture draw_panel(const std::vector<Tile>& tiles);

}  // namespace counterflow
