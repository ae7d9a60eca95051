// A reconstruction that adds views to a volume: what its gadget keeps of a scan and does with each message, whatever the
// geometry. `Operator<Real>` is the linear operator of a scan on volumes of its own layout, which say their `channels`:
//   const ScanGeometry& geometry() const;  const ImageGrid& grid() const;
//   Volume zero_volume(channels) const;
//   void backproject(const Batch<Real>&, Volume& image, Volume* covariance) const;    image += ..., covariance likewise or null
//   Array<Real, 3> transpose(double angle, const Volume& image_bar) const;            of one view, [channel,row,column]
//   std::vector<Array<Real, 4>> slices(const Volume&, first, n) const;                 each [channel,1,y,x]
//   void set_slices(const Array<Real, 4>&, first, Volume&) const;                      some of them, [channel,z,y,x]
#pragma once
#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/gadget/forms.h"
#include "core/message/message.h"
#include "core/reconstruction/messages.h"
#include "core/reconstruction/ramp_filter.h"

namespace counterflow::fbp {

// Views that wait to be backprojected together, as they came.
template <class Real>
struct Batch {
  static constexpr std::size_t kViews = 32;
  static constexpr std::size_t kLastViews = 8;  // of a scan: a short batch, so that images follow the last view soon
  std::vector<double> angles;
  Array<Real, 3> rows;        // [view][channel, row][column]
  Array<Real, 3> covariance;  // [view][pair, row][column]; empty unless noise is asked for
};

inline constexpr std::size_t kSlicesTogether = 16;  // taken out of the volume at a time: a cache line of floats

// State of a scan.
template <class Real, template <class> class Operator>
struct Accumulator {
  using Volume = decltype(std::declval<const Operator<Real>&>().zero_volume(1));
  std::shared_ptr<const Operator<Real>> reconstruction;
  Volume image;
  std::optional<Volume> covariance;  // [pair]; where noise is asked for
  Batch<Real> batch;
  std::shared_ptr<const Channels> channels;  // of the images
  View last;
  std::size_t views = 0;  // seen

  void add(const PathLengths<Real>& x);
  // Emits every slice, one image each. Throws DataError where the scan ended early.
  void end(const std::function<void(Image<Real>)>& emit);
  // The whole volume from the views so far, scaled to the whole scan.
  Image<Real> preview() const;

