#include "core/physics/spectrum_file.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>

#include "core/error.h"
#include "core/text.h"

namespace counterflow {
namespace {

std::vector<double> numbers_of(std::string line, const std::string& where) {
  line.erase(std::min(line.find('#'), line.size()));
  std::replace(line.begin(), line.end(), ',', ' ');
  std::vector<double> out;
  for (const std::string& word : words(line)) {
    double value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size() || !std::isfinite(value))
      throw ConfigError(where + ": expected numbers, got '" + word + "'");
    out.push_back(value);
  }
  return out;
}

void check_row(const std::vector<double>& row, const std::vector<double>& before, std::size_t columns, const std::string& where) {
  if (row.size() != columns + 1)
    throw ConfigError(where + ": expected an energy in keV and " + std::to_string(columns) + " column(s), got " +
                      std::to_string(row.size()) + " number(s)");
  if (!(row[0] > 0) || (!before.empty() && row[0] <= before.back()))
    throw ConfigError(where + ": expected energies above 0 that ascend, got " + number_text(row[0]) + " keV");
  for (double value : row)
    if (value < 0) throw ConfigError(where + ": expected photons of at least 0, got " + number_text(value));
}

// Lower end of row k; the end of the last is that of row n.
double row_end(const std::vector<double>& e, std::size_t k) {
  if (e.size() == 1) return e[0] + (k == 0 ? -0.5 : 0.5);
  if (k == 0) return e[0] - (e[1] - e[0]) / 2;
  if (k == e.size()) return e[k - 1] + (e[k - 1] - e[k - 2]) / 2;
  return (e[k - 1] + e[k]) / 2;
}

}  // namespace

SpectrumTable parse_spectrum(const std::string& text, const std::string& name, std::size_t columns) {
  std::istringstream in(text);
  std::vector<double> energies;
  std::vector<std::vector<double>> rows;
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    const std::string where = name + ":" + std::to_string(++number);
    std::vector<double> row = numbers_of(line, where);
    if (row.empty()) continue;
    check_row(row, energies, columns, where);
    energies.push_back(row[0]);
    rows.push_back(std::move(row));
  }
  if (rows.empty()) throw ConfigError(name + ": expected rows of an energy in keV and photons, got none");
  SpectrumTable table{energies, Array<double, 2>({columns, rows.size()})};
  for (std::size_t k = 0; k < rows.size(); ++k)
    for (std::size_t c = 0; c < columns; ++c) table.values(c, k) = rows[k][c + 1];
  return table;
}

const std::string& named_file(const SpectralSystem& system, const std::string& name, const std::string& role) {
  const auto found = system.files.find(name);
  if (found == system.files.end())
    throw ConfigError("the " + role + " file '" + name +
                      "' was not found; put it beside the scan or name its folder with --data");
  return found->second;
}

std::vector<double> rebinned(const SpectrumTable& table, std::size_t column, const std::vector<double>& centres, double step) {
  std::vector<double> out(centres.size());
  for (std::size_t r = 0; r < table.energies.size(); ++r) {
    const double from = row_end(table.energies, r), to = row_end(table.energies, r + 1);
    const double density = table.values(column, r) / (to - from);
    auto at = std::upper_bound(centres.begin(), centres.end(), from - step / 2) - centres.begin();
    for (auto c = static_cast<std::size_t>(at); c < centres.size() && centres[c] - step / 2 < to; ++c)
      out[c] += density * std::max(0.0, std::min(to, centres[c] + step / 2) - std::max(from, centres[c] - step / 2));
  }
  return out;
}

double largest_energy(const SpectralSystem& system) {
  if (system.tube_voltage > 0) return system.tube_voltage;
  if (system.spectrum.empty())
    throw ConfigError("expected a tube voltage above 0 kV or a spectrum, got " + number_text(system.tube_voltage));
  const SpectrumTable table = parse_spectrum(named_file(system, system.spectrum, "spectrum"), system.spectrum, 1);
  return row_end(table.energies, table.energies.size());
}

}  // namespace counterflow
