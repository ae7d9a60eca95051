#include "core/chain/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace counterflow {
namespace {

constexpr std::size_t kScan = Chain<float>::kScan;

std::size_t bytes_of_scan_message(const ScanHeader& scan) {
  const auto& g = scan.geometry;
  return checked_size(checked_size(scan.bins(), g.rows), checked_size(g.columns, sizeof(float)));
}

std::vector<Footprint> footprints(const Chain<float>& chain, const ScanHeader& scan) {
  const auto headers = chain.headers(scan);
  std::vector<Footprint> out;
  for (std::size_t k = 0; k < chain.stages.size(); ++k) out.push_back(chain.stages[k]->footprint(headers[k]));
  return out;
}

// "scan", or the gadget that a stage takes its input from.
std::string source_name(const Chain<float>& chain, std::size_t k) {
  return chain.source(k) == kScan ? "scan" : chain.stages[chain.source(k)]->name;
}

std::size_t width(const std::vector<std::string>& texts) {
  std::size_t out = 0;
  for (const auto& text : texts) out = std::max(out, text.size());
  return out;
}

using Row = std::vector<std::string>;

std::string table(const std::vector<Row>& rows) {
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) {
      Row column;
      for (const auto& other : rows) column.push_back(other[c]);
      line += fmt::format("{:<{}}  ", row[c], width(column));
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

Row stage_row(const Chain<float>& chain, std::size_t k) {
  const auto& stage = *chain.stages[k];
  const bool sink = stage.form() == Form::sink;
  std::string notes = stage.differentiable() ? "adjoint" : sink && !stage.has_loss() ? "observes" : "no adjoint";
  if (stage.calibrates()) notes += ", calibrates";
  if (stage.has_loss()) notes += ", loss";
  if (!chain.places[k].trained.empty()) notes += ", trained: " + joined(chain.trained_names(k), " ");
  if (chain.leaves(k)) notes += ", leaves the chain";
  return {stage.name, form_name(stage.form()),
          sink ? message_name(stage.in()) : fmt::format("{} -> {}", message_name(stage.in()), message_name(stage.out())),
          source_name(chain, k), notes};
}

std::string memory_text(const Chain<float>& chain, const ScanHeader& scan, std::size_t tokens) {
  const auto sizes = footprints(chain, scan);
  std::vector<Row> rows = {{"memory", "a message", "state", "emitted"},
                           {"scan", bytes_text(bytes_of_scan_message(scan)), "", ""}};
  for (std::size_t k = 0; k < sizes.size(); ++k) {
    const Form form = chain.stages[k]->form();
    rows.push_back({chain.stages[k]->name, form == Form::sink ? "" : bytes_text(sizes[k].message), bytes_text(sizes[k].state),
                    form == Form::fold ? std::to_string(sizes[k].emitted) : ""});
  }
  return table(rows) + fmt::format("live memory at most {} with {} messages in flight\n",
                                   bytes_text(memory_bound(chain, scan, tokens)), tokens);
}

std::string gradient_text(const Chain<float>& chain) {
  const std::size_t first = chain.first_trained();
  if (first == chain.stages.size()) {
    std::size_t from = chain.stages.size();
    const auto passes = [&](std::size_t k) {
      const auto& s = *chain.stages[k];
      return s.differentiable() || (s.form() == Form::sink && !s.has_loss());
    };
    while (from > 0 && passes(from - 1)) --from;
    if (from == chain.stages.size()) return "gradient path: none, the last gadget has no adjoint\n";
    return fmt::format("gradient path: nothing is trained; gadgets from {} on could be\n", chain.stages[from]->name);
  }
  std::string text;
  for (std::size_t loss = 0; loss < chain.stages.size(); ++loss) {
    if (!chain.stages[loss]->has_loss()) continue;
    std::vector<std::string> path = {chain.stages[loss]->name};
    for (std::size_t k = chain.source(loss); k != kScan && k >= first; k = chain.source(k))
      path.push_back(chain.stages[k]->name +
                     (!chain.places[k].trained.empty() ? fmt::format(" [{}]", joined(chain.trained_names(k), " ")) : ""));
    text += "gradient path: " + joined(path, " -> ") + "\n";
  }
  return text;
}

}  // namespace

std::string bytes_text(std::size_t bytes) {
  constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return fmt::format("{:.{}f} {}", value, unit == 0 ? 0 : 1, kUnits[unit]);
}

std::size_t memory_bound(const Chain<float>& chain, const ScanHeader& scan, std::size_t tokens) {
  const auto sizes = footprints(chain, scan);
  std::size_t bound = checked_size(tokens, bytes_of_scan_message(scan));
  for (std::size_t k = 0; k < sizes.size(); ++k) {
    bound += sizes[k].state;
    if (chain.stages[k]->form() == Form::map) bound += checked_size(tokens, sizes[k].message);
    if (chain.stages[k]->form() == Form::fold) bound += checked_size(sizes[k].emitted + 1, sizes[k].message);  // and a preview
  }
  return bound;
}

std::string plan_text(const Chain<float>& chain, const ScanHeader* scan, std::size_t tokens) {
  if (scan) chain.check_scan(*scan);
  std::vector<Row> rows = {{"gadget", "form", "types", "takes from", ""}};
  for (std::size_t k = 0; k < chain.stages.size(); ++k) rows.push_back(stage_row(chain, k));
  return table(rows) + gradient_text(chain) + (scan ? memory_text(chain, *scan, tokens) : "");
}

}  // namespace counterflow
