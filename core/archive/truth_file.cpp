#include "core/archive/truth_file.h"

#include <sstream>

#include "core/archive/header_parameters.h"
#include "core/error.h"
#include "core/text.h"

namespace counterflow {
namespace {

constexpr const char* kRegionsHead = "name,shape,x_mm,y_mm,radius_mm,densities";
constexpr const char* kMaterials = "/dataset/truth_materials";
constexpr const char* kRegions = "/dataset/truth_regions";

// RFC 4180: a field with a comma or a quote stands in quotes, quotes doubled.
std::string csv_field(const std::string& field) {
  if (field.find_first_of(",\"") == std::string::npos) return field;
  std::string out = "\"";
  for (char c : field) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

std::vector<std::string> fields_of_line(const std::string& line) {
  std::vector<std::string> fields(1);
  bool inside = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '"' && inside && i + 1 < line.size() && line[i + 1] == '"') fields.back() += line[++i];
    else if (c == '"') inside = !inside;
    else if (c == ',' && !inside) fields.emplace_back();
    else if (c != '\r') fields.back() += c;
  }
  return fields;
}

void refuse_characters(const std::string& name, const char* characters, const std::string& what) {
  if (name.empty() || name.find_first_of(characters) != std::string::npos)
    throw ArchiveError("the name '" + name + "' of a " + what + " cannot be written: it is empty or holds a reserved character");
}

double number_of(const std::string& text, const std::string& place) {
  const auto number = finite_number(text);
  if (!number) throw ArchiveError(place + ": expected a number, got '" + text + "'");
  return *number;
}

Region region_of(const std::vector<std::string>& fields, const std::string& place) {
  if (fields.size() != 6) throw ArchiveError(place + ": expected 6 fields, got " + std::to_string(fields.size()));
  if (fields[1] != "cylinder") throw ArchiveError(place + ": expected the shape cylinder, got '" + fields[1] + "'");
  Region region{fields[0], number_of(fields[2], place), number_of(fields[3], place), number_of(fields[4], place), {}};
  std::istringstream densities(fields[5]);
  for (std::string part; std::getline(densities, part, ';');) {
    const auto colon = part.rfind(':');
    if (colon == std::string::npos) throw ArchiveError(place + ": expected material:density, got '" + part + "'");
    region.densities.emplace_back(part.substr(0, colon), number_of(part.substr(colon + 1), place));
  }
  return region;
}

void write_density(const hdf5::Handle& file, const Array<float, 4>& density) {
  const auto& s = density.shape();
  hdf5::write_all(file, kMaterials, {1, s[0], s[1], s[2], s[3]}, density.data());
}

void read_density(Truth& truth, const hdf5::Handle& file, const ScanHeader& header, const std::string& where) {
  const hdf5::Handle dataset = hdf5::open_dataset(file, kMaterials, where);
  const std::string place = where + ": " + kMaterials;
  const ImageGrid& g = header.grid;
  const std::vector<std::size_t> expected{1, truth.materials.size(), g.nz, g.ny, g.nx};
  if (hdf5::shape(dataset, place) != expected)
    throw ArchiveError(place + ": expected [1, " + std::to_string(expected[1]) + " materials (parameter 'truth_materials'), " +
                       std::to_string(g.nz) + ", " + std::to_string(g.ny) + ", " + std::to_string(g.nx) + "], got another shape");
  truth.density = Array<float, 4>({expected[1], g.nz, g.ny, g.nx});
  truth.density.values() = hdf5::read_all<float>(dataset, truth.density.size(), place);
}

}  // namespace

std::string regions_to_csv(const std::vector<Region>& regions) {
  std::string csv = std::string(kRegionsHead) + "\n";
  for (const Region& r : regions) {
    refuse_characters(r.name, "\r\n", "region");
    std::string densities;
    for (const auto& [material, density] : r.densities) {
      refuse_characters(material, ":;\r\n", "material");
      densities += (densities.empty() ? "" : ";") + material + ":" + number_text(density);
    }
    csv += csv_field(r.name) + ",cylinder," + number_text(r.x) + "," + number_text(r.y) + "," + number_text(r.radius) + "," +
           csv_field(densities) + "\n";
  }
  return csv;
}

std::vector<Region> regions_from_csv(const std::string& csv, const std::string& where) {
  std::vector<Region> regions;
  std::istringstream lines(csv);
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string place = where + ": line " + std::to_string(++number);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (number == 1) {
      if (line != kRegionsHead) throw ArchiveError(place + ": expected '" + kRegionsHead + "', got '" + line + "'");
    } else if (!line.empty()) {
      regions.push_back(region_of(fields_of_line(line), place));
    }
  }
  return regions;
}

void write_truth(const hdf5::Handle& file, const Truth& truth, const ScanHeader& header) {
  const ImageGrid& g = header.grid;
  const Array<float, 4>::Shape expected{truth.materials.size(), g.nz, g.ny, g.nx};
  if (!truth.density.empty() && truth.density.shape() != expected)
    throw ArchiveError("the truth has another shape than [materials, z, y, x] on the grid of the scan's header");
  for (const auto& name : truth.materials) refuse_characters(name, " \t\r\n", "material");
  if (!truth.density.empty()) write_density(file, truth.density);
  if (!truth.regions.empty()) hdf5::write_text(file, kRegions, regions_to_csv(truth.regions));
}

std::optional<Truth> read_truth(const hdf5::Handle& file, const HeapReader& heap, const ScanHeader& header,
                                const std::vector<std::string>& materials, const std::string& where) {
  const bool density = hdf5::exists(file, kMaterials), regions = hdf5::exists(file, kRegions);
  if (!density && !regions) return std::nullopt;
  Truth truth;
  truth.materials = materials;
  truth.grid = header.grid;
  if (density) read_density(truth, file, header, where);
  if (regions) truth.regions = regions_from_csv(read_text(file, heap, kRegions, where), where + ": " + kRegions);
  return truth;
}

}  // namespace counterflow
