#include "core/physics/bowtie.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <sstream>

#include "core/error.h"
#include "core/physics/material.h"
#include "core/physics/spectrum_file.h"
#include "core/text.h"

namespace counterflow {
namespace {

constexpr double kMillimetre = 0.1;  // [cm]

std::optional<double> number_of(const std::string& word) {
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

struct Line {
  std::string where;
  std::vector<std::string> words;
};

std::vector<Line> lines_of(const std::string& text, const std::string& name) {
  std::vector<Line> lines;
  std::istringstream in(text);
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    line.erase(std::min(line.find('#'), line.size()));
    std::replace(line.begin(), line.end(), ',', ' ');
    if (auto found = words(line); !found.empty()) lines.push_back({name + ":" + std::to_string(number), std::move(found)});
  }
  return lines;
}

// Names of the columns behind the angle.
std::vector<std::string> materials_of(const std::vector<Line>& lines, const std::string& name) {
  if (lines.size() < 3)
    throw ConfigError(name +
                      ": expected a line that names the materials, then two or more of a fan angle in rad and thicknesses in mm");
  std::vector<std::string> names = lines[0].words;
  const std::size_t columns = lines[1].words.size();
  if (number_of(names[0]))
    throw ConfigError(lines[0].where + ": expected the first line to name the materials, got the number '" + names[0] + "'");
  if (names.size() == columns) names.erase(names.begin());  // a heading for the angles
  if (names.empty() || names.size() + 1 != columns)
    throw ConfigError(lines[1].where + ": expected a fan angle and " + std::to_string(names.size()) +
                      " thickness(es), as many as " + lines[0].where + " names materials, got " + std::to_string(columns) +
                      " column(s)");
  return names;
}

std::vector<double> row_of(const Line& line, std::size_t materials) {
  if (line.words.size() != materials + 1)
    throw ConfigError(line.where + ": expected a fan angle and " + std::to_string(materials) + " thickness(es), got " +
                      std::to_string(line.words.size()) + " column(s)");
  std::vector<double> row;
  for (const std::string& word : line.words) {
    const auto number = number_of(word);
    if (!number) throw ConfigError(line.where + ": expected numbers, got '" + word + "'");
    if (!row.empty() && *number < 0) throw ConfigError(line.where + ": expected a thickness of at least 0 mm, got " + word);
    row.push_back(*number);
  }
  return row;
}

double density_of(const std::string& material, const std::string& where) {
  try {
    const double density = find_material(material).density;
    if (density > 0) return density;
  } catch (const ConfigError& error) {
    throw ConfigError(where + ": " + error.what());
  }
  throw ConfigError(where + ": the density of '" + material + "' is not known; expected a material of known density");
}

}  // namespace

Bowtie::Bowtie(const std::string& text, const std::string& name) : name_(name) {
  const std::vector<Line> lines = lines_of(text, name);
  const std::vector<std::string> names = materials_of(lines, name);
  std::vector<std::vector<double>> rows;
  for (std::size_t k = 1; k < lines.size(); ++k) {
    rows.push_back(row_of(lines[k], names.size()));
    if (k > 1 && !(rows[k - 1][0] > rows[k - 2][0]))
      throw ConfigError(lines[k].where + ": expected fan angles that ascend, got " + number_text(rows[k - 1][0]) + " after " +
                        number_text(rows[k - 2][0]));
    angles_.push_back(rows.back()[0]);
  }
  std::vector<std::vector<double>> columns;
  for (std::size_t m = 0; m < names.size(); ++m) {
    const double density = density_of(names[m], lines[0].where);
    std::vector<double> column;
    for (const auto& row : rows) column.push_back(row[m + 1] * kMillimetre * density);
    if (*std::max_element(column.begin(), column.end()) == 0) continue;
    materials_.push_back(names[m]);
    columns.push_back(std::move(column));
  }
  density_ = Array<double, 2>({columns.size(), rows.size()});
  for (std::size_t m = 0; m < columns.size(); ++m) std::copy(columns[m].begin(), columns[m].end(), density_.block(m).begin());
}

std::vector<double> Bowtie::areal_density(double fan_angle, double lengthening) const {
  constexpr double kRounding = 1e-9;  // [rad]
  if (!(fan_angle >= angles_.front() - kRounding && fan_angle <= angles_.back() + kRounding))
    throw ConfigError("the bowtie '" + name_ + "' is given for fan angles of " + number_text(angles_.front()) + " to " +
                      number_text(angles_.back()) + " rad, but the scan has a ray at " + number_text(fan_angle) +
                      " rad; add lines to the file");
  const auto high =
      static_cast<std::size_t>(std::lower_bound(angles_.begin() + 1, angles_.end() - 1, fan_angle) - angles_.begin());
  const double part = (fan_angle - angles_[high - 1]) / (angles_[high] - angles_[high - 1]);
  std::vector<double> out;
  for (std::size_t m = 0; m < materials_.size(); ++m)
    out.push_back(lengthening * ((1 - part) * density_(m, high - 1) + part * density_(m, high)));
  return out;
}

Bowtie bowtie_of(const SpectralSystem& system) { return Bowtie(named_file(system, system.bowtie, "bowtie"), system.bowtie); }

}  // namespace counterflow
