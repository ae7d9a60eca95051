#include "pipelines/counterflow/import_arrays.h"

#include <algorithm>
#include <array>

#include "core/error.h"
#include "core/text.h"

namespace counterflow {
namespace {

const std::array<std::string, 4> kAxes{"bin", "view", "row", "column"};

std::vector<std::string> default_axes(std::size_t dimensions) {
  if (dimensions == 2) return {"view", "column"};
  if (dimensions == 3) return {"view", "row", "column"};
  return {"bin", "view", "row", "column"};
}

// For each of kAxes the extent and the stride in the stored array; an axis that is not there has extent 1.
struct Axes {
  std::array<std::size_t, 4> extent{1, 1, 1, 1}, stride{0, 0, 0, 0};
};

Axes axes_of(const StoredArray& stored, const ArrayLayout& layout, const std::string& name) {
  const auto names = layout.axes.empty() ? default_axes(stored.shape.size()) : layout.axes;
  if (names.size() != stored.shape.size())
    throw ArchiveError(name + ": expected " + std::to_string(names.size()) + " dimensions (" + joined(names, " ") + "), got " +
                       std::to_string(stored.shape.size()) + "; say what they are with <arrays axes=\"...\"/>");
  Axes axes;
  std::size_t stride = 1;
  for (std::size_t d = names.size(); d-- > 0;) {
    const auto at = std::find(kAxes.begin(), kAxes.end(), names[d]);
    if (at == kAxes.end() || std::count(names.begin(), names.end(), names[d]) != 1)
      throw ConfigError("axes: expected each of view, row, column, bin at most once, got '" + joined(names, " ") + "'");
    const auto k = static_cast<std::size_t>(at - kAxes.begin());
    axes.extent[k] = stored.shape[d];
    axes.stride[k] = stride;
    stride = checked_size(stride, stored.shape[d]);
  }
  if (axes.stride[1] == 0 || axes.stride[3] == 0)
    throw ConfigError("axes: expected at least view and column, got '" + joined(names, " ") + "'");
  if (stored.values.empty()) throw ArchiveError(name + ": is empty");
  return axes;
}

}  // namespace

std::vector<Array<float, 3>> bins_of(const StoredArray& stored, const ArrayLayout& layout, const std::string& name) {
  const Axes axes = axes_of(stored, layout, name);
  const auto [bins, views, rows, columns] = axes.extent;
  const auto scale = static_cast<float>(layout.scale);
  std::vector<Array<float, 3>> out;
  for (std::size_t b = 0; b < bins; ++b) {
    Array<float, 3>& bin = out.emplace_back(Array<float, 3>::Shape{views, rows, columns});
    std::size_t to = 0;
    for (std::size_t v = 0; v < views; ++v)
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < columns; ++c) {
          const std::size_t column = layout.flip_columns ? columns - 1 - c : c;
          const std::size_t from = b * axes.stride[0] + v * axes.stride[1] + r * axes.stride[2] + column * axes.stride[3];
          bin[to++] = scale * stored.values[from];
        }
  }
  return out;
}

std::vector<Array<float, 3>> read_bins(const std::vector<std::string>& names, const ArrayLayout& layout) {
  if (names.empty()) throw ConfigError("import: expected at least one array: file.npy or file.h5:/path");
  std::vector<Array<float, 3>> all;
  for (const std::string& name : names) {
    auto bins = bins_of(read_array(name), layout, name);
    if (names.size() > 1 && bins.size() > 1) throw ArchiveError(name + ": has an axis of bins, so it must be the only array");
    if (!all.empty() && all.front().shape() != bins.front().shape())
      throw ArchiveError(name + ": its shape is not that of " + names.front());
    for (auto& bin : bins) all.push_back(std::move(bin));
  }
  return all;
}

}  // namespace counterflow