 private:
  void open(const PathLengths<Real>& x);
  void flush();
};

// Makes room at the first view, whose channels rule.
template <class Real, template <class> class Operator>
void Accumulator<Real, Operator>::open(const PathLengths<Real>& x) {
  const std::size_t n = x.areal_density.extent(0);
  const ScanGeometry& g = reconstruction->geometry();
  const auto rows_of = [&](std::size_t maps) { return Array<Real, 3>({Batch<Real>::kViews, maps * g.rows, g.columns}); };
  channels = image_channels(x.view, x.channels);
  image = reconstruction->zero_volume(n);
  batch.rows = rows_of(n);
  if (!covariance) return;
  covariance = reconstruction->zero_volume(pair_count(n));
  batch.covariance = rows_of(pair_count(n));
}

template <class Real, template <class> class Operator>
void Accumulator<Real, Operator>::flush() {
  reconstruction->backproject(batch, image, covariance ? &*covariance : nullptr);
  batch.angles.clear();
}

template <class Real, template <class> class Operator>
void Accumulator<Real, Operator>::add(const PathLengths<Real>& x) {
  check_path_lengths(reconstruction->geometry(), views == 0 ? x.areal_density.extent(0) : image.channels, x);
  if (covariance) check_covariance(x);
  if (views == 0) open(x);
  const std::size_t at = batch.angles.size();
  std::copy(x.areal_density.begin(), x.areal_density.end(), batch.rows.block(at).begin());
  if (covariance) std::copy(x.covariance.begin(), x.covariance.end(), batch.covariance.block(at).begin());
  batch.angles.push_back(x.view.angle);
  last = x.view;
  ++views;
  const bool last_begin = views + Batch<Real>::kLastViews == reconstruction->geometry().views;
  if (batch.angles.size() == Batch<Real>::kViews || last_begin) flush();
}

template <class Real, template <class> class Operator>
void Accumulator<Real, Operator>::end(const std::function<void(Image<Real>)>& emit) {
  check_views(reconstruction->geometry(), views);
  flush();
  const ImageGrid& grid = reconstruction->grid();
  for (std::size_t first = 0; first < grid.nz; first += kSlicesTogether) {
    const std::size_t n = std::min(kSlicesTogether, grid.nz - first);
    auto values = reconstruction->slices(image, first, n);
    auto covariances = covariance ? reconstruction->slices(*covariance, first, n) : std::vector<Array<Real, 4>>(n);
    for (std::size_t k = 0; k < n; ++k) {
      clip_variances(covariances[k], image.channels);
      emit({last, std::move(values[k]), std::move(covariances[k]), grid, first + k, channels});
    }
  }
}

template <class Real, template <class> class Operator>
Image<Real> Accumulator<Real, Operator>::preview() const {
  Image<Real> picture;
  picture.view = last;
  picture.view.preview = true;
  picture.grid = reconstruction->grid();
  picture.channels = channels;
  if (views == 0) return picture;
  Volume so_far = image;
  reconstruction->backproject(batch, so_far, nullptr);
  picture.value = stacked(reconstruction->slices(so_far, 0, picture.grid.nz));
  const auto all = static_cast<double>(reconstruction->geometry().views);
  const Real scale = static_cast<Real>(all / static_cast<double>(views));
  for (Real& v : picture.value) v *= scale;
  return picture;
}

// Cotangents of images as a volume; without channels where no image had one.
template <class Real, template <class> class Operator>
auto cotangent_of(const Operator<Real>& reconstruction, const std::vector<Sent<Image<Real>>>& y_bars) {
  auto z = reconstruction.zero_volume(0);
  for (const auto& bar : y_bars) {
    if (!bar || bar->value.empty()) continue;
    if (z.channels == 0) z = reconstruction.zero_volume(bar->value.extent(0));
    check_cotangent(*bar, z.channels, reconstruction.grid());
    reconstruction.set_slices(bar->value, bar->slice, z);
  }
  return z;
}

// And the cotangent of the view x from that.
template <class Real, template <class> class Operator, class Volume>
PathLengths<Real> view_cotangent(const Operator<Real>& reconstruction, const PathLengths<Real>& x, const Volume& z) {
  PathLengths<Real> bar;
  bar.view = x.view;
  bar.channels = x.channels;
  if (z.channels == 0) {
    bar.areal_density = Array<Real, 3>(x.areal_density.shape());
    return bar;
  }
  check_path_lengths(reconstruction.geometry(), z.channels, x);
  bar.areal_density = reconstruction.transpose(x.view.angle, z);
  return bar;
}

// What all gadgets on it share: they add how a scan begins, their properties and their manual.
template <class Real, template <class> class Operator>
class AccumulatingFold {
 public:
  using In = PathLengths<Real>;
  using Out = Image<Real>;
  using Params = None;
  using State = Accumulator<Real, Operator>;
  using Cotangent = typename State::Volume;

  Params initial(const ScanHeader&) const { return {}; }
  void add(const Params&, State& state, const In& x) const { state.add(x); }
  void end(const Params&, State& state, const std::function<void(Out)>& emit) const { state.end(emit); }
  Out preview(const State& state) const { return state.preview(); }
  Cotangent adjoint_begin(const Params&, const State& state, const std::vector<Sent<Out>>& y_bars) const {
    return cotangent_of(*state.reconstruction, y_bars);
  }
  In adjoint(const Params&, const State& state, const In& x, const Cotangent& z, Params&) const {
    return view_cotangent(*state.reconstruction, x, z);
  }

 protected:
  static State started(const ScanGeometry& geometry, const ImageGrid& grid, const FilterSettings& filter) {
    State state;
    state.reconstruction = std::make_shared<const Operator<Real>>(geometry, grid, filter);
    if (filter.variance) state.covariance.emplace();
    return state;
  }
};

}  // namespace counterflow::fbp
