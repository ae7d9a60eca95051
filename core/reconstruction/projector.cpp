#include "core/reconstruction/projector.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/kernel.h"
#include "core/parallel.h"
#include "core/reconstruction/cone_kernel.h"
#include "core/reconstruction/cone_projection_kernel.h"
#include "core/reconstruction/image_properties.h"
#include "core/reconstruction/messages.h"

namespace counterflow {

using projection::Across;
using projection::AddConeLines;
using projection::AddLines;
using projection::ConeLines;
using projection::kGuard;
using projection::kRoom;
using projection::kWays;
using projection::Lines;
using projection::RayBundle;
using projection::SpreadConeLines;
using projection::SpreadLines;

namespace {

constexpr std::size_t kSinglePlanes = 2;    // slice-materials that are faster one by one than as a block
constexpr std::size_t kViewsTogether = 16;  // of a transpose, whose rays are kept

std::size_t index_of(Across across) { return across == Across::x ? 0 : 1; }

// The same detector with every element split.
ScanGeometry split(ScanGeometry g, const RaysPerPixel& rays) {
  const auto columns = static_cast<double>(rays.columns), rows = static_cast<double>(rays.rows);
  g.columns = checked_size(g.columns, rays.columns);
  g.rows = checked_size(g.rows, rays.rows);
  g.column_pitch /= columns, g.column_offset *= columns;
  g.row_pitch /= rows, g.row_offset *= rows;
  return g;
}

const ScanGeometry& checked(const ScanGeometry& geometry, const ImageGrid& grid, const RaysPerPixel& rays) {
  geometry.check();
  fbp::check_grid(grid, geometry);
  if (rays.columns == 0 || rays.rows == 0) throw ConfigError("expected at least one ray a pixel, got none");
  if (!geometry.is_cone() && rays.rows != 1)
    throw ConfigError("expected one ray along the rows, since each row of this beam is a slice of its own, got " +
                      std::to_string(rays.rows));
  return geometry;
}

}  // namespace

// A view of a transpose: its rays, and what their sums give back.
template <class Real>
struct Projector<Real>::ViewRays {
  std::vector<RayBundle> bundles;
  Aligned sums;
};

// Slices and channels e = channel slices + z of a volume are stored as `planes` volumes of [inner] numbers a voxel, the first
// `used` of them in use. Sums of a ray alike: [plane][column of single rays][inner].
template <class Real>
struct Projector<Real>::Layout {
  std::size_t planes = 1, used = 1, inner = 1;
  std::size_t sums_used = 1, sums_inner = 1, sums_stride = 0;  // sums_stride: elements a plane
  std::array<std::size_t, 2> lines{}, places{}, line_stride{}, plane_stride{};
  std::size_t slices = 0, channels = 0, rows = 0;  // rows: of pixels

