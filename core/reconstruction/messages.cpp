#include "core/reconstruction/messages.h"

#include <algorithm>

namespace counterflow::fbp {

std::string at_view(const View& view) { return "view " + std::to_string(view.index) + ": "; }

std::shared_ptr<const Channels> image_channels(const View& view, const std::shared_ptr<const Channels>& of_rows) {
  if (!of_rows) throw DataError(at_view(view) + "path lengths must say what their channels are (PathLengths::channels)");
  if (of_rows->quantity == "line_integral") return std::make_shared<Channels>(Channels{"attenuation", "1/cm", of_rows->names});
  return std::make_shared<Channels>(Channels{"density", "g/cm^3", of_rows->names});
}

template <class Real>
void check_path_lengths(const ScanGeometry& geometry, std::size_t channels, const PathLengths<Real>& x) {
  const std::array<std::size_t, 3> expected{channels, geometry.rows, geometry.columns};
  if (x.areal_density.shape() != expected || channels == 0)
    throw DataError(at_view(x.view) + "expected path lengths [channel,row,column] = " + shape_text(expected) + ", got " +
                    shape_text(x.areal_density.shape()));
  Real sum = 0;
  const Real* values = x.areal_density.data();
#pragma omp simd reduction(+ : sum)
  for (std::size_t i = 0; i < x.areal_density.size(); ++i) sum += values[i] - values[i];  // 0, or NaN
  if (!(sum == 0))
    throw DataError(at_view(x.view) + "expected finite path lengths, got NaN or infinity; the gadget before must give every ray" +
                    " a value");
}

template <class Real>
void check_covariance(const PathLengths<Real>& x) {
  const auto& shape = x.areal_density.shape();
  const std::array<std::size_t, 3> expected{pair_count(shape[0]), shape[1], shape[2]};
  if (x.covariance.shape() != expected)
    throw DataError(at_view(x.view) + "noise=\"true\" expected a covariance [pair,row,column] = " + shape_text(expected) +
                    ", got " + (x.covariance.empty() ? "none" : shape_text(x.covariance.shape())) +
                    "; set covariance=\"true\" on the decomposition");
}

void check_views(const ScanGeometry& geometry, std::size_t seen) {
  if (seen != geometry.views)
    throw DataError("expected " + std::to_string(geometry.views) + " views, got " + std::to_string(seen) +
                    "; the scan ended early or the header's number of views is wrong");
}

template <class Real>
void check_cotangent(const Image<Real>& bar, std::size_t channels, const ImageGrid& grid) {
  const auto& shape = bar.value.shape();
  if (shape[0] != channels || shape[2] != grid.ny || shape[3] != grid.nx || bar.slice + shape[1] > grid.nz)
    throw DataError("a cotangent of shape " + shape_text(shape) + " for slice " + std::to_string(bar.slice) +
                    " is not that of an image it gave");
}

template <class Real>
void clip_variances(Array<Real, 4>& covariance, std::size_t channels) {
  for (std::size_t c = 0; !covariance.empty() && c < channels; ++c)
    for (Real& v : covariance.block(pair_index(c, c, channels))) v = std::max(v, Real(0));
}

template <class Real>
Array<Real, 4> stacked(const std::vector<Array<Real, 4>>& slices) {
  if (slices.empty()) return {};
  const auto& one = slices.front();
  Array<Real, 4> stack({one.extent(0), slices.size(), one.extent(2), one.extent(3)});
  for (std::size_t c = 0; c < one.extent(0); ++c)
    for (std::size_t z = 0; z < slices.size(); ++z) std::ranges::copy(slices[z].block(c), stack.block(c, z).begin());
  return stack;
}

template void check_path_lengths(const ScanGeometry&, std::size_t, const PathLengths<float>&);
template void check_covariance(const PathLengths<float>&);
template void check_cotangent(const Image<float>&, std::size_t, const ImageGrid&);
template void clip_variances(Array<float, 4>&, std::size_t);
template Array<float, 4> stacked(const std::vector<Array<float, 4>>&);
template void check_path_lengths(const ScanGeometry&, std::size_t, const PathLengths<double>&);
template void check_covariance(const PathLengths<double>&);
template void check_cotangent(const Image<double>&, std::size_t, const ImageGrid&);
template void clip_variances(Array<double, 4>&, std::size_t);
template Array<double, 4> stacked(const std::vector<Array<double, 4>>&);

}  // namespace counterflow::fbp
