#include "pipelines/simulator/scenario.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numbers>
#include <sstream>

#include "core/archive/named_files.h"
#include "core/error.h"
#include "core/geometry/helix.h"
#include "core/physics/bowtie.h"
#include "core/physics/material.h"
#include "core/physics/tube.h"

namespace counterflow {
namespace {

using Folders = std::vector<std::filesystem::path>;

[[noreturn]] void refuse(const XmlElement& element, const std::string& what) {
  throw ConfigError(element.where + ": <" + element.name + ">: " + what);
}

// Runs `act`; a ConfigError that names no place gets that of the element.
template <class Act>
auto at(const XmlElement& element, Act&& act) {
  try {
    return act();
  } catch (const ConfigError& error) {
    if (std::string(error.what()).starts_with(element.where)) throw;
    refuse(element, error.what());
  }
}

// Reads attributes by declare(visitor) and refuses all others.
template <class Declare>
void read_attributes(const XmlElement& element, Declare&& declare) {
  PropertyReader reader(element.settings(), "<" + element.name + ">");
  declare(reader);
  reader.finish();
  element.allow_children({});
  if (!element.text.empty()) refuse(element, "expected attributes only, got the text '" + element.text + "'");
}

// Reads an optional element that stands once at most.
template <class Declare>
void read_element(const XmlElement& root, const char* name, Declare&& declare) {
  if (const XmlElement* element = root.child(name)) read_attributes(*element, declare);
}

const XmlElement& required(const XmlElement& root, const char* name) {
  if (const XmlElement* element = root.child(name)) return *element;
  refuse(root, std::string("expected an element <") + name + ">, got none");
}

std::size_t size_of(std::int64_t n) { return static_cast<std::size_t>(n); }

constexpr double kMostElements = 65535;

ScanGeometry parse_geometry(const XmlElement& element) {
  ScanGeometry g;
  std::string beam = "fan-arc";
  std::int64_t columns = 0, rows = 1, views = 0, per_rotation = 0;
  bool clockwise = false;
  double pitch = 0;
  read_attributes(element, [&](PropertyVisitor& v) {
    v("beam", beam,
      {.text = "shape of beam and detector", .choices = {"fan-arc", "fan-flat", "parallel", "cone-arc", "cone-flat"}});
    v("columns", columns, {.text = "of the detector", .min = 1, .max = kMostElements});
    v("rows", rows, {.text = "of the detector", .min = 1, .max = kMostElements});
    v("views", views, {.text = "of the object", .min = 1, .max = 1e9});
    v("views_per_rotation", per_rotation, {.text = "of a full turn; default: views", .min = 1, .max = 1e9});
    v("source_to_isocenter", g.source_to_isocenter, {.unit = "mm", .text = "not for parallel beams", .min = 0});
    v("source_to_detector", g.source_to_detector, {.unit = "mm", .text = "not for parallel beams", .min = 0});
    v("column_pitch", g.column_pitch, {.unit = "mm", .text = "at the detector, along the arc for an arc", .min = 0});
    v("row_pitch", g.row_pitch, {.unit = "mm", .text = "at the detector; default: column_pitch", .min = 0});
    v("column_offset", g.column_offset, {.unit = "element", .text = "central ray at (columns-1)/2 + offset"});
    v("row_offset", g.row_offset, {.unit = "element", .text = "central ray at (rows-1)/2 + offset"});
    v("first_angle", g.first_angle, {.unit = "rad", .text = "of the source in the first view, from +x to +y"});
    v("clockwise", clockwise, {.text = "whether the source turns clockwise seen from +z"});
    v("pitch", pitch, {.text = "helical: table feed in a turn over the detector's height at the isocenter, signed"});
    v("table_feed", g.table_feed, {.unit = "mm", .text = "helical, instead of pitch: in a turn, along the patient's z, signed"});
    v("first_table_position", g.first_table_position, {.unit = "mm", .text = "helical; default: the scan's middle is at z = 0"});
  });
  g.beam = beam_of(beam);
  g.columns = size_of(columns);
  g.rows = size_of(rows);
  g.views = size_of(views);
  g.views_per_rotation = per_rotation > 0 ? size_of(per_rotation) : g.views;
  if (g.row_pitch == 0) g.row_pitch = g.column_pitch;
  if (g.views_per_rotation > 0)
    g.angle_step = (clockwise ? -2 : 2) * std::numbers::pi / static_cast<double>(g.views_per_rotation);
  if (g.beam == Beam::parallel && (g.source_to_isocenter != 0 || g.source_to_detector != 0))
    refuse(element, "a parallel beam has no source distances: leave out source_to_isocenter and source_to_detector");
  if (pitch != 0 && g.table_feed != 0) refuse(element, "expected pitch or table_feed, got both");
  if (pitch != 0) g.table_feed = pitch * static_cast<double>(g.rows) * g.slice_spacing();
  at(element, [&] { g.check(); });
  if (g.is_helical() && !element.attributes.contains("first_table_position"))
    g.first_table_position = -g.table_feed * (static_cast<double>(g.views) - 1) / static_cast<double>(g.views_per_rotation) / 2;
  return g;
}

// Reads a file that the scenario names into system.files.
void load_file(const XmlElement& element, const std::string& name, const Folders& folders, SpectralSystem& system) {
  if (name.empty()) return;
  if (name.find('/') != std::string::npos)
    refuse(element, "expected the name of a file, got the path '" + name + "': use --data");
  for (const auto& folder : folders) {
    std::ifstream in(folder / name, std::ios::binary);
    if (!in) continue;
    std::ostringstream content;
    content << in.rdbuf();
    system.files[name] = content.str();
    return;
  }
  refuse(element, "no file '" + name + "' beside the scenario nor in the folders given by --data");
}

void parse_tube(const XmlElement& element, const Folders& folders, SpectralSystem& system) {
  system.tube_voltage = 120;
  read_attributes(element, [&](PropertyVisitor& v) {
    v("voltage", system.tube_voltage, {.unit = "kV", .text = "of the tube", .min = 20, .max = 300});
    v("filters", system.filters, {.text = "element or compound and thickness in mm, separated by ';': Al 3.0; Ti 0.9"});
    v("spectrum", system.spectrum, {.text = "a file of keV and photons instead of the tube model"});
    v("bowtie", system.bowtie, {.text = "a file of fan angles and thicknesses of materials"});
  });
  at(element, [&] { parse_filters(system.filters); });
  load_file(element, system.spectrum, folders, system);
  load_file(element, system.bowtie, folders, system);
  if (!system.bowtie.empty()) at(element, [&] { bowtie_of(system); });
}

void check_thresholds(const XmlElement& element, const SpectralSystem& system) {
  const auto& t = system.thresholds;
  if (std::adjacent_find(t.begin(), t.end(), std::greater_equal<>()) != t.end())
    refuse(element, "expected thresholds that grow and, if given, an upper end above them");
  if (!t.empty() && t[system.bins - 1] >= system.tube_voltage)
    refuse(element, "expected thresholds below the tube voltage of " + number_text(system.tube_voltage) + " kV, got " +
                        number_text(t[system.bins - 1]) + " keV");
}

void parse_detector(const XmlElement& element, const Folders& folders, ScanHeader& header) {
  SpectralSystem& system = header.system;
  std::int64_t modules = 1, bins = 0;
  double upper_end = 0;
  system.detector = "CdTe 1.6";
  read_attributes(element, [&](PropertyVisitor& v) {
    v("sensor", system.detector, {.text = "material and thickness in mm, 'ideal', or the name of a response file"});
    v("thresholds", system.thresholds, {.unit = "keV", .text = "lower edge of each bin", .min = 1, .max = 300});
    v("upper_end", upper_end, {.unit = "keV", .text = "of the last bin; 0: open", .min = 0, .max = 300});
    v("bin_spectra", system.bin_spectra, {.text = "a file of effective spectra instead of tube, sensor and thresholds"});
    v("bins", bins, {.text = "with bin_spectra: how many", .min = 1, .max = 64});
    v("modules", modules, {.text = "along the columns; thresholds drift by module", .min = 1, .max = kMostElements});
  });
  system.bins = system.thresholds.empty() ? size_of(bins) : system.thresholds.size();
  if (system.bins == 0 || (bins != 0 && size_of(bins) != system.bins) ||
      (system.thresholds.empty() == system.bin_spectra.empty()))
    refuse(element, "expected either thresholds, one a bin, or bin_spectra with the number of bins");
  if (upper_end > 0) system.thresholds.push_back(upper_end);
  check_thresholds(element, system);
  header.modules = size_of(modules);
  if (header.modules > header.geometry.columns)
    refuse(element, "expected at most one module a column (" + std::to_string(header.geometry.columns) + "), got " +
                        std::to_string(modules));
  load_file(element, system.bin_spectra, folders, system);
  if (!system.bin_spectra.empty()) system.detector.clear();
  if (!system.detector.empty() && !is_sensor(system.detector)) load_file(element, system.detector, folders, system);
}

void parse_acquisition(const XmlElement& root, Acquisition& a, double& rotation_time) {
  rotation_time = 1;
  read_element(root, "acquisition", [&](PropertyVisitor& v) {
    v("open_beam_counts", a.open_beam_counts,
      {.unit = "count", .text = "of a pixel without object over all bins", .min = 1e-6, .max = 1.6e7});
    v("air_views", a.air_views, {.text = "before the object views; 0: the header says open_beam_counts", .min = 0, .max = 1e6});
    v("exposure", a.exposure, {.text = "of object views, relative to open_beam_counts", .min = 1e-6, .max = 1e3});
    v("air_exposure", a.air_exposure, {.text = "of air views, relative to open_beam_counts", .min = 1e-6, .max = 1e3});
    v("rotation_time", rotation_time, {.unit = "s", .text = "of a full turn", .min = 1e-6, .max = 1e4});
    v("noise", a.noise, {.text = "integer counts, or false: expected counts"});
    v("correlated", a.correlated, {.text = "whether neighbouring pixels share counts, by charge sharing and fluorescence"});
    v("seed", a.seed, {.text = "of noise and drift", .min = 0});
  });
  // Counts are written as floats, exact below 2^24.
  if (a.open_beam_counts * std::max(a.exposure, a.air_exposure) > 1.6e7)
    refuse(*root.child("acquisition"),
           "expected open_beam_counts times exposure of at most 1.6e7, so that counts stay exact in the file");
}

void parse_sampling(const XmlElement& root, Sampling& s) {
  read_element(root, "sampling", [&](PropertyVisitor& v) {
    v("energy_step", s.energy_step, {.unit = "keV", .text = "cells of the energy sum", .min = 0.05, .max = 5});
    v("column_rays", s.column_rays, {.text = "over the width of a pixel", .min = 1, .max = 64});
    v("row_rays", s.row_rays, {.text = "over the height of a pixel", .min = 1, .max = 64});
    v("spot_rays", s.spot_rays, {.text = "over the focal spot", .min = 1, .max = 64});
    v("spot_width", s.spot_width, {.unit = "mm", .text = "of the focal spot along the fan", .min = 0, .max = 20});
  });
}

void parse_drift(const XmlElement& root, DriftSettings& d) {
  const PropertyDoc sigma{.unit = "keV", .text = "standard deviation", .min = 0, .max = 8};
  read_element(root, "drift", [&](PropertyVisitor& v) {
    v("common", d.common, {.unit = "keV", .text = "of every threshold", .min = -8, .max = 8});
    v("module_sigma", d.module_sigma, sigma);
    v("pixel_sigma", d.pixel_sigma, sigma);
    v("slow", d.slow, {.unit = "keV", .text = "from 0 at the first object view to this at the last", .min = -8, .max = 8});
    v("dispersion", d.dispersion, sigma);
    v("air", d.air, {.text = "thresholds of the air views", .choices = {"nominal", "drifted"}});
    v("seed", d.seed, {.text = "of modules, pixels and dispersion; -1 = the acquisition's", .min = -1});
  });
}

void parse_scatter(const XmlElement& root, std::size_t bins, std::vector<double>& scatter) {
  read_element(root, "scatter", [&](PropertyVisitor& v) {
    v("fraction", scatter, {.text = "of the primary counts; one for all bins or one a bin", .min = 0, .max = 100});
  });
  if (scatter.size() == 1) scatter.resize(bins, scatter[0]);
  if (!scatter.empty() && scatter.size() != bins)
    refuse(*root.child("scatter"),
           "expected one fraction or one a bin (" + std::to_string(bins) + "), got " + std::to_string(scatter.size()));
}

// By default, of a helical scan, all complete slices.
void place_slices(const XmlElement& root, const ScanGeometry& geometry, ImageGrid& grid) {
  const XmlElement* image = root.child("image");
  const double corner = std::hypot(static_cast<double>(grid.nx) * grid.voxel_x, static_cast<double>(grid.ny) * grid.voxel_y) / 2;
  const HelixRange range =
      at(*root.child("geometry"), [&] { return complete_slices(geometry, std::min(geometry.field_radius(), corner)); });
  grid.centre_z = (range.low + range.high) / 2;
  if (image && image->attributes.contains("nz")) return;
  const double slices = std::floor((range.high - range.low) / grid.voxel_z * (1 + 1e-12)) + 1;
  if (!(slices >= 1 && slices <= kMostElements))
    refuse(*root.child("geometry"),
           "expected 1 to 65535 complete slices, but the views complete those from z = " + number_text(range.low) + " to " +
               number_text(range.high) + " mm; ask for more views, or say nz and thickness in <image>");
  grid.nz = static_cast<std::size_t>(slices);
}

void parse_faults(const XmlElement& root, Scenario& s) {
  read_element(root, "pile_up", [&](PropertyVisitor& v) {
    v("dead_time", s.dead_time, {.unit = "ns", .text = "of a pixel after each count; 0: no pile-up", .min = 0, .max = 1e5});
  });
  if (s.dead_time > 0 && s.acquisition.correlated)
    refuse(*root.child("pile_up"), "pile-up of correlated counts is not simulated: leave out one of pile_up and correlated");
  BadPixelSettings& p = s.bad_pixels;
  const PropertyDoc number{.text = "how many", .min = 0, .max = 1e6};
  read_element(root, "bad_pixels", [&](PropertyVisitor& v) {
    v("dead", p.dead, number);
    v("hot", p.hot, number);
    v("unstable", p.unstable, number);
    v("seed", p.seed, {.text = "of their places and of what unstable ones do", .min = 0});
    v("hot_counts", p.hot_counts, {.text = "that a hot pixel counts besides, relative to air", .min = 0, .max = 1e3});
    v("flicker", p.flicker, {.text = "of an unstable pixel: rms logarithm of its factor", .min = 0, .max = 3});
  });
}

// By default the square about the field that every view sees, in 512 x 512 voxels, one slice a row.
ImageGrid parse_image(const XmlElement& root, const ScanGeometry& geometry) {
  const auto rows = static_cast<std::int64_t>(geometry.rows);
  std::int64_t nx = 512, ny = 0, nz = rows;
  double voxel = 0, thickness = geometry.slice_spacing();
  read_element(root, "image", [&](PropertyVisitor& v) {
    v("nx", nx, {.text = "voxels along x", .min = 1, .max = kMostElements});
    v("ny", ny, {.text = "voxels along y; default: nx", .min = 1, .max = kMostElements});
    v("nz", nz,
      {.text = "slices; cone beams only; default: rows, or all complete slices of a helical scan",
       .min = 1,
       .max = kMostElements});
    v("voxel", voxel, {.unit = "mm", .text = "size along x and y; default: the field of view over nx", .min = 1e-6, .max = 1e4});
    v("thickness", thickness,
      {.unit = "mm",
       .text = "of a slice, cone beams only; default: the rows' spacing at the isocenter",
       .min = 1e-6,
       .max = 1e4});
  });
  const bool slices_are_rows = geometry.is_fan() || geometry.beam == Beam::parallel;
  if (slices_are_rows && (nz != rows || thickness != geometry.slice_spacing()))
    refuse(*root.child("image"), "each row of this beam is a slice of its own: leave out nz and thickness");
  ImageGrid grid;
  grid.nx = size_of(nx);
  grid.ny = size_of(ny > 0 ? ny : nx);
  grid.nz = size_of(nz);
  grid.voxel_x = grid.voxel_y = voxel > 0 ? voxel : 2 * geometry.field_radius() / static_cast<double>(grid.nx);
  grid.voxel_z = thickness;
  if (geometry.is_helical()) place_slices(root, geometry, grid);
  return grid;
}

void parse_truth(const XmlElement& root, TruthSettings& truth) {
  const XmlElement* element = root.child("truth");
  if (!element) return;
  read_attributes(*element, [&](PropertyVisitor& v) {
    v("materials", truth.materials, {.text = "the basis in which the truth is said"});
    v("samples", truth.samples, {.text = "along each side of a voxel", .min = 1, .max = 64});
  });
  if (truth.materials.empty()) refuse(*element, "expected at least one material");
  for (const auto& material : truth.materials) at(*element, [&] { find_material(material); });
}

void check_phantom(const XmlElement& element, const Scenario& scenario) {
  const ScanGeometry& g = scenario.header.geometry;
  const double reach = scenario.phantom.painting.reach();
  if (!std::isfinite(reach)) refuse(element, "expected bodies that are infinite along z only");
  if (g.beam == Beam::parallel) return;
  const double room = std::min(g.source_to_isocenter, g.source_to_detector - g.source_to_isocenter);
  if (reach >= room)
    refuse(element, "the phantom reaches " + number_text(reach) + " mm from the axis, but source or detector stands at " +
                        number_text(room) + " mm");
}

void check_bowtie(const XmlElement& root, const Scenario& scenario) {
  if (scenario.header.system.bowtie.empty()) return;
  if (scenario.header.geometry.beam == Beam::parallel)
    refuse(*root.child("tube"), "a parallel beam has no fan angle by which a bowtie could be given; use a fan or a cone");
  if (scenario.acquisition.air_views == 0)
    refuse(*root.child("tube"), "behind a bowtie each column has its own open beam: expected air_views above 0");
}

void check_drift(const XmlElement& root, const Scenario& scenario) {
  const DriftSettings& d = scenario.drift;
  const bool any = d.common != 0 || d.module_sigma > 0 || d.pixel_sigma > 0 || d.slow != 0 || d.dispersion > 0;
  if (any && scenario.header.system.thresholds.empty())
    refuse(*root.child("drift"), "bins given by bin_spectra have no thresholds that could drift: remove it");
}

}  // namespace

Scenario parse_scenario(const XmlElement& root, const Folders& folders) {
  if (root.name != "scenario") throw ConfigError(root.where + ": expected the element <scenario>, got <" + root.name + ">");
  const std::vector<std::string> known{"geometry", "tube",    "detector",   "acquisition", "sampling", "drift",
                                       "scatter",  "pile_up", "bad_pixels", "phantom",     "image",    "truth"};
  root.allow_children(known);
  for (auto c = root.children.begin(); c != root.children.end(); ++c)
    if (std::any_of(root.children.begin(), c, [&](const auto& before) { return before.name == c->name; }))
      refuse(*c, "stands here for the second time: keep one");
  PropertyReader(root.settings(), "<scenario>").finish();
  Scenario s;
  s.header.geometry = parse_geometry(required(root, "geometry"));
  if (const XmlElement* tube = root.child("tube")) parse_tube(*tube, folders, s.header.system);
  const XmlElement& detector = required(root, "detector");
  if (!detector.attributes.contains("bin_spectra")) required(root, "tube");
  parse_detector(detector, folders, s.header);
  parse_acquisition(root, s.acquisition, s.header.geometry.rotation_time);
  parse_sampling(root, s.sampling);
  parse_drift(root, s.drift);
  parse_scatter(root, s.header.bins(), s.scatter);
  parse_faults(root, s);
  s.phantom = parse_phantom(required(root, "phantom"));
  s.header.grid = parse_image(root, s.header.geometry);
  parse_truth(root, s.truth);
  check_phantom(required(root, "phantom"), s);
  check_drift(root, s);
  check_bowtie(root, s);
  if (s.acquisition.air_views == 0) s.header.system.open_beam_counts = s.acquisition.open_beam_counts;
  return s;
}

Scenario read_scenario(const std::filesystem::path& file, const Folders& data_folders) {
  Folders folders{file.parent_path()};
  folders.insert(folders.end(), data_folders.begin(), data_folders.end());
  return parse_scenario(read_xml(file), folders);
}

}  // namespace counterflow
