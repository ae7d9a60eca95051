#include "core/archive/scan_header_xml.h"

#include <algorithm>

#include "core/archive/header_parameters.h"
#include "core/array.h"
#include "core/error.h"
#include "core/text.h"
#include "core/xml/document.h"

namespace counterflow {
namespace {

constexpr const char* kSchema = "counterflow/1";
constexpr std::size_t kLargestShort = 65535;  // ISMRMRD keeps matrix sizes, samples and channels in 16 bits

// ---- writing ----

std::string tag(const std::string& name, const std::string& content) { return "<" + name + ">" + content + "</" + name + ">"; }
std::string xyz(const std::string& name, const std::string& x, const std::string& y, const std::string& z) {
  return tag(name, tag("x", x) + tag("y", y) + tag("z", z));
}
std::string count_text(std::size_t n) { return std::to_string(n); }

std::string space(const std::string& name, const std::size_t (&n)[3], const double (&length)[3]) {
  return tag(name, xyz("matrixSize", count_text(n[0]), count_text(n[1]), count_text(n[2])) +
                       xyz("fieldOfView_mm", number_text(length[0]), number_text(length[1]), number_text(length[2])));
}

// userParameters in the order that the schema wants: longs, doubles, strings.
struct Parameters {
  std::string longs, doubles, strings;
  static std::string entry(const char* kind, const std::string& name, const std::string& value) {
    return "    " + tag(kind, tag("name", xml_escape(name)) + tag("value", xml_escape(value))) + "\n";
  }
  void count(const std::string& name, std::size_t value) { longs += entry("userParameterLong", name, count_text(value)); }
  void number(const std::string& name, double value) { doubles += entry("userParameterDouble", name, number_text(value)); }
  void text(const std::string& name, const std::string& value) { strings += entry("userParameterString", name, value); }
  void optional_text(const std::string& name, const std::string& value) {
    if (!value.empty()) text(name, value);
  }
};

void add_geometry(Parameters& p, const ScanHeader& h) {
  const ScanGeometry& g = h.geometry;
  p.text("geometry", std::string(beam_name(g.beam)));
  p.count("energy_bins", h.bins());
  p.count("detector_rows", g.rows);
  p.count("detector_columns", g.columns);
  p.count("views", g.views);
  p.count("views_per_rotation", g.views_per_rotation);
  p.number("source_to_isocenter_mm", g.source_to_isocenter);
  p.number("source_to_detector_mm", g.source_to_detector);
  p.number("column_pitch_mm", g.column_pitch);
  p.number("row_pitch_mm", g.row_pitch);
  p.number("column_offset", g.column_offset);
  p.number("row_offset", g.row_offset);
  p.text("first_angle_rad", number_text(g.first_angle));  // strings: ISMRMRD's own writer keeps six decimals of a double
  p.text("angle_step_rad", number_text(g.angle_step));
  if (g.is_helical()) {
    p.number("table_feed_mm", g.table_feed);
    p.number("first_table_position_mm", g.first_table_position);
  }
  if (g.rotation_time > 0) p.text("rotation_time_s", number_text(g.rotation_time));
  const ImageGrid& i = h.grid;
  if (i.centre_x != 0 || i.centre_y != 0 || i.centre_z != 0)
    p.text("image_centre_mm", number_text(i.centre_x) + " " + number_text(i.centre_y) + " " + number_text(i.centre_z));
}

void add_system(Parameters& p, const ScanHeader& h) {
  const SpectralSystem& s = h.system;
  for (std::size_t k = 0; k < s.thresholds.size(); ++k) p.number("threshold_keV_" + count_text(k), s.thresholds[k]);
  if (s.tube_voltage > 0) p.number("tube_voltage_kV", s.tube_voltage);
  p.optional_text("filters", s.filters);
  p.optional_text("spectrum", s.spectrum);
  p.optional_text("detector", s.detector);
  p.optional_text("bowtie", s.bowtie);
  p.optional_text("bin_spectra", s.bin_spectra);
  p.optional_text("bad_pixels", s.bad_pixels);
  if (s.open_beam_counts) p.number("open_beam_counts", *s.open_beam_counts);
  p.count("modules", h.modules);
}

void require_fits(const char* what, std::size_t value, std::size_t least = 1) {
  if (value < least || value > kLargestShort)
    throw ArchiveError("an archive cannot hold " + count_text(value) + " " + what + ": expected " + count_text(least) +
                       " to 65535");
}

void check_fits(const ScanHeader& h) {
  require_fits("columns", h.geometry.columns);
  require_fits("channels (rows x bins)", checked_size(h.geometry.rows, h.bins()));
  require_fits("views per rotation", h.geometry.views_per_rotation);
  require_fits("voxels along x", h.grid.nx);
  require_fits("voxels along y", h.grid.ny);
  require_fits("voxels along z", h.grid.nz);
  if (h.geometry.columns * h.geometry.rows * h.bins() > std::size_t{1} << 30)
    throw ArchiveError("an archive cannot hold views of more than 2^30 values: libismrmrd counts them in 32 bits");
  const std::size_t n = h.system.thresholds.size();
  if (n != 0 && n != h.bins() && n != h.bins() + 1)
    throw ArchiveError("expected one threshold a bin, and perhaps an upper end, got " + count_text(n) + " for " +
                       count_text(h.bins()) + " bins");
}

// ---- reading ----

struct Space {
  std::size_t n[3];
  double length[3];
};

const XmlElement& child_of(const XmlElement& parent, const std::string& name, const std::string& where) {
  const XmlElement* child = parent.child(name);
  if (child == nullptr) throw ArchiveError(where + ": the header's <" + parent.name + "> has no <" + name + ">");
  return *child;
}

double positive(const XmlElement& element, const std::string& of, const std::string& where) {
  const auto number = finite_number(element.text);
  if (!number || *number <= 0)
    throw ArchiveError(where + ": " + of + "/" + element.name + ": expected a positive number, got '" + element.text + "'");
  return *number;
}

Space recon_space(const XmlElement& encoding, const std::string& where) {
  const XmlElement& recon = child_of(encoding, "reconSpace", where);
  const XmlElement& size = child_of(recon, "matrixSize", where);
  const XmlElement& view = child_of(recon, "fieldOfView_mm", where);
  Space s{};
  const char* axes[] = {"x", "y", "z"};
  for (int k = 0; k < 3; ++k) {
    const double n = positive(child_of(size, axes[k], where), "reconSpace/matrixSize", where);
    if (n > static_cast<double>(kLargestShort) || n != static_cast<double>(static_cast<std::size_t>(n)))
      throw ArchiveError(where + ": reconSpace/matrixSize: expected whole numbers up to 65535, got " + number_text(n));
    s.n[k] = static_cast<std::size_t>(n);
    s.length[k] = positive(child_of(view, axes[k], where), "reconSpace/fieldOfView_mm", where);
  }
  return s;
}

ScanGeometry read_geometry(const HeaderParameters& p, const std::string& where) {
  ScanGeometry g;
  try {
    g.beam = beam_of(p.text("geometry"));
    g.rows = p.count("detector_rows");
    g.columns = p.count("detector_columns");
    g.views = p.count("views");
    g.views_per_rotation = p.count("views_per_rotation");
    if (g.beam != Beam::parallel) {
      g.source_to_isocenter = p.number("source_to_isocenter_mm");
      g.source_to_detector = p.number("source_to_detector_mm");
    }
    g.column_pitch = p.number("column_pitch_mm");
    g.row_pitch = p.number("row_pitch_mm");
    g.column_offset = p.number("column_offset");
    g.row_offset = p.number("row_offset");
    g.first_angle = p.number("first_angle_rad");
    g.angle_step = p.number("angle_step_rad");
    g.table_feed = p.number("table_feed_mm", 0);
    if (g.is_helical()) g.first_table_position = p.number("first_table_position_mm", 0);
    g.rotation_time = p.number("rotation_time_s", 0);
    g.check();
  } catch (const ConfigError& error) {
    throw ArchiveError(where + ": " + error.what());
  }
  return g;
}

void read_thresholds(SpectralSystem& s, const HeaderParameters& p, bool needed, const std::string& where) {
  if (!needed && !p.has("threshold_keV_0")) return;
  for (std::size_t k = 0; k < s.bins || p.has("threshold_keV_" + count_text(s.bins)); ++k) {
    if (k > s.bins) break;
    s.thresholds.push_back(p.number("threshold_keV_" + count_text(k)));
    if (k > 0 && !(s.thresholds[k] > s.thresholds[k - 1]))
      throw ArchiveError(where + ": thresholds must grow, but threshold_keV_" + count_text(k) + " is " +
                         number_text(s.thresholds[k]) + " after " + number_text(s.thresholds[k - 1]));
  }
}

SpectralSystem read_system(const HeaderParameters& p, Quantity quantity, const ScanGeometry& g, const std::string& where) {
  SpectralSystem s;
  s.bins = p.count("energy_bins");
  s.bin_spectra = p.text("bin_spectra", "");
  const bool needed = quantity == Quantity::counts && s.bin_spectra.empty();  // else there may be no spectra at all
  read_thresholds(s, p, needed, where);
  s.tube_voltage = needed ? p.number("tube_voltage_kV") : p.number("tube_voltage_kV", 0);
  s.detector = needed ? p.text("detector") : p.text("detector", "");
  s.filters = p.text("filters", "");
  s.spectrum = p.text("spectrum", "");
  s.bowtie = p.text("bowtie", "");
  s.bad_pixels = p.text("bad_pixels", "");
  if (p.has("open_beam_counts")) {
    s.open_beam_counts = p.number("open_beam_counts");
    if (*s.open_beam_counts <= 0)
      throw ArchiveError(where + ": parameter 'open_beam_counts': expected a positive number, got " +
                         number_text(*s.open_beam_counts));
  }
  s.pixel_columns = g.column_pitch;
  s.pixel_rows = g.row_pitch;
  return s;
}

ImageGrid read_grid(const HeaderParameters& p, const XmlElement& encoding, const ScanGeometry& g, const std::string& where) {
  const Space s = recon_space(encoding, where);
  ImageGrid grid{.nx = s.n[0], .ny = s.n[1], .nz = s.n[2]};
  grid.voxel_x = s.length[0] / static_cast<double>(s.n[0]);
  grid.voxel_y = s.length[1] / static_cast<double>(s.n[1]);
  grid.voxel_z = s.length[2] / static_cast<double>(s.n[2]);
  if (!g.is_cone() && (grid.nz == 1 || grid.nz == g.rows)) {  // one slice a row
    grid.nz = g.rows;
    grid.voxel_z = g.slice_spacing();
  }
  const auto centre = words(p.text("image_centre_mm", "0 0 0"));
  double* const to[] = {&grid.centre_x, &grid.centre_y, &grid.centre_z};
  for (std::size_t k = 0; k < 3; ++k) {
    const auto number = centre.size() == 3 ? finite_number(centre[k]) : std::nullopt;
    if (!number)
      throw ArchiveError(where + ": parameter 'image_centre_mm': expected three numbers, got '" + joined(centre, " ") + "'");
    *to[k] = *number;
  }
  return grid;
}

Quantity read_quantity(const HeaderParameters& p, const std::string& where) {
  const std::string name = p.text("quantity", "counts");
  if (name == "counts") return Quantity::counts;
  if (name == "line_integrals") return Quantity::line_integrals;
  throw ArchiveError(where + ": parameter 'quantity': expected counts or line_integrals, got '" + name + "'");
}

void check_schema(const HeaderParameters& p, const std::string& where) {
  if (!p.has("schema")) throw ArchiveError(where + ": not a spectral CT scan: the header has no parameter 'schema'");
  if (p.text("schema") != kSchema)
    throw ArchiveError(where + ": expected the schema " + kSchema + ", got '" + p.text("schema") + "'");
}

XmlElement parse_header(const std::string& xml, const std::string& where) {
  try {
    return parse_xml(xml, where + ": header");
  } catch (const ConfigError& error) {
    throw ArchiveError(error.what());
  }
}

}  // namespace

std::string header_to_xml(const ScanHeader& h, const std::vector<std::string>& truth_materials) {
  check_fits(h);
  const ScanGeometry& g = h.geometry;
  Parameters p;
  p.text("schema", kSchema);
  p.text("quantity", h.quantity == Quantity::counts ? "counts" : "line_integrals");
  add_geometry(p, h);
  add_system(p, h);
  p.optional_text("truth_materials", joined(truth_materials, " "));
  const auto length = [](std::size_t n, double step) { return static_cast<double>(n) * step; };
  const double width = length(g.columns, g.column_pitch);
  const auto limit = [](const char* name, std::size_t n) {
    const std::size_t last = std::min(n, kLargestShort + 1) - 1;
    return tag(name, tag("minimum", "0") + tag("maximum", count_text(last)) + tag("center", "0"));
  };
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ismrmrdHeader xmlns=\"http://www.ismrm.org/ISMRMRD\">\n  " +
         tag("acquisitionSystemInformation", tag("receiverChannels", count_text(g.rows * h.bins()))) + "\n  " +
         tag("experimentalConditions", tag("H1resonanceFrequency_Hz", "0")) + "\n  " +
         tag("encoding",
             space("encodedSpace", {g.columns, g.views_per_rotation, g.rows}, {width, width, length(g.rows, g.row_pitch)}) +
                 space(
                     "reconSpace", {h.grid.nx, h.grid.ny, h.grid.nz},
                     {length(h.grid.nx, h.grid.voxel_x), length(h.grid.ny, h.grid.voxel_y), length(h.grid.nz, h.grid.voxel_z)}) +
                 tag("encodingLimits",
                     limit("kspace_encoding_step_1", g.views) + limit("repetition", (g.views - 1) / g.views_per_rotation + 1)) +
                 tag("trajectory", "other")) +
         "\n  <userParameters>\n" + p.longs + p.doubles + p.strings + "  </userParameters>\n</ismrmrdHeader>\n";
}

HeaderWithTruth header_from_xml(const std::string& xml, const std::string& where) {
  const XmlElement root = parse_header(xml, where);
  if (root.name != "ismrmrdHeader")
    throw ArchiveError(where + ": not a spectral CT scan: its header is <" + root.name + ">, not <ismrmrdHeader>");
  const HeaderParameters p(root.child("userParameters"), where);
  check_schema(p, where);
  HeaderWithTruth out;
  ScanHeader& h = out.header;
  h.quantity = read_quantity(p, where);
  h.geometry = read_geometry(p, where);
  h.system = read_system(p, h.quantity, h.geometry, where);
  h.grid = read_grid(p, child_of(root, "encoding", where), h.geometry, where);
  if (p.has("modules")) h.modules = p.count("modules");
  if (h.modules > h.geometry.columns)
    throw ArchiveError(where + ": parameter 'modules': expected at most one a column (" + count_text(h.geometry.columns) +
                       "), got " + count_text(h.modules));
  try {
    check_fits(h);
  } catch (const ArchiveError& error) {
    throw ArchiveError(where + ": " + error.what());
  }
  out.truth_materials = words(p.text("truth_materials", ""));
  return out;
}

ScanHeader header_of_paths(ScanHeader counts, std::size_t channels) {
  counts.quantity = Quantity::line_integrals;
  counts.system = {};
  counts.system.bins = channels;
  return counts;
}

}  // namespace counterflow
