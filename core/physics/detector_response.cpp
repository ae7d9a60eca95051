#include "core/physics/detector_response.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>

#include "core/error.h"
#include "core/text.h"

namespace counterflow {
namespace {

void check_grid(const std::vector<double>& grid, const std::string& what) {
  if (grid.size() < 2) throw DataError("expected at least 2 " + what + " energies, got " + std::to_string(grid.size()));
  const double step = (grid.back() - grid.front()) / static_cast<double>(grid.size() - 1);
  for (std::size_t k = 0; k < grid.size(); ++k)
    if (!(step > 0) || !(std::abs(grid[k] - grid[0] - step * static_cast<double>(k)) < 1e-6 * step + 1e-9 * std::abs(grid[k])))
      throw DataError("expected equidistant ascending " + what + " energies, got " + number_text(grid[k]) + " keV at place " +
                      std::to_string(k));
}

double spacing(const std::vector<double>& grid) { return (grid.back() - grid.front()) / static_cast<double>(grid.size() - 1); }

}  // namespace

DetectorResponse::DetectorResponse(std::vector<double> incident, std::vector<double> recorded, Array<double, 2> density)
    : incident_(std::move(incident)), recorded_(std::move(recorded)), density_(std::move(density)) {
  check_grid(incident_, "incident");
  check_grid(recorded_, "recorded");
  if (density_.shape() != Array<double, 2>::Shape{incident_.size(), recorded_.size()})
    throw DataError("expected a response of " + std::to_string(incident_.size()) + " x " + std::to_string(recorded_.size()) +
                    " numbers, got " + std::to_string(density_.extent(0)) + " x " + std::to_string(density_.extent(1)));
  for (double v : density_)
    if (!std::isfinite(v)) throw DataError("expected finite numbers in a detector response");
  const std::size_t nodes = recorded_.size() + 2;
  above_ = Array<double, 2>({incident_.size(), nodes});
  const double h = spacing(recorded_);
  for (std::size_t row = 0; row < incident_.size(); ++row)
    for (std::size_t k = nodes - 1; k-- > 0;)
      above_(row, k) = above_(row, k + 1) + h / 2 * (node_density(row, k) + node_density(row, k + 1));
}

double DetectorResponse::node_density(std::size_t row, std::size_t node) const {
  return node == 0 || node > recorded_.size() ? 0 : density_(row, node - 1);
}

// Integral of the linear piece from the threshold to its end, and all pieces beyond.
double DetectorResponse::row_above(std::size_t row, double threshold) const {
  const double h = spacing(recorded_), at = (threshold - recorded_[0]) / h + 1;
  if (!(at > 0)) return above_(row, std::size_t{0});
  const auto node = static_cast<std::size_t>(std::min(at, 1e9));
  if (node + 1 >= above_.extent(1)) return 0;
  const double t = at - static_cast<double>(node), d0 = node_density(row, node), d1 = node_density(row, node + 1);
  return above_(row, node) - h * t * (d0 + t / 2 * (d1 - d0));
}

double DetectorResponse::row_density(std::size_t row, double threshold) const {
  const double at = (threshold - recorded_[0]) / spacing(recorded_) + 1;
  if (!(at > 0)) return 0;
  const auto node = static_cast<std::size_t>(std::min(at, 1e9));
  if (node + 1 >= above_.extent(1)) return 0;
  const double t = at - static_cast<double>(node), d0 = node_density(row, node), d1 = node_density(row, node + 1);
  return d0 + t * (d1 - d0);
}

// The row below an energy and how far it lies towards the next.
std::size_t DetectorResponse::row_of(double energy, double& part) const {
  const double step = spacing(incident_);
  if (!(energy <= incident_.back() + 1e-9 * step))
    throw DataError("the detector response ends at " + number_text(incident_.back()) + " keV, got a photon of " +
                    number_text(energy) + " keV");
  const double at = (energy - incident_[0]) / step;
  const std::size_t row = std::min(static_cast<std::size_t>(at), incident_.size() - 2);
  part = at - static_cast<double>(row);
  return row;
}

double DetectorResponse::above(double threshold, double energy) const {
  if (energy < incident_[0]) return 0;
  double part = 0;
  const std::size_t row = row_of(energy, part);
  return (1 - part) * row_above(row, threshold) + part * row_above(row + 1, threshold);
}

double DetectorResponse::density(double threshold, double energy) const {
  if (energy < incident_[0]) return 0;
  double part = 0;
  const std::size_t row = row_of(energy, part);
  return (1 - part) * row_density(row, threshold) + part * row_density(row + 1, threshold);
}

namespace {

// The numbers of a line separated by commas; `head` = text expected in place of the first.
std::vector<double> numbers_of(const std::string& line, const std::string& where, const std::string& head) {
  std::istringstream in(line);
  std::vector<double> out;
  bool first = !head.empty();
  for (std::string cell; std::getline(in, cell, ','); first = false) {
    const std::string word = joined(words(cell), " ");
    if (first && word == head) continue;
    double value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (first || error != std::errc() || end != word.data() + word.size() || !std::isfinite(value))
      throw ConfigError(where + ": expected " + (first ? "'" + head + ",' and the recorded energies" : "numbers") + ", got '" +
                        word + "'");
    out.push_back(value);
  }
  return out;
}

}  // namespace

DetectorResponse response_from_text(const std::string& text, const std::string& name) {
  std::istringstream in(text);
  std::vector<double> incident, recorded, counts;
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    const std::string where = name + ":" + std::to_string(++number);
    line.erase(std::min(line.find('#'), line.size()));
    if (words(line).empty()) continue;
    if (recorded.empty()) {
      recorded = numbers_of(line, where, "E_keV");
      continue;
    }
    const std::vector<double> row = numbers_of(line, where, "");
    if (row.size() != recorded.size() + 1)
      throw ConfigError(where + ": expected an incident energy and " + std::to_string(recorded.size()) + " channels, got " +
                        std::to_string(row.size()) + " numbers");
    incident.push_back(row[0]);
    counts.insert(counts.end(), row.begin() + 1, row.end());
  }
  Array<double, 2> density({incident.size(), recorded.size()});
  const double width = recorded.size() > 1 ? spacing(recorded) : 1;  // counts in a channel to counts/keV
  std::transform(counts.begin(), counts.end(), density.begin(), [&](double v) { return v / width; });
  try {
    return {incident, recorded, density};
  } catch (const DataError& error) {
    throw ConfigError(name + ": " + error.what());
  }
}

}  // namespace counterflow
