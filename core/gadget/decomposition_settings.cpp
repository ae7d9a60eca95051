#include "core/gadget/decomposition_settings.h"

namespace counterflow {

void DecompositionSettings::describe_model(PropertyVisitor& v) {
  v("materials", materials, {.text = "Two or three basis materials: elements, compounds, mixtures, ready names."});
  v("energy_step", energy_step, {.unit = "keV", .text = "Width of the cells of the energy integral.", .min = 0.05, .max = 10});
}

void DecompositionSettings::describe_sums(PropertyVisitor& v) {
  v("sum_rows", sum_rows, {.unit = "1", .text = "Detector rows summed into one ray before it.", .min = 1});
  v("sum_columns", sum_columns, {.unit = "1", .text = "Detector columns summed into one ray before it.", .min = 1});
}

void DecompositionSettings::describe_results(PropertyVisitor& v, const std::string& what) {
  v("covariance", covariance, {.text = "Also gives the Cramer-Rao bound of each ray."});
  v("failed_value", failed_value,
    {.unit = "g/cm^2", .text = "Value of rays without " + what + ": one number, or one a material."});
  v("air_thresholds", air_thresholds,
    {.text = "Thresholds at the air scan: nominal, or shifted like those of the view.", .choices = {"nominal", "shifted"}});
}

std::shared_ptr<const Channels> DecompositionSettings::areal_densities() const {
  return std::make_shared<const Channels>(Channels{"areal_density", "g/cm^2", materials});
}

void DecompositionSettings::check(const ScanHeader& header) const {
  const auto refuse_setting = [&](const std::string& what) { throw ConfigError(gadget + ": " + what); };
  if (channels() < 2 || channels() > kMaterials)
    refuse_setting("expected two or three materials, got '" + joined(materials, " ") + "'");
  if (header.quantity != Quantity::counts) refuse_setting("expected counts, the scan holds line integrals");
  if (header.bins() < channels() || header.bins() > kBins)
    refuse_setting("expected " + std::to_string(channels()) + " to 8 bins for " + std::to_string(channels()) +
                   " materials, got " + std::to_string(header.bins()));
  if (failed_value.size() != 1 && failed_value.size() != channels())
    refuse_setting("expected one failed_value or one a material, got " + std::to_string(failed_value.size()));
  for (std::size_t c = 0; sum_columns > 1 && c < header.geometry.columns; ++c)
    if (header.module_of(c) != header.module_of(c / summing().columns * summing().columns))
      refuse_setting("sum_columns = " + std::to_string(sum_columns) +
                     " would sum columns of two detector modules; expected a divisor of " +
                     std::to_string(header.geometry.columns / header.modules) + " columns a module");
}

ScanHeader DecompositionSettings::output_header(const ScanHeader& header) const {
  ScanHeader out = header;
  out.geometry = rays(header.geometry);
  if (out.system.pixel_columns == 0) out.system.pixel_columns = header.geometry.column_pitch;
  if (out.system.pixel_rows == 0) out.system.pixel_rows = header.geometry.row_pitch;
  if (header.grid.nz == header.geometry.rows && sum_rows > 1) {  // one slice a row, before and after
    out.grid.nz = out.geometry.rows;
    out.grid.voxel_z = header.grid.voxel_z * static_cast<double>(sum_rows);
  }
  return out;
}

void DecompositionSettings::refuse(const View& view, const std::string& what) const {
  throw DataError(gadget + ": view " + std::to_string(view.index) + ": " + what);
}

namespace {

std::string text_of(const std::array<std::size_t, 3>& shape) {
  return "[" + std::to_string(shape[0]) + "," + std::to_string(shape[1]) + "," + std::to_string(shape[2]) + "]";
}
void require_shape(const DecompositionSettings& settings, const View& view, const std::string& what,
                   const std::array<std::size_t, 3>& got, const std::array<std::size_t, 3>& want) {
  if (got != want)
    settings.refuse(view, "expected " + what + " of shape " + text_of(want) + ", got " + text_of(got) +
                              "; the header and the data describe different detectors");
}

}  // namespace

template <class Real>
void DecompositionSettings::check(const ScanHeader& header, const Counts<Real>& x, bool has_thresholds) const {
  const std::array<std::size_t, 3> shape = {header.bins(), header.geometry.rows, header.geometry.columns};
  require_shape(*this, x.view, "counts [bin,row,column]", x.counts.shape(), shape);
  if (!x.open_beam) refuse(x.view, "it has no open beam; put AirCalibration before " + gadget);
  require_shape(*this, x.view, "open beam [bin,row,column]", x.open_beam->shape(), shape);
  if (!x.background.empty()) require_shape(*this, x.view, "background [bin,row,column]", x.background.shape(), shape);
  if (!(x.view.exposure > 0)) refuse(x.view, "expected an exposure above 0, got " + number_text(x.view.exposure));
  if (!x.threshold_shift.empty() && !has_thresholds)
    refuse(x.view, "it has threshold shifts, but the spectra come from a file and do not know their thresholds");
}

template <class Real>
void DecompositionSettings::check_shifts(const ScanHeader& header, const Counts<Real>& x, const char* layout) const {
  if (x.threshold_shift.empty()) return;
  const std::size_t rows = x.threshold_shift.extent(1) == 1 ? 1 : header.geometry.rows;
  require_shape(*this, x.view, std::string("threshold shift ") + layout, x.threshold_shift.shape(),
                {header.bins(), rows, header.modules});
  if (rows > 1 && sum_rows > 1)
    refuse(x.view, "each detector row has its own threshold shifts, so that rows cannot be summed exactly; set sum_rows to 1");
}

template <class Real>
std::vector<RayGroup> DecompositionSettings::groups(const ScanHeader& header, const Array<Real, 3>& shift) const {
  const std::size_t rows = header.geometry.rows / summing().rows, columns = header.geometry.columns / summing().columns;
  if (shift.empty()) return {{{0, rows, 0, columns}}};
  const auto module_of = [&](std::size_t ray) { return header.module_of(ray * summing().columns); };
  std::vector<RayGroup> groups;
  for (std::size_t r = 0; r < shift.extent(1); ++r)
    for (std::size_t c = 0; c < columns;) {
      RayGroup group{{r, shift.extent(1) > 1 ? 1 : rows, c, 0}, r, module_of(c)};
      while (c < columns && module_of(c) == group.module) ++c;
      group.range.columns = c - group.range.first_column;
      for (std::size_t k = 0; k < shift.extent(0); ++k) group.shift.push_back(static_cast<double>(shift(k, r, group.module)));
      groups.push_back(std::move(group));
    }
  return groups;
}

template void DecompositionSettings::check(const ScanHeader&, const Counts<float>&, bool) const;
template void DecompositionSettings::check(const ScanHeader&, const Counts<double>&, bool) const;
template void DecompositionSettings::check_shifts(const ScanHeader&, const Counts<float>&, const char*) const;
template void DecompositionSettings::check_shifts(const ScanHeader&, const Counts<double>&, const char*) const;
template std::vector<RayGroup> DecompositionSettings::groups(const ScanHeader&, const Array<float, 3>&) const;
template std::vector<RayGroup> DecompositionSettings::groups(const ScanHeader&, const Array<double, 3>&) const;

}  // namespace counterflow
