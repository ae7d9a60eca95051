#include "gadgets/loss/reference_stack.h"

#include <algorithm>
#include <cmath>

#include "core/text.h"

namespace counterflow::losses {
namespace {

constexpr double kSamePlace = 1e-3;  // [voxel]
constexpr double kEdge = 0.1;        // change over two voxels, of the largest density

std::string grid_text(const ImageGrid& g) {
  return std::to_string(g.nx) + " x " + std::to_string(g.ny) + " voxels of " + number_text(g.voxel_x) + " x " +
         number_text(g.voxel_y) + " mm about (" + number_text(g.centre_x) + ", " + number_text(g.centre_y) + ")";
}

// Voxels of [y,x] that are some of `from`, or stand no farther than `reach` [mm] from one.
std::vector<std::uint8_t> grown(const std::vector<std::uint8_t>& from, const ImageGrid& g, double reach) {
  std::vector<std::uint8_t> out = from;
  const auto rx = static_cast<std::size_t>(reach / g.voxel_x), ry = static_cast<std::size_t>(reach / g.voxel_y);
  for (std::size_t y = 0; y < g.ny; ++y)
    for (std::size_t x = 0; x < g.nx; ++x) {
      const std::size_t at = y * g.nx + x;
      const bool within = x > 0 && y > 0 && x + 1 < g.nx && y + 1 < g.ny && from[at - 1] && from[at + 1] && from[at - g.nx] &&
                          from[at + g.nx];  // others are nearer to whatever is not one of `from`
      if (!from[at] || within) continue;
      for (std::size_t j = y - std::min(y, ry); j <= std::min(g.ny - 1, y + ry); ++j)
        for (std::size_t i = x - std::min(x, rx); i <= std::min(g.nx - 1, x + rx); ++i) {
          const double dx = (static_cast<double>(i) - static_cast<double>(x)) * g.voxel_x;
          const double dy = (static_cast<double>(j) - static_cast<double>(y)) * g.voxel_y;
          if (dx * dx + dy * dy <= reach * reach) out[j * g.nx + i] = 1;
        }
    }
  return out;
}

bool on_edge(const std::vector<double>& density, const ImageGrid& g, std::size_t x, std::size_t y, double step) {
  const auto change = [&](std::size_t n, std::size_t i, std::size_t stride) {
    const std::size_t at = y * g.nx + x;
    return i > 0 && i + 1 < n ? std::abs(density[at + stride] - density[at - stride]) : 0;
  };
  return change(g.nx, x, 1) > step || change(g.ny, y, g.nx) > step;
}

}  // namespace

template <class Real>
ReferenceStack<Real>::ReferenceStack(const std::vector<Image<Real>>& images, const Image<Real>& x, std::string gadget)
    : gadget_(std::move(gadget)), channels_(*x.channels), grid_(x.grid) {
  for (const auto& image : images) add(image);
  for (const Slice& slice : slices_)
    for (std::size_t c = 0; c < channels(); ++c)
      if (!slice.has[c])
        refuse("expected a reference of " + joined(channels_.names, ", ") + ", got none of " + channels_.names[c] +
               " at z = " + number_text(slice.z) + " mm");
  if (slices_.empty())
    refuse("expected a reference of " + joined(channels_.names, ", ") + " (" + channels_.quantity + ", " + channels_.unit +
           "), got images of " + joined(images.at(0).channels->names, ", ") + "; give images of the same chain");
  std::ranges::sort(slices_, {}, &Slice::z);
}

template <class Real>
void ReferenceStack<Real>::refuse(const std::string& what) const {
  throw DataError(gadget_ + ": " + what);
}

template <class Real>
void ReferenceStack<Real>::check_grid(const ImageGrid& g) const {
  const auto far = [](double a, double b, double voxel) { return !(std::abs(a - b) <= kSamePlace * voxel); };
  const double n = static_cast<double>(std::max(grid_.nx, grid_.ny));
  if (g.nx != grid_.nx || g.ny != grid_.ny || far(n * g.voxel_x, n * grid_.voxel_x, grid_.voxel_x) ||
      far(n * g.voxel_y, n * grid_.voxel_y, grid_.voxel_y) || far(g.centre_x, grid_.centre_x, grid_.voxel_x) ||
      far(g.centre_y, grid_.centre_y, grid_.voxel_y))
    refuse("expected a reference of " + grid_text(grid_) + " mm like the images, got " + grid_text(g) +
           " mm; reconstruct both on the same grid");
}

template <class Real>
auto ReferenceStack<Real>::slice_at(double z) -> Slice& {
  for (Slice& slice : slices_)
    if (std::abs(slice.z - z) <= kSamePlace * grid_.voxel_z) return slice;
  slices_.push_back({z, std::vector<Real>(channels() * pixels()), {}, {}, std::vector<bool>(channels())});
  return slices_.back();
}

template <class Real>
void ReferenceStack<Real>::add(const Image<Real>& image) {
  for (std::size_t c = 0; c < channels(); ++c) {
    const auto& names = image.channels->names;
    const auto name = std::ranges::find(names, channels_.names[c]);
    if (name == names.end()) continue;
    check_grid(image.grid);
    for (std::size_t z = 0; z < image.value.extent(1); ++z) {
      Slice& slice = slice_at(image.grid.z(static_cast<double>(image.slice + z)));
      if (slice.has[c]) refuse("the reference shows " + channels_.names[c] + " twice at z = " + number_text(slice.z) + " mm");
      slice.has[c] = true;
      std::ranges::copy(image.value.block(static_cast<std::size_t>(name - names.begin()), z),
                        slice.value.begin() + static_cast<std::ptrdiff_t>(c * pixels()));
      if (c > 0 || names != channels_.names || image.covariance.empty()) continue;
      for (std::size_t k = 0; k < pair_count(channels()); ++k) {
        const auto pair = image.covariance.block(k, z);
        slice.covariance.insert(slice.covariance.end(), pair.begin(), pair.end());
      }
    }
  }
}

template <class Real>
auto ReferenceStack<Real>::at(const Image<Real>& x, std::size_t z) const -> const Slice& {
  check_grid(x.grid);
  if (*x.channels != channels_)
    refuse("expected images of " + joined(channels_.names, ", ") + " like the first, got " + joined(x.channels->names, ", "));
  if (slices_.size() == 1) return slices_.front();
  const double place = x.grid.z(static_cast<double>(x.slice + z));
  const auto nearest = std::ranges::min_element(slices_, {}, [&](const Slice& slice) { return std::abs(slice.z - place); });
  if (std::abs(nearest->z - place) > x.grid.voxel_z / 2)
    refuse("the reference has no slice at z = " + number_text(place) + " mm; its " + std::to_string(slices_.size()) +
           " slices end at " + number_text(slices_.front().z) + " and " + number_text(slices_.back().z) + " mm");
  return *nearest;
}

// About g/cm^3: the sum of materials, or what the first image in HU is relative to water.
template <class Real>
std::vector<double> ReferenceStack<Real>::density_of(const Slice& slice) const {
  std::vector<double> density(pixels());
  const bool hounsfield = channels_.quantity == "monoenergetic";
  for (std::size_t i = 0; i < pixels(); ++i)
    for (std::size_t c = 0; c < (hounsfield ? 1 : channels()); ++c) {
      const double v = static_cast<double>(slice.value[c * pixels() + i]);
      density[i] += hounsfield ? 1 + v / 1000 : v;
    }
  return density;
}

template <class Real>
void ReferenceStack<Real>::choose_voxels(const ComparedRegion& region) {
  const auto x = [&](std::size_t i) { return grid_.x(static_cast<double>(i % grid_.nx)); };
  const auto y = [&](std::size_t i) { return grid_.y(static_cast<double>(i / grid_.nx)); };
  const auto seen = [&](std::size_t i) { return std::hypot(x(i), y(i)) <= region.radius; };
  double largest = 0;
  for (const Slice& slice : slices_) {
    const auto density = density_of(slice);
    for (std::size_t i = 0; i < density.size(); ++i)
      if (seen(i)) largest = std::max(largest, density[i]);
  }
  std::size_t left = 0;
  for (Slice& slice : slices_) {
    const auto density = density_of(slice);
    std::vector<std::uint8_t> edge(pixels());
    slice.compared.assign(pixels(), 0);
    for (std::size_t i = 0; i < pixels(); ++i) {
      const bool outside = region.inside > 0 && !(density[i] > region.inside * largest);
      slice.compared[i] = seen(i) && !outside;
      edge[i] = outside || on_edge(density, grid_, i % grid_.nx, i / grid_.nx, kEdge * largest);
    }
    if (region.border > 0) edge = grown(edge, grid_, region.border);
    for (std::size_t i = 0; i < pixels(); ++i) {
      if (region.border > 0 && edge[i]) slice.compared[i] = 0;
      left += slice.compared[i];
    }
  }
  if (left == 0)
    refuse("no voxel of the reference lies within " + number_text(region.radius) +
           " mm of the isocenter, inside the object and " + number_text(region.border) +
           " mm from its edges; change radius, inside or border");
}

template <class Real>
std::vector<double> ReferenceStack<Real>::mean_covariance() const {
  std::vector<double> mean(pair_count(channels()));
  double voxels = 0;
  for (const Slice& slice : slices_) {
    if (slice.covariance.size() != mean.size() * pixels()) return {};
    for (std::size_t i = 0; i < pixels(); ++i) {
      if (!slice.compared[i]) continue;
      voxels += 1;
      for (std::size_t k = 0; k < mean.size(); ++k) mean[k] += static_cast<double>(slice.covariance[k * pixels() + i]);
    }
  }
  for (double& v : mean) v /= voxels;
  return mean;
}

template <class Real>
void ReferenceStack<Real>::forget_covariance() {
  for (Slice& slice : slices_) slice.covariance = {};
}

template class ReferenceStack<float>;
template class ReferenceStack<double>;

}  // namespace counterflow::losses
