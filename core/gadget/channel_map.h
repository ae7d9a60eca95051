// Maps of images whose channels are sums of another image's channels:
//   y_k = offset + sum_m weight(k,m) x_m   in every voxel,      covariance  W C W^T.
// A gadget of this kind is its formula: what the sums are, for the materials that an image names.
#pragma once
#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/gadget/forms.h"

namespace counterflow {

struct ChannelMix {
  Channels channels;        // of y
  Array<double, 2> weight;  // [channel of y, channel of x], unit of y per unit of x
  double offset = 0;        // unit of y

  // One channel in one voxel.
  double value(std::size_t k, std::span<const double> x) const {
    double sum = offset;
    for (std::size_t m = 0; m < weight.extent(1); ++m) sum += weight(k, m) * x[m];
    return sum;
  }
};

namespace detail {

template <class Real>
void add_multiple(std::span<Real> to, double factor, std::span<const Real> x) {
  const Real f = static_cast<Real>(factor);
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += f * x[i];
}

// Rows k and l of W C W^T, with C as [pair,z,y,x].
template <class Real>
void add_covariance(const ChannelMix& mix, std::size_t k, std::size_t l, const Array<Real, 4>& c, std::span<Real> to) {
  const std::size_t n = mix.weight.extent(1);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = i; j < n; ++j) {
      double factor = mix.weight(k, i) * mix.weight(l, j);
      if (i != j) factor += mix.weight(k, j) * mix.weight(l, i);
      if (factor != 0) add_multiple<Real>(to, factor, c.block(pair_index(i, j, n)));
    }
}

}  // namespace detail

// An image of other channels at the same place, [channel,z,y,x] all `start`.
template <class Real>
Image<Real> image_like(const Image<Real>& x, Channels channels, double start) {
  Image<Real> y{x.view, {}, {}, x.grid, x.slice, nullptr};
  auto shape = x.value.shape();
  shape[0] = channels.names.size();
  y.value = Array<Real, 4>(shape, static_cast<Real>(start));
  if (!x.covariance.empty()) {
    shape[0] = pair_count(shape[0]);
    y.covariance = Array<Real, 4>(shape);
  }
  y.channels = std::make_shared<const Channels>(std::move(channels));
  return y;
}

template <class Real>
Image<Real> mixed(const ChannelMix& mix, const Image<Real>& x) {
  Image<Real> y = image_like(x, mix.channels, mix.offset);
  const std::size_t n = y.value.extent(0);
  for (std::size_t k = 0; k < n; ++k)
    for (std::size_t m = 0; m < x.value.extent(0); ++m)
      detail::add_multiple<Real>(y.value.block(k), mix.weight(k, m), x.value.block(m));
  for (std::size_t k = 0; k < n && !x.covariance.empty(); ++k)
    for (std::size_t l = k; l < n; ++l)
      detail::add_covariance<Real>(mix, k, l, x.covariance, y.covariance.block(pair_index(k, l, n)));
  return y;
}

// The transpose of the sums.
template <class Real>
Image<Real> unmixed(const ChannelMix& mix, const Image<Real>& x, const Image<Real>& y_bar) {
  Image<Real> x_bar = zero_like(x);
  for (std::size_t m = 0; m < x.value.extent(0); ++m)
    for (std::size_t k = 0; k < y_bar.value.extent(0); ++k)
      detail::add_multiple<Real>(x_bar.value.block(m), mix.weight(k, m), y_bar.value.block(k));
  return x_bar;
}

// The names of the materials that an image shows the densities of; throws DataError for other images.
template <class Real>
const std::vector<std::string>& materials_of(const Image<Real>& x, const std::string& gadget) {
  if (!x.channels || x.channels->quantity != "density")
    throw DataError(gadget + ": expected images of densities (g/cm^3), got " +
                    (x.channels ? x.channels->quantity + " (" + x.channels->unit + ")" : std::string("an unnamed quantity")) +
                    "; it belongs after the reconstruction of decomposed materials");
  const std::size_t named = x.channels->names.size(), n = x.value.extent(0);
  if (named != n)
    throw DataError(gadget + ": expected " + std::to_string(named) + " channels as named, got " + std::to_string(n));
  if (!x.covariance.empty() && x.covariance.extent(0) != pair_count(n))
    throw DataError(gadget + ": expected the covariance of " + std::to_string(pair_count(n)) + " pairs of channels, got " +
                    std::to_string(x.covariance.extent(0)));
  return x.channels->names;
}

// Place of a material among an image's; throws DataError where the image does not show it.
inline std::size_t channel_of(const std::string& material, const std::vector<std::string>& materials, const std::string& gadget) {
  const auto found = std::find(materials.begin(), materials.end(), material);
  if (found == materials.end())
    throw DataError(gadget + ": expected images with " + material + ", got " + joined(materials, ", ") +
                    "; decompose into it, or name another material");
  return static_cast<std::size_t>(found - materials.begin());
}

// Bytes of images of n channels on the header's grid, with their covariance.
template <class Real>
Footprint image_footprint(const ScanHeader& header, std::size_t n) {
  const ImageGrid& g = header.grid;
  return {.message = Array<Real, 4>::size_of({n + pair_count(n), g.nz, g.ny, g.nx}) * sizeof(Real)};
}

// The gadget. A Formula has kName, kManual, describe(v), check() (throws ConfigError), results() (channels of y) and
// mix(materials) (throws DataError for materials that it cannot do with).
template <class Real, class Formula>
class ChannelMap {
 public:
  using In = Image<Real>;
  using Out = Image<Real>;
  using Params = None;
  using State = None;
  static constexpr const char* kManual = Formula::kManual;

  void describe(PropertyVisitor& v) { formula_.describe(v); }
  Params initial(const ScanHeader&) const { return {}; }
  State begin(const Params&, const ScanHeader&) const {
    formula_.check();
    return {};
  }
  Footprint footprint(const ScanHeader& header) const { return image_footprint<Real>(header, formula_.results()); }
  // The sums are looked up for each image: a microsecond a material, and the header does not know the materials.
  Out forward(const Params&, const State&, const In& x) const { return mixed(formula_.mix(materials_of(x, Formula::kName)), x); }
  In adjoint(const Params&, const State&, const In& x, const Out&, const Out& y_bar, Params&) const {
    return unmixed(formula_.mix(materials_of(x, Formula::kName)), x, y_bar);
  }

 private:
  Formula formula_;
};

}  // namespace counterflow
