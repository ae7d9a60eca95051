#include "pipelines/counterflow/shift_errors.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <map>
#include <ostream>
#include <sstream>

#include "core/archive/array_file.h"
#include "core/error.h"
#include "core/text.h"

namespace counterflow {
namespace {

constexpr double kSeen = 0.1;  // predicted sd, in scales, below which a combination of parameters counts as seen
constexpr const char* kModesHead = "mode,eigenvalue,sd,";
constexpr const char* kBlocks = "common [node,threshold] and module_shift [node,threshold,module]";

bool is_shift(const LearnedBlock& b) { return b.classname == "BinDrift" && b.unit == "keV"; }
bool has_modules(const LearnedBlock& b) { return b.shape.size() == 3; }

void require_shifts(const LearnedBlock& b, const Array<double, 3>& injected) {
  const bool axes = b.axes == std::vector<std::string>{"node", "threshold"} ||
                    b.axes == std::vector<std::string>{"node", "threshold", "module"};
  if (!axes || b.shape[0] == 0)
    throw DataError(b.gadget + "/" + b.name + ": expected " + kBlocks + " to compare with injected shifts, got [" +
                    joined(b.axes, ",") + "]");
  if (b.shape[1] != injected.extent(1) || (has_modules(b) && b.shape[2] != injected.extent(2)))
    throw DataError(fmt::format("{}/{}: expected {} thresholds and {} modules as in the scan, got {} and {}", b.gadget, b.name,
                                injected.extent(1), injected.extent(2), b.shape[1], has_modules(b) ? b.shape[2] : 0));
}

// Index of node n, threshold k, module j.
std::size_t place(const LearnedBlock& b, std::size_t n, std::size_t k, std::size_t j) {
  return has_modules(b) ? (n * b.shape[1] + k) * b.shape[2] + j : n * b.shape[1] + k;
}

// visit(node, threshold, module, value); of a block without modules each once, module 0.
void each_place(LearnedBlock& b, auto&& visit) {
  const std::size_t modules = has_modules(b) ? b.shape[2] : 1;
  for (std::size_t i = 0; i < b.values.size(); ++i)
    visit(i / modules / b.shape[1], i / modules % b.shape[1], i % modules, b.values[i]);
}

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream in(line);
  for (std::string cell; std::getline(in, cell, ',');) cells.push_back(cell);
  return cells;
}

double number_of(const std::string& cell, const std::string& where) {
  double value = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error != std::errc() || end != cell.data() + cell.size())
    throw DataError(where + ": expected a number, got '" + cell + "'");
  return value;
}

struct Sum {
  double squares = 0, n = 0;
  void add(double v) { squares += v * v, n += 1; }
  double root_mean_square() const { return n > 0 ? std::sqrt(squares / n) : 0; }
};

}  // namespace

Array<double, 3> read_injected_shifts(const std::filesystem::path& scan) {
  const std::string name = scan.string() + ":/dataset/injected/threshold_shift";
  StoredArray stored;
  try {
    stored = read_array(name);
  } catch (const ArchiveError& error) {
    throw DataError(scan.string() + ": learned parameters can be compared with a simulated scan that has a <drift> only (" +
                    error.what() + ")");
  }
  if (stored.shape.size() != 3 || stored.shape[0] != 2) throw DataError(name + ": expected the shape [2,threshold,module]");
  Array<double, 3> out({2, stored.shape[1], stored.shape[2]});
  std::copy(stored.values.begin(), stored.values.end(), out.begin());
  return out;
}

Array<double, 3> summed_shifts(const LearnedParameters& learned, const Array<double, 3>& injected) {
  Array<double, 3> out(injected.shape());
  bool any = false;
  for (const LearnedBlock& b : learned.blocks) {
    if (!is_shift(b)) continue;
    require_shifts(b, injected);
    any = true;
    for (std::size_t t = 0; t < 2; ++t)
      for (std::size_t k = 0; k < out.extent(1); ++k)
        for (std::size_t j = 0; j < out.extent(2); ++j) out(t, k, j) += b.values[place(b, t == 0 ? 0 : b.shape[0] - 1, k, j)];
  }
  if (!any) throw DataError(std::string("the learned parameters hold no shifts of BinDrift, ") + kBlocks);
  return out;
}

