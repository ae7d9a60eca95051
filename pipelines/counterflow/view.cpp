// counterflow view: slices as PNG, grey in a window, with a material in colour over it, or all channels side by side.
#include "pipelines/counterflow/view.h"

#include <algorithm>
#include <cmath>
#include <ostream>

#include "core/error.h"
#include "core/text.h"
#include "gadgets/monoenergetic/monoenergetic.h"
#include "pipelines/counterflow/statistics.h"

namespace counterflow {
namespace {

constexpr Window kSoftTissue{-160, 240};  // [HU] centre 40, width 400
constexpr double kDefaultEnergy = 70;     // [keV] of the grey image under an overlay

std::size_t slice_number(const ImageSeries& series, const ViewOptions& options) {
  const std::size_t slices = series.value.extent(1);
  const std::size_t slice = options.slice.value_or(slices / 2);
  if (slice >= slices)
    throw ConfigError("slice " + std::to_string(slice) + " is not there: the images have slices 0 to " +
                      std::to_string(slices - 1));
  return slice;
}

Slice empty_slice(const ImageSeries& series) {
  Slice out;
  out.nx = series.value.extent(3);
  out.ny = series.value.extent(2);
  out.voxel_x = series.grid.voxel_x;
  out.voxel_y = series.grid.voxel_y;
  return out;
}

Slice slice_of(const ImageSeries& series, std::size_t channel, const ViewOptions& options) {
  const std::string& name = series.channels.names[channel];
  const DisplayUnit unit = display_unit(series.channels, name);
  Slice out = empty_slice(series);
  out.name = series.channels.quantity == "noise" ? "noise of " + name : name;
  out.unit = unit.name;
  for (float v : series.value.block(channel, slice_number(series, options)))
    out.value.push_back(static_cast<float>(unit.scale * v));
  return out;
}

const ImageSeries& materials_of(const std::vector<ImageSeries>& all, const std::string& purpose) {
  const auto found = std::ranges::find_if(all, [](const ImageSeries& s) { return s.channels.quantity == "density"; });
  if (found == all.end()) throw ConfigError(purpose + " is made of material images, and the file has none");
  return *found;
}

Slice monoenergetic_slice(const std::vector<ImageSeries>& all, double kev, const ViewOptions& options) {
  const ImageSeries& series = materials_of(all, "a monoenergetic image");
  if (!(kev >= 1 && kev <= 1000)) throw ConfigError("expected an energy from 1 to 1000 keV, got " + number_text(kev));
  const ChannelMix mix = Monoenergetic{{kev}, "HU"}.mix(series.channels.names);
  Slice out = empty_slice(series);
  out.name = number_text(kev) + " keV";
  out.unit = "HU";
  const std::size_t slice = slice_number(series, options);
  out.value.assign(out.nx * out.ny, static_cast<float>(mix.offset));
  for (std::size_t m = 0; m < series.channels.names.size(); ++m) {
    const auto density = series.value.block(m, slice);
    for (std::size_t i = 0; i < density.size(); ++i) out.value[i] += static_cast<float>(mix.weight(0, m)) * density[i];
  }
  return out;
}

// The channel of that name; of images before their noise.
Slice named_slice(const std::vector<ImageSeries>& all, const std::string& name, const ViewOptions& options) {
  std::vector<std::string> names;
  for (const ImageSeries& series : all)
    for (std::size_t c = 0; c < series.channels.names.size(); ++c) {
      if (series.channels.quantity == "noise") continue;
      if (series.channels.names[c] == name) return slice_of(series, c, options);
      names.push_back(series.channels.names[c]);
    }
  throw ConfigError("the images have no channel '" + name + "'" + did_you_mean(name, names));
}

// Under an overlay: a monoenergetic image of the file, or one made of its materials, or the first other channel.
Slice backdrop(const std::vector<ImageSeries>& all, const ViewOptions& options) {
  for (const ImageSeries& series : all)
    if (series.channels.quantity == "monoenergetic") return slice_of(series, 0, options);
  for (const ImageSeries& series : all)
    if (series.channels.quantity == "density") return monoenergetic_slice(all, kDefaultEnergy, options);
  return slice_of(all.front(), 0, options);
}

Tile tile_of(Slice slice, const ViewOptions& options) {
  Tile tile;
  tile.window = slice.unit == "HU" ? kSoftTissue : percentiles(slice.value, 0.005, 0.995);
  if (options.window) {
    const auto [centre, width] = *options.window;
    if (!(width > 0)) throw ConfigError("expected a window wider than 0, got a width of " + number_text(width));
    tile.window = {centre - width / 2, centre + width / 2};
  }
  tile.grey = std::move(slice);
  return tile;
}

// Images first, then their noise, which is shown from 0 on.
std::vector<Tile> all_tiles(const std::vector<ImageSeries>& all, const ViewOptions& options) {
  const bool has_hu = std::ranges::any_of(all, [](const ImageSeries& s) { return s.channels.unit == "HU"; });
  ViewOptions without_window = options;
  without_window.window.reset();
  std::vector<Tile> tiles, noise;
  for (const ImageSeries& series : all) {
    const bool windowed = !has_hu || series.channels.unit == "HU";
    for (std::size_t c = 0; c < series.channels.names.size(); ++c)
      if (series.channels.quantity == "noise") {
        noise.push_back(tile_of(slice_of(series, c, options), without_window));
        noise.back().window = {0, percentiles(noise.back().grey.value, 0, 0.995).high};
      } else {
        tiles.push_back(tile_of(slice_of(series, c, options), windowed ? options : without_window));
      }
  }
  tiles.insert(tiles.end(), noise.begin(), noise.end());
  return tiles;
}

}  // namespace

std::vector<Tile> tiles_of(const std::vector<ImageSeries>& series, const ViewOptions& options) {
  if (series.empty()) throw DataError("the file holds no images");
  if (options.kev && !options.material.empty())
    throw ConfigError("a monoenergetic image is made of all materials: ask for an energy or for a material, not for both");
  std::vector<Tile> tiles;
  if (options.kev) tiles = {tile_of(monoenergetic_slice(series, *options.kev, options), options)};
  else if (!options.material.empty()) tiles = {tile_of(named_slice(series, options.material, options), options)};
  else if (!options.overlay.empty()) tiles = {tile_of(backdrop(series, options), options)};
  else tiles = all_tiles(series, options);
  if (!options.overlay.empty()) {
    Tile& tile = tiles.front();
    tile.overlay = smoothed(named_slice(series, options.overlay, options));
    tile.overlay_window = {0, percentiles(tile.overlay->value, 0, 0.997).high};
    if (!(tile.overlay_window.high > 0)) tile.overlay_window.high = 1;
    tile.overlay_from =
        std::clamp(above_noise(tile.overlay->value), 0.05 * tile.overlay_window.high, 0.6 * tile.overlay_window.high);
  }
  const std::size_t slices = series.front().value.extent(1);
  if (slices > 1)
    tiles.front().caption =
        "slice " + std::to_string(slice_number(series.front(), options)) + " (0-" + std::to_string(slices - 1) + ")";
  return tiles;
}

Plot profile_of(const std::vector<Tile>& tiles, double y) {
  const std::string& unit = tiles.front().grey.unit;
  Plot plot("profile at y = " + number_text(y) + " mm", "x [mm]", unit);
  for (const Tile& tile : tiles) {
    const Slice& s = tile.grey;
    if (s.unit != unit) continue;
    const double row = std::round(y / s.voxel_y + (static_cast<double>(s.ny) - 1) / 2);
    if (!(row >= 0 && row < static_cast<double>(s.ny)))
      throw ConfigError("a profile at y = " + number_text(y) + " mm is outside the image, which is " +
                        number_text(s.voxel_y * static_cast<double>(s.ny)) + " mm high");
    Curve curve{s.name, {}, {}};
    for (std::size_t i = 0; i < s.nx; ++i) {
      curve.x.push_back((static_cast<double>(i) - (static_cast<double>(s.nx) - 1) / 2) * s.voxel_x);
      curve.y.push_back(s.value[static_cast<std::size_t>(row) * s.nx + i]);
    }
    plot.add(std::move(curve));
  }
  return plot;
}

void view(const ViewOptions& options, const CommonOptions& common, std::ostream& out) {
  const std::vector<Tile> tiles = tiles_of(read_images(options.images), options);
  const Picture picture = options.profile ? profile_of(tiles, *options.profile).draw() : draw_panel(tiles);
  picture.write_png(options.output);
  if (!common.quiet) out << options.output.string() << ": " << picture.width() << " x " << picture.height() << " pixels\n";
}

}  // namespace counterflow
