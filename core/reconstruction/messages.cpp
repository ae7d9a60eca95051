#include "core/reconstruction/messages.h"

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
  for (Real v : x.areal_density) sum += v - v;  // 0, or NaN
  if (!(sum == 0))
    throw DataError(at_view(x.view) + "expected finite path lengths, got NaN or infinity; the gadget before must give every ray" +
                    " a value");
}

template void check_path_lengths(const ScanGeometry&, std::size_t, const PathLengths<float>&);
template void check_path_lengths(const ScanGeometry&, std::size_t, const PathLengths<double>&);

}  // namespace counterflow::fbp