LearnedParameters with_injected(const LearnedParameters& learned, const Array<double, 3>& injected) {
  const auto shift = [&](const LearnedBlock& b, std::size_t n, std::size_t k, std::size_t j) {
    const double t = b.shape[0] < 2 ? 0.0 : static_cast<double>(n) / static_cast<double>(b.shape[0] - 1);
    return (1 - t) * injected(0, k, j) + t * injected(1, k, j);
  };
  LearnedParameters out = learned;
  const LearnedBlock* modules = nullptr;
  for (LearnedBlock& b : out.blocks) {
    if (!is_shift(b) || !has_modules(b)) continue;
    require_shifts(b, injected);
    each_place(b, [&](std::size_t n, std::size_t k, std::size_t j, double& value) { value = shift(b, n, k, j); });
    modules = &b;
  }
  for (LearnedBlock& b : out.blocks) {
    if (!is_shift(b) || has_modules(b)) continue;
    require_shifts(b, injected);
    each_place(b, [&](std::size_t n, std::size_t k, std::size_t, double& value) {
      value = 0;
      for (std::size_t j = 0; j < injected.extent(2); ++j) {
        // A block of modules at several times holds all of it, one at a single time what was there at the first view.
        const double in_modules = !modules ? 0 : modules->shape[0] > 1 ? shift(b, n, k, j) : injected(0, k, j);
        value += (shift(b, n, k, j) - in_modules) / static_cast<double>(injected.extent(2));
      }
    });
  }
  return out;
}

SeenModes read_modes(const std::filesystem::path& csv) {
  std::ifstream in(csv);
  std::string line;
  if (!std::getline(in, line) || !line.starts_with(kModesHead))
    throw DataError(csv.string() + ": expected modes as counterflow train --observability writes them");
  SeenModes out{cells_of(line.substr(std::string(kModesHead).size())), {}, {}};
  for (std::size_t number = 2; std::getline(in, line); ++number) {
    const auto cells = cells_of(line);
    if (cells.size() != out.parameters.size() + 3)
      throw DataError(
          fmt::format("{}: line {}: expected {} cells, got {}", csv.string(), number, out.parameters.size() + 3, cells.size()));
    std::vector<double> values;
    for (const auto& cell : cells) values.push_back(number_of(cell, fmt::format("{}: line {}", csv.string(), number)));
    out.sd.push_back(values[2]);
    out.direction.emplace_back(values.begin() + 3, values.end());
  }
  return out;
}

void print_shift_errors(const Array<double, 3>& learned, const Array<double, 3>& injected, std::ostream& out) {
  out << fmt::format("shifts of thresholds [keV], {} modules, first and last view\n  {:<12}{:>14}{:>14}{:>14}\n",
                     injected.extent(2), "threshold", "injected rms", "error rms", "error mean");
  Sum all, all_injected;
  for (std::size_t k = 0; k < injected.extent(1); ++k) {
    Sum error, of_injected;
    double mean = 0;
    for (std::size_t t = 0; t < 2; ++t)
      for (std::size_t j = 0; j < injected.extent(2); ++j) {
        const double e = learned(t, k, j) - injected(t, k, j);
        mean += e;
        error.add(e), all.add(e), of_injected.add(injected(t, k, j)), all_injected.add(injected(t, k, j));
      }
    out << fmt::format("  {:<12}{:>14.3f}{:>14.3f}{:>+14.3f}\n", k, of_injected.root_mean_square(), error.root_mean_square(),
                       mean / error.n);
  }
  out << fmt::format("  {:<12}{:>14.3f}{:>14.3f}\n\n", "all", all_injected.root_mean_square(), all.root_mean_square());
}

void print_mode_errors(const SeenModes& modes, const LearnedParameters& learned, const LearnedParameters& injected,
                       std::ostream& out) {
  std::map<std::string, double> error;
  for (std::size_t b = 0; b < learned.blocks.size(); ++b)
    for (std::size_t i = 0; i < learned.blocks[b].values.size(); ++i)
      error[learned.blocks[b].gadget + "/" + learned.blocks[b].name + "[" + std::to_string(i) + "]"] =
          learned.blocks[b].values[i] - injected.blocks[b].values[i];
  Sum seen, others, predicted;
  for (std::size_t m = 0; m < modes.sd.size(); ++m) {
    double along = 0;
    for (std::size_t i = 0; i < modes.parameters.size(); ++i) {
      const auto found = error.find(modes.parameters[i]);
      if (found == error.end()) throw DataError("the modes are of a parameter that was not learned: " + modes.parameters[i]);
      along += modes.direction[m][i] * found->second;
    }
    (modes.sd[m] < kSeen ? seen : others).add(along);
    if (modes.sd[m] < kSeen) predicted.add(modes.sd[m]);
  }
  out << fmt::format("  {:.0f} modes with a predicted sd below {} keV: error {:.3f} keV rms, predicted {:.3f}\n", seen.n, kSeen,
                     seen.root_mean_square(), predicted.root_mean_square());
  out << fmt::format("  {:.0f} others: error {:.3f} keV rms\n\n", others.n, others.root_mean_square());
}

std::string shift_csv(const Array<double, 3>& learned, const Array<double, 3>& injected) {
  std::string text = "threshold,module,view,learned_keV,injected_keV\n";
  for (std::size_t k = 0; k < injected.extent(1); ++k)
    for (std::size_t j = 0; j < injected.extent(2); ++j)
      for (std::size_t t = 0; t < 2; ++t)
        text += fmt::format("{},{},{},{:.9g},{:.9g}\n", k, j, t == 0 ? "first" : "last", learned(t, k, j), injected(t, k, j));
  return text;
}

}  // namespace counterflow