  std::size_t slab() const;
  std::size_t at(std::size_t way, std::size_t e, std::size_t line, std::size_t place) const {
    return e / used * plane_stride[way] + kRoom + line * line_stride[way] + (place + kGuard) * inner + e % used;
  }
};

template <class Real>
Projector<Real>::Projector(const ScanGeometry& geometry, const ImageGrid& grid, RaysPerPixel rays)
    : geometry_(checked(geometry, grid, rays)), grid_(grid), rays_(rays), planner_(split(geometry, rays), grid) {}

template <class Real>
typename Projector<Real>::Layout Projector<Real>::layout(std::size_t channels, std::size_t slices) const {
  Layout l;
  l.channels = channels, l.slices = slices;
  if (geometry_.is_cone()) {
    l.planes = channels, l.used = slices, l.inner = fbp::padded_line<Real>(slices);
    l.rows = geometry_.rows;
    l.sums_used = geometry_.rows * rays_.rows, l.sums_inner = fbp::padded_line<Real>(l.sums_used);
  } else {
    const std::size_t n = channels * slices;
    const bool single = n <= kSinglePlanes;
    l.planes = single ? n : 1, l.used = l.sums_used = single ? 1 : n;
    l.inner = l.sums_inner = fbp::padded_block<Real>(l.used);
    l.rows = slices;
  }
  l.sums_stride = geometry_.columns * rays_.columns * l.sums_inner;
  for (const Across across : kWays) {
    const std::size_t w = index_of(across);
    l.lines[w] = planner_.lines(across), l.places[w] = planner_.places(across);
    l.line_stride[w] = checked_size(l.places[w] + 2 * kGuard, l.inner);
    l.plane_stride[w] = fbp::padded_line<Real>(checked_size(l.lines[w], l.line_stride[w]) + 2 * kRoom);
  }
  return l;
}

// use(place across x, place across y, place in [channel,z,y,x]) for the voxels of some y; a cache line of slices at a time.
template <class Real>
template <class Use>
void Projector<Real>::over_voxels(const Layout& l, std::size_t y_begin, std::size_t y_end, Use&& use) const {
  constexpr std::size_t kTogether = 64 / sizeof(Real);
  const std::size_t n = l.channels * l.slices, slice = grid_.ny * grid_.nx;
  for (std::size_t first = 0; first < n; first += kTogether)
    for (std::size_t y = y_begin; y < y_end; ++y)
      for (std::size_t x = 0; x < grid_.nx; ++x)
        for (std::size_t e = first; e < std::min(n, first + kTogether); ++e)
          use(l.at(0, e, x, y), l.at(1, e, y, x), e * slice + y * grid_.nx + x);
}

template <class Real>
std::size_t Projector<Real>::volume_bytes(std::size_t channels, std::size_t slices) const {
  const Layout l = layout(channels, slices);
  return checked_size(l.planes, l.plane_stride[0] + l.plane_stride[1]) * sizeof(Real);
}

template <class Real>
LineVolume<Real> Projector<Real>::zero_volume(std::size_t channels, std::size_t slices) const {
  if (channels == 0 || slices == 0) throw DataError("expected a volume of at least one channel and slice, got none");
  if (geometry_.is_cone() && slices != grid_.nz)
    throw DataError("expected a volume of the grid's " + std::to_string(grid_.nz) + " slices, got " + std::to_string(slices));
  const Layout l = layout(channels, slices);
  LineVolume<Real> volume{channels, slices, {}};
  for (std::size_t w = 0; w < kWays.size(); ++w) volume.across[w].resize(l.planes * l.plane_stride[w]);
  return volume;
}

template <class Real>
LineVolume<Real> Projector<Real>::volume(const Array<Real, 4>& values) const {
  if (values.extent(2) != grid_.ny || values.extent(3) != grid_.nx)
    throw DataError("expected a volume of [channel,z," + std::to_string(grid_.ny) + "," + std::to_string(grid_.nx) + "], got " +
                    fbp::shape_text(values.shape()));
  LineVolume<Real> out = zero_volume(values.extent(0), values.extent(1));
  const Layout l = layout(out.channels, out.slices);
  parallel_chunks(grid_.ny, 8, [&](std::size_t begin, std::size_t end) {
    over_voxels(l, begin, end, [&](std::size_t at_x, std::size_t at_y, std::size_t from) {
      out.across[0][at_x] = out.across[1][at_y] = values[from];
    });
  });
  return out;
}

template <class Real>
void Projector<Real>::check(const LineVolume<Real>& volume) const {
  const Layout l = layout(volume.channels, volume.slices);
  for (std::size_t w = 0; w < kWays.size(); ++w)
    if (volume.channels == 0 || volume.across[w].size() != l.planes * l.plane_stride[w])
      throw DataError("expected a volume made by this projector's volume() or zero_volume()");
}

template <class Real>
Array<Real, 4> Projector<Real>::values(const LineVolume<Real>& volume) const {
  check(volume);
  const Layout l = layout(volume.channels, volume.slices);
  Array<Real, 4> out({volume.channels, volume.slices, grid_.ny, grid_.nx});
  parallel_chunks(grid_.ny, 8, [&](std::size_t begin, std::size_t end) {
    over_voxels(l, begin, end, [&](std::size_t at_x, std::size_t at_y, std::size_t to) {
      out[to] = volume.across[0][at_x] + volume.across[1][at_y];
    });
  });
  return out;
}

// Lines are followed some at a time, so that neighbouring rays find in the cache what they share.
template <class Real>
std::size_t Projector<Real>::Layout::slab() const {
  return inner == 1 ? 64 : 16;
}

// use(task of the kernel, sums of its rays) for the rays of all views across some lines.
template <class Real>
template <class Views, class Use>
void Projector<Real>::over_bundles(const Layout& l, Across across, std::size_t first_line, Views& views, Use&& use) const {
  const std::size_t w = index_of(across);
  ConeLines<Real> task;
  task.lines = {first_line, std::min(first_line + l.slab(), l.lines[w]), l.line_stride[w], l.inner, nullptr, 0};
  Aligned room;
  if (geometry_.is_cone()) {
    room.resize(2 * fbp::cone_line<Real>(l.sums_used, l.slices));
    task.slices = l.slices, task.channels = l.channels, task.volume_stride = l.plane_stride[w];
    task.rows = l.sums_used, task.row_stride = l.sums_inner, task.sums_stride = l.sums_stride;
    task.room = room.data();
  }
  for (auto& view : views)
    for (const RayBundle& bundle : view.bundles) {
      if (bundle.across != across) continue;
      task.lines.crossings = bundle.crossings.data(), task.lines.rays = bundle.crossings.size();
      use(task, view.sums.data() + bundle.first_column * l.sums_inner);
    }
}

template <class Real>
Array<Real, 3> Projector<Real>::project(const LineVolume<Real>& volume, const View& view) const {
  check(volume);
  return std::move(project_together(volume, std::span(&view, 1)).front());
}

template <class Real>
std::vector<Array<Real, 3>> Projector<Real>::project(const LineVolume<Real>& volume, std::span<const View> views) const {
  check(volume);
  std::vector<Array<Real, 3>> out(views.size());
  parallel_chunks(views.size(), kViewsTogether, [&](std::size_t begin, std::size_t end) {
    std::ranges::move(project_together(volume, views.subspan(begin, end - begin)),
                      out.begin() + static_cast<std::ptrdiff_t>(begin));
  });
  return out;
}

// A slab is read from memory once for all views; the sums of a ray do not depend on the others.
template <class Real>
std::vector<Array<Real, 3>> Projector<Real>::project_together(const LineVolume<Real>& volume, std::span<const View> views) const {
  const Layout l = layout(volume.channels, volume.slices);
  std::vector<ViewRays> rays;
  for (const View& view : views) rays.push_back({planner_.bundles(view), Aligned(l.planes * l.sums_stride)});
  for (const Across across : kWays)
    for (std::size_t line = 0; line < l.lines[index_of(across)]; line += l.slab()) add(l, volume, across, line, rays);
  std::vector<Array<Real, 3>> out;
  for (const ViewRays& view : rays) out.push_back(pixels(l, view.bundles, view.sums));
  return out;
}

template <class Real>
void Projector<Real>::add(const Layout& l, const LineVolume<Real>& volume, Across across, std::size_t first_line,
                          std::vector<ViewRays>& views) const {
  const auto slices = choose<AddLines<Real>>(kernel_baseline::add_lines, kernel_avx2::add_lines, kernel_avx512::add_lines);
  const auto cone =
      choose<AddConeLines<Real>>(kernel_baseline::add_cone_lines, kernel_avx2::add_cone_lines, kernel_avx512::add_cone_lines);
  const std::size_t w = index_of(across);
  const Real* from = volume.across[w].data() + kRoom;
  over_bundles(l, across, first_line, views, [&](const ConeLines<Real>& task, Real* sums) {
    if (geometry_.is_cone()) return cone(task, from, sums);
    for (std::size_t p = 0; p < l.planes; ++p) slices(task.lines, from + p * l.plane_stride[w], sums + p * l.sums_stride);
  });
}

// use(place of a single ray's sum, weight [cm], pixel) for all single rays of all rows and channels.
template <class Real>
template <class Use>
void Projector<Real>::over_rays(const Layout& l, const std::vector<RayBundle>& bundles, Use&& use) const {
  const std::size_t columns = geometry_.columns, rows_each = geometry_.is_cone() ? rays_.rows : 1;
  const double share = 1. / static_cast<double>(rays_.columns * rows_each);
  for (const RayBundle& bundle : bundles)
    for (std::size_t k = 0; k < bundle.length.size(); ++k) {
      const std::size_t single = bundle.first_column + k, column = single / rays_.columns;
      for (std::size_t r = 0; r < l.rows * rows_each; ++r) {
        const Real weight = static_cast<Real>(bundle.length[k] * planner_.slant(single, r) * share);
        for (std::size_t c = 0; c < l.channels; ++c) {
          const std::size_t e = c * l.rows * rows_each + r;
          use(e / l.sums_used * l.sums_stride + single * l.sums_inner + e % l.sums_used, weight,
              (c * l.rows + r / rows_each) * columns + column);
        }
      }
    }
}

template <class Real>
Array<Real, 3> Projector<Real>::pixels(const Layout& l, const std::vector<RayBundle>& bundles, const Aligned& sums) const {
  Array<Real, 3> out({l.channels, l.rows, geometry_.columns});
  over_rays(l, bundles, [&](std::size_t sum, Real weight, std::size_t pixel) { out[pixel] += weight * sums[sum]; });
  return out;
}

template <class Real>
typename Projector<Real>::Aligned Projector<Real>::sums_bar(const Layout& l, const std::vector<RayBundle>& bundles,
                                                            const Array<Real, 3>& bar) const {
  const std::array<std::size_t, 3> expected{l.channels, l.rows, geometry_.columns};
  if (bar.shape() != expected)
    throw DataError("expected a view of " + fbp::shape_text(expected) + ", got " + fbp::shape_text(bar.shape()));
  Aligned sums(l.planes * l.sums_stride);
  over_rays(l, bundles, [&](std::size_t sum, Real weight, std::size_t pixel) { sums[sum] = weight * bar[pixel]; });
  return sums;
}

template <class Real>
void Projector<Real>::transpose(std::span<const Array<Real, 3>> views_bar, std::span<const View> views,
                                LineVolume<Real>& bar) const {
  check(bar);
  if (views_bar.size() != views.size())
    throw DataError("expected a cotangent for each of " + std::to_string(views.size()) + " views, got " +
                    std::to_string(views_bar.size()));
  const Layout l = layout(bar.channels, bar.slices);
  for (std::size_t first = 0; first < views.size(); first += kViewsTogether) {
    std::vector<ViewRays> rays(std::min(kViewsTogether, views.size() - first));
    parallel_chunks(rays.size(), 1, [&](std::size_t v, std::size_t) {
      rays[v].bundles = planner_.bundles(views[first + v]);
      rays[v].sums = sums_bar(l, rays[v].bundles, views_bar[first + v]);
    });
    const std::size_t slabs_x = (l.lines[0] + l.slab() - 1) / l.slab(), slabs_y = (l.lines[1] + l.slab() - 1) / l.slab();
    parallel_chunks(slabs_x + slabs_y, 1, [&](std::size_t slab, std::size_t) {
      const Across across = slab < slabs_x ? Across::x : Across::y;
      spread(l, rays, across, (slab < slabs_x ? slab : slab - slabs_x) * l.slab(), bar);
    });
  }
}

// Only this call writes these lines; the views come in order.
template <class Real>
void Projector<Real>::spread(const Layout& l, const std::vector<ViewRays>& views, Across across, std::size_t first_line,
                             LineVolume<Real>& bar) const {
  const auto slices =
      choose<SpreadLines<Real>>(kernel_baseline::spread_lines, kernel_avx2::spread_lines, kernel_avx512::spread_lines);
  const auto cone = choose<SpreadConeLines<Real>>(kernel_baseline::spread_cone_lines, kernel_avx2::spread_cone_lines,
                                                  kernel_avx512::spread_cone_lines);
  const std::size_t w = index_of(across);
  Real* const to = bar.across[w].data() + kRoom;
  over_bundles(l, across, first_line, views, [&](const ConeLines<Real>& task, const Real* sums) {
    if (geometry_.is_cone()) return cone(task, sums, to);
    for (std::size_t p = 0; p < l.planes; ++p) slices(task.lines, sums + p * l.sums_stride, to + p * l.plane_stride[w]);
  });
}

template class Projector<float>;
template class Projector<double>;

}  // namespace counterflow
