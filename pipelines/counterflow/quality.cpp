#include "pipelines/counterflow/quality.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <ostream>

#include "core/error.h"
#include "core/text.h"
#include "pipelines/counterflow/statistics.h"

namespace counterflow {
namespace {

constexpr double kWireRadius = 1.5, kEdgeRadius = 4;                  // [pixel]
constexpr std::array<std::size_t, 6> kSides{64, 48, 40, 32, 24, 16};  // [pixel]; 2^a 3^b 5^c

Circle circle_of(const Region& r) { return {r.x, r.y, r.radius}; }

double contrast_to_noise(const Resolution& r) { return r.noise > 0 ? std::abs(r.contrast) / r.noise : r.contrast != 0 ? 1e9 : 0; }

struct Found {
  Resolution resolution;
  std::string from;
};

// The region of the largest contrast to noise whose radius is within bounds [mm].
template <class Measure>
std::optional<Found> best_of(const std::vector<Region>& regions, double smallest, double largest, const char* what,
                             Measure&& measure) {
  std::optional<Found> best;
  for (const Region& region : regions) {
    if (region.radius < smallest || region.radius >= largest) continue;
    try {
      const Resolution r = measure(circle_of(region));
      const double ratio = contrast_to_noise(r);
      if (ratio >= kSmallestContrastToNoise && (!best || ratio > contrast_to_noise(best->resolution)))
        best = Found{r, region.name.starts_with("wire") ? region.name : what + region.name};
    } catch (const DataError&) {  // this region is not fit; another may be
    }
  }
  return best;
}

void measure_resolution(Quality& out, const std::vector<double>& image, const ImageGrid& grid, const std::vector<Region>& regions,
                        const QualityPlaces& places) {
  std::vector<Circle> others;
  for (const Region& r : regions) others.push_back(circle_of(r));
  const auto wire = [&](const Circle& c) { return wire_resolution(image, grid, c); };
  const auto edge = [&](const Circle& c) { return edge_resolution(image, grid, c, others); };
  const double pixel = std::max(grid.voxel_x, grid.voxel_y);
  std::optional<Found> found;
  if (places.wire) found = Found{wire(*places.wire), "wire"};
  else if (places.edge) found = Found{edge_resolution(image, grid, *places.edge), "edge"};
  else {
    found = best_of(regions, 0, kWireRadius * pixel, "wire ", wire);
    if (!found) found = best_of(regions, kEdgeRadius * pixel, HUGE_VAL, "edge of ", edge);
  }
  if (!found || contrast_to_noise(found->resolution) < kSmallestContrastToNoise) {
    out.resolution_remark = fmt::format("no wire or round edge stands out by {} times the noise", kSmallestContrastToNoise);
    return;
  }
  out.resolution = std::move(found->resolution);
  out.resolution_from = found->from;
}

struct UniformRegion {
  std::string name;
  std::vector<std::size_t> pixels;
  std::vector<Corner> corners;
  std::size_t side = 0;
};

// The largest squares that fit; the region's pixels become those in them.
void take_squares(UniformRegion& region, const ImageGrid& grid) {
  for (std::size_t side : kSides) {
    region.side = side;
    region.corners = squares_on(region.pixels, grid, side);
    if (!region.corners.empty()) break;
  }
  std::erase_if(region.pixels, [&](std::size_t pixel) {
    const std::size_t x = pixel % grid.nx, y = pixel / grid.nx;
    return std::ranges::none_of(
        region.corners, [&](const Corner& c) { return x >= c.x && x < c.x + region.side && y >= c.y && y < c.y + region.side; });
  });
}

UniformRegion uniform_region(const std::vector<Region>& regions, const ImageGrid& grid, const QualityPlaces& places) {
  UniformRegion best;
  if (places.uniform) {
    const Region region{"uniform", places.uniform->x, places.uniform->y, places.uniform->radius / kMeasuredPart, {}};
    best = {"uniform", pixels_of(region, {}, grid), {}, 0};
    take_squares(best, grid);
    if (best.corners.empty())
      throw DataError("the circle of --uniform holds no square of " + std::to_string(kSides.back()) + " pixels of the images");
    return best;
  }
  for (const Region& region : regions) {
    UniformRegion now{region.name, pixels_of(region, regions, grid), {}, 0};
    take_squares(now, grid);
    if (now.corners.empty()) continue;
    if (best.corners.empty() || now.side > best.side || (now.side == best.side && now.corners.size() > best.corners.size()))
      best = std::move(now);
  }
  return best;
}

void in_unit(Quality& q, double scale) {
  if (q.resolution) {
    q.resolution->contrast *= scale;
    q.resolution->noise *= scale;
  }
  q.deviation *= scale;
  if (!q.noise) return;
  for (double& p : q.noise->power) p *= scale * scale;
  q.noise->variance *= scale * scale;
}

double per_cm(double per_mm) { return 10 * per_mm; }

std::string frequency_text(const std::optional<double>& f) { return f ? fmt::format("{:.2f}", per_cm(*f)) : "-"; }

}  // namespace

std::vector<Quality> measure_quality(const std::vector<ImageSeries>& series, const std::vector<Region>& regions,
                                     const QualityPlaces& places) {
  std::vector<Quality> out;
  std::optional<std::pair<ImageGrid, UniformRegion>> uniform;
  for (const ImageSeries& s : series) {
    if (s.channels.quantity == "noise") continue;
    if (!uniform || uniform->first != s.grid) uniform = {s.grid, uniform_region(regions, s.grid, places)};
    const UniformRegion& where = uniform->second;
    for (std::size_t c = 0; c < s.channels.names.size(); ++c) {
      const DisplayUnit unit = display_unit(s.channels, s.channels.names[c]);
      Quality q{.quantity = s.channels.names[c], .unit = unit.name, .noise_from = where.name};
      measure_resolution(q, mean_slice(s.value, c), s.grid, regions, places);
      if (where.corners.empty()) {
        q.noise_remark = "no uniform region holds a square of " + std::to_string(kSides.back()) + " pixels";
      } else {
        q.noise = noise_power(s.value, c, s.grid, where.corners, where.side);
        q.deviation = statistics(s.value, c, where.pixels).deviation;
      }
      in_unit(q, unit.scale);
      out.push_back(std::move(q));
    }
  }
  return out;
}

void print_quality(const std::vector<Quality>& all, std::ostream& out) {
  std::size_t name = 8, from = 8;
  for (const Quality& q : all) {
    name = std::max(name, q.quantity.size() + q.unit.size() + 3);
    from = std::max({from, q.resolution_from.size(), q.noise_from.size()});
  }
  const auto label = [](const Quality& q) { return q.quantity + " [" + q.unit + "]"; };
  out << fmt::format("resolution (MTF)\n  {:<{}}  {:<{}}{:>12}{:>16}{:>14}{:>14}\n", "quantity", name, "from", from, "contrast",
                     "contrast/noise", "f50 [lp/cm]", "f10 [lp/cm]");
  for (const Quality& q : all) {
    if (!q.resolution) {
      out << fmt::format("  {:<{}}  {}\n", label(q), name, q.resolution_remark);
      continue;
    }
    out << fmt::format("  {:<{}}  {:<{}}{:>12.4g}{:>16.4g}{:>14}{:>14}\n", label(q), name, q.resolution_from, from,
                       q.resolution->contrast, contrast_to_noise(*q.resolution), frequency_text(frequency_at(*q.resolution, 0.5)),
                       frequency_text(frequency_at(*q.resolution, 0.1)));
  }
  out << fmt::format("\nnoise (NPS)\n  {:<{}}  {:<{}}{:>12}{:>16}{:>14}{:>14}{:>14}\n", "quantity", name, "in", from, "deviation",
                     "of the NPS", "peak [lp/cm]", "mean [lp/cm]", "squares");
  for (const Quality& q : all) {
    if (!q.noise) {
      out << fmt::format("  {:<{}}  {}\n", label(q), name, q.noise_remark);
      continue;
    }
    out << fmt::format("  {:<{}}  {:<{}}{:>12.4g}{:>16.4g}{:>14.2f}{:>14.2f}{:>14}\n", label(q), name, q.noise_from, from,
                       q.deviation, std::sqrt(q.noise->variance), per_cm(q.noise->peak()), per_cm(q.noise->mean()),
                       fmt::format("{} of {}", q.noise->squares, q.noise->side));
  }
}

}  // namespace counterflow
