#include "pipelines/counterflow/import_settings.h"

#include <numbers>

#include "core/error.h"
#include "core/text.h"

namespace counterflow {
namespace {

constexpr double kMost = 65535;

template <class Declare>
void read_attributes(const XmlElement& element, Declare&& declare) {
  element.allow_children({});
  PropertyReader reader(element.settings(), "<" + element.name + ">");
  declare(static_cast<PropertyVisitor&>(reader));
  reader.finish();
}

std::size_t count(std::int64_t n) { return static_cast<std::size_t>(n); }

void read_geometry(const XmlElement& element, ImportSettings& s) {
  ScanGeometry& g = s.header.geometry;
  std::string beam = "fan-arc";
  std::int64_t columns = 0, rows = 0, views = 0, per_rotation = 0;
  read_attributes(element, [&](PropertyVisitor& v) {
    v("beam", beam, {.text = "shape", .choices = {"fan-arc", "fan-flat", "parallel", "cone-arc", "cone-flat"}});
    v("columns", columns, {.text = "only to be checked against the arrays", .min = 1, .max = kMost});
    v("rows", rows, {.text = "only to be checked against the arrays", .min = 1, .max = kMost});
    v("views", views, {.text = "only to be checked against the arrays", .min = 1, .max = 1e9});
    v("views_per_rotation", per_rotation, {.text = "of a full turn; default: all views are one turn", .min = 1, .max = kMost});
    v("source_to_isocenter", g.source_to_isocenter, {.unit = "mm", .text = "not for parallel beams", .min = 0});
    v("source_to_detector", g.source_to_detector, {.unit = "mm", .text = "not for parallel beams", .min = 0});
    v("column_pitch", g.column_pitch, {.unit = "mm", .text = "at the detector, along the arc for an arc", .min = 0});
    v("row_pitch", g.row_pitch, {.unit = "mm", .text = "at the detector; default: column_pitch", .min = 0});
    v("column_offset", g.column_offset, {.unit = "element", .text = "central ray at (columns-1)/2 + offset"});
    v("row_offset", g.row_offset, {.unit = "element", .text = "central ray at (rows-1)/2 + offset"});
    v("first_angle", g.first_angle, {.unit = "rad", .text = "of the source in the first view, from +x to +y"});
    v("clockwise", s.clockwise, {.text = "whether the source turns clockwise seen from +z"});
  });
  g.beam = beam_of(beam);
  g.columns = count(columns);
  g.rows = count(rows);
  g.views = count(views);
  g.views_per_rotation = count(per_rotation);
  if (g.row_pitch == 0) g.row_pitch = g.column_pitch;
  s.where = element.where;
}

void read_arrays(const XmlElement& element, ImportSettings& s) {
  std::string quantity = "line_integrals";
  ArrayLayout& a = s.layout;
  read_attributes(element, [&](PropertyVisitor& v) {
    v("quantity", quantity, {.text = "what the values are", .choices = {"line_integrals", "counts"}});
    v("axes", a.axes, {.text = "view, row, column, bin: slowest index first"});
    v("scale", a.scale, {.text = "factor of all values", .min = 1e-12, .max = 1e12});
    v("flip_columns", a.flip_columns, {.text = "whether columns count the other way round"});
  });
  s.header.quantity = quantity == "counts" ? Quantity::counts : Quantity::line_integrals;
}

void read_tube(const XmlElement& element, SpectralSystem& system) {
  read_attributes(element, [&](PropertyVisitor& v) {
    v("voltage", system.tube_voltage, {.unit = "kV", .text = "of the tube", .min = 10, .max = 300});
    v("filters", system.filters, {.text = "material and thickness in mm: Al 3.0; Ti 0.9"});
    v("spectrum", system.spectrum, {.text = "a file of keV and photons instead of the tube model"});
  });
}

void read_detector(const XmlElement& element, ImportSettings& s) {
  SpectralSystem& system = s.header.system;
  std::int64_t modules = 1;
  double upper_end = 0;
  read_attributes(element, [&](PropertyVisitor& v) {
    v("sensor", system.detector, {.text = "material and thickness in mm, or the name of a response file"});
    v("thresholds", system.thresholds, {.unit = "keV", .text = "lower edge of each bin", .min = 0, .max = 300});
    v("upper_end", upper_end, {.unit = "keV", .text = "of the last bin; 0: open", .min = 0, .max = 300});
    v("bin_spectra", system.bin_spectra, {.text = "a file of effective spectra instead of tube, sensor and thresholds"});
    v("modules", modules, {.text = "along the columns", .min = 1, .max = kMost});
  });
  if (upper_end > 0) system.thresholds.push_back(upper_end);
  s.header.modules = count(modules);
}

void read_open_beam(const XmlElement& element, SpectralSystem& system) {
  double counts = 0;
  read_attributes(element, [&](PropertyVisitor& v) {
    v("counts", counts, {.unit = "count", .text = "of a pixel without object, summed over bins", .min = 1e-6, .max = 1e12});
  });
  if (counts == 0) throw ConfigError(element.where + ": <open_beam> needs counts=\"...\"");
  system.open_beam_counts = counts;
}

BinSpectrum read_bin(const XmlElement& element) {
  BinSpectrum b;
  b.where = element.where;
  read_attributes(element, [&](PropertyVisitor& v) {
    v("voltage", b.voltage, {.unit = "kV", .text = "of the tube", .min = 10, .max = 300});
    v("filters", b.filters, {.text = "beyond the tube's own: Al 1.0"});
    v("inherent", b.inherent, {.text = "the tube's own filters instead of the model's 4.5 mm Al: Be 0.5"});
    v("detector", b.detector, {.text = "integrating or counting, material, mm: integrating CsI 0.6"});
  });
  return b;
}

void read_image(const XmlElement& element, ImportSettings& s) {
  std::int64_t nx = 512, ny = 0;
  read_attributes(element, [&](PropertyVisitor& v) {
    v("nx", nx, {.text = "voxels along x", .min = 1, .max = kMost});
    v("ny", ny, {.text = "voxels along y; default: nx", .min = 1, .max = kMost});
    v("voxel", s.voxel, {.unit = "mm", .text = "size; default: the field of view over nx", .min = 1e-6, .max = 1e4});
  });
  s.header.grid.nx = count(nx);
  s.header.grid.ny = count(ny > 0 ? ny : nx);
}

// What the XML says a size is, or that of the arrays.
void settle(std::size_t& said, std::size_t came, const char* what, const std::string& where) {
  if (said != 0 && said != came)
    throw ConfigError(where + ": expected " + std::to_string(said) + " " + what + ", got " + std::to_string(came) +
                      " in the arrays; is the order of the axes right?");
  said = came;
}

void check_bins(const ImportSettings& s, std::size_t bins) {
  const std::size_t thresholds = s.header.system.thresholds.size();
  if (thresholds != 0 && thresholds != bins && thresholds != bins + 1)
    throw ConfigError(s.where + ": expected a threshold for each of the " + std::to_string(bins) + " arrays, got " +
                      std::to_string(thresholds));
  if (!s.bins.empty() && s.bins.size() != bins)
    throw ConfigError(s.bins.front().where + ": expected a <bin> for each of the " + std::to_string(bins) + " arrays, got " +
                      std::to_string(s.bins.size()));
}

}  // namespace

ImportSettings read_import_settings(const std::filesystem::path& file) {
  const XmlElement root = read_xml(file);
  if (root.name != "import") throw ConfigError(root.where + ": expected <import>, got <" + root.name + ">");
  root.allow_children({"geometry", "arrays", "tube", "detector", "open_beam", "bin", "image"});
  ImportSettings s;
  s.header.quantity = Quantity::line_integrals;
  s.header.grid.nx = s.header.grid.ny = 512;
  if (root.child("geometry") == nullptr) throw ConfigError(root.where + ": expected an element <geometry>, got none");
  for (const XmlElement& e : root.children) {
    if (e.name != "bin" && root.child(e.name) != &e) throw ConfigError(e.where + ": <" + e.name + "> stands twice");
    if (e.name == "geometry") read_geometry(e, s);
    if (e.name == "arrays") read_arrays(e, s);
    if (e.name == "tube") read_tube(e, s.header.system);
    if (e.name == "detector") read_detector(e, s);
    if (e.name == "open_beam") read_open_beam(e, s.header.system);
    if (e.name == "bin") s.bins.push_back(read_bin(e));
    if (e.name == "image") read_image(e, s);
  }
  if (!s.bins.empty() && !s.header.system.bin_spectra.empty())
    throw ConfigError(s.bins.front().where + ": <bin> and bin_spectra exclude each other");
  return s;
}

ScanHeader complete_header(const ImportSettings& s, const ArraySizes& sizes) {
  ScanHeader h = s.header;
  ScanGeometry& g = h.geometry;
  settle(g.columns, sizes.columns, "columns", s.where);
  settle(g.rows, sizes.rows, "rows", s.where);
  settle(g.views, sizes.views, "views", s.where);
  if (g.views_per_rotation == 0) g.views_per_rotation = g.views;
  g.angle_step = (s.clockwise ? -2 : 2) * std::numbers::pi / static_cast<double>(g.views_per_rotation);
  try {
    g.check();
  } catch (const ConfigError& error) {
    throw ConfigError(s.where + ": " + error.what());
  }
  check_bins(s, sizes.bins);
  h.system.bins = sizes.bins;
  h.grid.nz = g.rows;
  h.grid.voxel_x = h.grid.voxel_y = s.voxel > 0 ? s.voxel : 2 * g.field_radius() / static_cast<double>(h.grid.nx);
  h.grid.voxel_z = g.slice_spacing();
  return h;
}

}  // namespace counterflow
