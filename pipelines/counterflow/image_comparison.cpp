#include "pipelines/counterflow/image_comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ostream>

#include "pipelines/counterflow/statistics.h"

namespace counterflow {
namespace {

// Voxels z, y, x that show the object.
std::vector<bool> object_mask(const ImageGrid& grid, const std::optional<Truth>& truth) {
  const std::size_t slice = grid.ny * grid.nx, voxels = grid.nz * slice;
  std::vector<bool> mask(voxels, true);
  if (!truth || truth->density.empty()) return mask;
  const ImageGrid& g = truth->grid;
  if (g.nx != grid.nx || g.ny != grid.ny || std::abs(g.voxel_x - grid.voxel_x) > 1e-6 * g.voxel_x) return mask;
  std::vector<double> total(slice);
  const std::size_t middle = g.nz / 2;
  for (std::size_t k = 0; k < truth->materials.size(); ++k)
    for (std::size_t i = 0; i < slice; ++i) total[i] += static_cast<double>(truth->density.block(k, middle)[i]);
  const double half = *std::ranges::max_element(total) / 2;
  for (std::size_t i = 0; i < voxels; ++i) mask[i] = total[i % slice] > half;
  return mask;
}

ImageDifference difference(const ImageSeries& a, std::size_t channel, const ImageSeries& b, std::size_t other_channel,
                           const std::vector<bool>& mask) {
  const DisplayUnit unit = display_unit(a.channels, a.channels.names[channel]);
  ImageDifference out{a.channels.names[channel], unit.name, 0, 0, 0};
  std::vector<double> ring_sums, ring_counts;
  double sum = 0, squares = 0, n = 0;
  const ImageGrid& g = a.grid;
  for (std::size_t z = 0; z < g.nz; ++z)
    for (std::size_t y = 0; y < g.ny; ++y)
      for (std::size_t x = 0; x < g.nx; ++x) {
        if (!mask[(z * g.ny + y) * g.nx + x]) continue;
        const double d = unit.scale * static_cast<double>(a.value(channel, z, y, x) - b.value(other_channel, z, y, x));
        const auto ring = static_cast<std::size_t>(
            std::hypot(g.x(static_cast<double>(x)) / g.voxel_x, g.y(static_cast<double>(y)) / g.voxel_y));
        if (ring >= ring_sums.size()) ring_sums.resize(ring + 1), ring_counts.resize(ring + 1);
        ring_sums[ring] += d, ring_counts[ring] += 1;
        sum += d, squares += d * d, n += 1;
      }
  double of_rings = 0, rings = 0;
  for (std::size_t k = 0; k < ring_sums.size(); ++k)
    if (ring_counts[k] > 0) of_rings += std::pow(ring_sums[k] / ring_counts[k], 2), rings += 1;
  if (n == 0) return out;
  out.mean = sum / n;
  out.root_mean_square = std::sqrt(squares / n);
  out.rings = std::sqrt(of_rings / rings);
  return out;
}

std::vector<ImageSeries> with_monoenergetic(std::vector<ImageSeries> all) {
  const auto is = [](const char* quantity) {
    return [quantity](const ImageSeries& s) { return s.channels.quantity == quantity; };
  };
  if (std::ranges::any_of(all, is("monoenergetic"))) return all;
  const auto materials = std::ranges::find_if(all, is("density"));
  if (materials != all.end()) all.push_back(made_monoenergetic(*materials));
  return all;
}

}  // namespace

std::vector<ImageDifference> compare_images(const std::vector<ImageSeries>& images, const std::vector<ImageSeries>& others,
                                            const std::optional<Truth>& truth) {
  std::vector<ImageDifference> out;
  const auto second = with_monoenergetic(others);
  for (const ImageSeries& a : with_monoenergetic(images)) {
    const auto b = std::ranges::find(second, a.number, &ImageSeries::number);
    if (a.channels.quantity == "noise" || b == second.end()) continue;
    if (!(a.grid == b->grid))
      throw DataError(
          fmt::format("images to compare: expected two files on the same grid, got {} x {} x {} voxels of {:.4g} mm "
                      "and {} x {} x {} of {:.4g} mm",
                      a.grid.nx, a.grid.ny, a.grid.nz, a.grid.voxel_x, b->grid.nx, b->grid.ny, b->grid.nz, b->grid.voxel_x));
    const std::vector<bool> mask = object_mask(a.grid, truth);
    for (std::size_t c = 0; c < a.channels.names.size(); ++c) {
      const auto& names = b->channels.names;
      const auto same = std::ranges::find(names, a.channels.names[c]);
      if (same == names.end() || a.channels.unit != b->channels.unit) continue;
      out.push_back(difference(a, c, *b, static_cast<std::size_t>(same - names.begin()), mask));
    }
  }
  if (out.empty()) throw DataError("images to compare: the two files share no channel of the same unit");
  return out;
}

void print_differences(const std::vector<ImageDifference>& all, std::ostream& out) {
  out << fmt::format("{:<24}{:>11}{:>11}{:>11}\n", "difference", "mean", "rms", "rings");
  for (const ImageDifference& d : all)
    out << fmt::format("  {:<22}{:>11.4g}{:>11.4g}{:>11.4g}  {}\n", d.quantity, d.mean, d.root_mean_square, d.rings, d.unit);
  out << "\n";
}

}  // namespace counterflow
