#include "core/archive/image_slices.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/archive/image_meta.h"
#include "core/error.h"

namespace counterflow {
namespace {

// Part of an image that goes into one series.
struct Piece {
  int series = 0;
  Channels channels;
  const Array<float, 4>* value = nullptr;
  std::size_t first = 0;  // channel of `value` that comes first
};

// One series a channel for images at an energy, one for all channels of others; the same of their noise.
std::vector<Piece> pieces_of(const Image<float>& image, const Array<float, 4>& noise) {
  std::vector<Piece> pieces;
  const Channels& channels = *image.channels;
  const int base = series_of(channels.quantity);
  const auto add = [&](int series, const Channels& of, std::size_t first) {
    pieces.push_back({series, of, &image.value, first});
    if (!noise.empty()) pieces.push_back({noise_series(series), {"noise", of.unit, of.names}, &noise, first});
  };
  if (base < kMonoenergeticSeries) {
    add(base, channels, 0);
    return pieces;
  }
  for (std::size_t c = 0; c < channels.names.size(); ++c) {
    const auto kev = kev_of(channels.names[c]);
    if (!kev) throw ArchiveError("a monoenergetic image must be named like '70 keV', got '" + channels.names[c] + "'");
    add(base + static_cast<int>(std::lround(*kev)), {channels.quantity, channels.unit, {channels.names[c]}}, c);
  }
  return pieces;
}

void check_shape(const Image<float>& image, const std::string& where) {
  if (!image.channels) throw ArchiveError(where + ": an image does not say what its channels are");
  const auto& s = image.value.shape();
  const ImageGrid& g = image.grid;
  const bool fits =
      s[0] == image.channels->names.size() && s[2] == g.ny && s[3] == g.nx && s[1] > 0 && image.slice + s[1] <= g.nz;
  if (!fits ||
      (!image.covariance.empty() && image.covariance.shape() != Array<float, 4>::Shape{pair_count(s[0]), s[1], s[2], s[3]}))
    throw ArchiveError(where + ": an image's shape is not [channels, slices, ny, nx] of its grid");
  constexpr std::size_t kLargest = 65535;  // ISMRMRD keeps them in 16 bits, and counts pixels in 32
  if (s[0] > kLargest || g.nx > kLargest || g.ny > kLargest || g.nz > kLargest + 1 || s[0] * g.nx * g.ny > std::size_t{1} << 28)
    throw ArchiveError(where + ": ISMRMRD cannot hold slices of " + std::to_string(s[0]) + " x " + std::to_string(g.ny) + " x " +
                       std::to_string(g.nx) + " values");
}

std::shared_ptr<const ISMRMRD::Image<float>> slice_of(const Piece& piece, const ImageGrid& g, const std::string& meta,
                                                      std::size_t in_piece, std::size_t slice) {
  const auto small = [](std::size_t n) { return static_cast<std::uint16_t>(n); };
  const auto length = [](std::size_t n, double step) { return static_cast<float>(static_cast<double>(n) * step); };
  const auto made = std::make_shared<ISMRMRD::Image<float>>(small(g.nx), small(g.ny), 1, small(piece.channels.names.size()));
  ISMRMRD::Image<float>& out = *made;
  out.setFieldOfView(length(g.nx, g.voxel_x), length(g.ny, g.voxel_y), static_cast<float>(g.voxel_z));
  out.setPosition(static_cast<float>(g.centre_x), static_cast<float>(g.centre_y),
                  static_cast<float>(g.z(static_cast<double>(slice))));
  out.setReadDirection(1, 0, 0);
  out.setPhaseDirection(0, 1, 0);
  out.setSliceDirection(0, 0, 1);
  out.setSlice(small(slice));
  out.setImageType(ISMRMRD::ISMRMRD_IMTYPE_REAL);
  out.setImageIndex(small(slice));
  out.setImageSeriesIndex(static_cast<std::uint16_t>(piece.series));
  out.setAttributeString(meta);
  for (std::size_t c = 0; c < piece.channels.names.size(); ++c) {
    const auto from = piece.value->block(piece.first + c, in_piece);
    std::copy(from.begin(), from.end(), out.getDataPtr() + c * from.size());
  }
  return made;
}

}  // namespace

void for_each_slice(const Image<float>& image, const ImageOrigin& origin, const std::string& where,
                    const std::function<void(const ImageSlice&)>& take, Previews previews) {
  const bool preview = image.view.preview;
  if (preview && previews == Previews::skipped) return;
  check_shape(image, where);
  const Array<float, 4> noise = preview ? Array<float, 4>() : noise_of(image);
  for (Piece& piece : pieces_of(image, noise)) {
    if (preview) piece.series = kPreviewSeries;
    MetaValues values = image_meta(piece.channels, image.grid, origin);
    if (preview) values["last_view"] = {std::to_string(image.view.index)};
    const std::string meta = meta_to_xml(values);
    for (std::size_t z = 0; z < piece.value->extent(1); ++z)
      take({piece.series, image.slice + z, piece.channels, slice_of(piece, image.grid, meta, z, image.slice + z)});
  }
}

}  // namespace counterflow
