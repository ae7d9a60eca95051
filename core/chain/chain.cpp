#include "core/chain/chain.h"

#include <algorithm>

#include "core/digest.h"
#include "core/error.h"
#include "core/xml/document.h"

namespace counterflow {
namespace {

// Text inside an attribute's quotes: line breaks and tabs as references, or a parser would turn them into spaces.
std::string attribute(const std::string& name, const std::string& value) {
  std::string text;
  for (char c : xml_escape(value)) {
    if (c == '\n' || c == '\t' || c == '\r') text += "&#" + std::to_string(static_cast<int>(c)) + ";";
    else text += c;
  }
  return " " + name + "=\"" + text + "\"";
}

template <class Real>
std::string print_gadget(const Chain<Real>& chain, std::size_t k) {
  const auto& stage = *chain.stages[k];
  const std::string element = chain.places[k].in_training ? "loss" : "gadget";
  std::string text = "    <" + element + (chain.places[k].after.empty() ? "" : attribute("after", chain.places[k].after));
  text += (chain.places[k].weight == 1 ? "" : attribute("weight", number_text(chain.places[k].weight))) + ">\n";
  text += "      <name>" + xml_escape(stage.name) + "</name>\n";
  text += "      <dll>" + xml_escape(chain.places[k].dll) + "</dll>\n";
  text += "      <classname>" + xml_escape(stage.classname) + "</classname>\n";
  for (const auto& property : stage.properties())
    text += "      <property" + attribute("name", property.name) + attribute("value", property.value) + "/>\n";
  return text + "    </" + element + ">\n";
}

template <class Real>
std::string print_training(const Chain<Real>& chain) {
  std::string text;
  for (std::size_t k = 0; k < chain.stages.size(); ++k)
    for (TrainedParameter parameter : chain.places[k].trained) {
      text += "    <parameter" + attribute("gadget", chain.stages[k]->name) + attribute("name", parameter.name);
      PropertyList list;
      parameter.describe(list);
      for (const auto& property : list.properties) text += attribute(property.name, property.value);
      text += "/>\n";
    }
  for (std::size_t k = 0; k < chain.stages.size(); ++k)
    if (chain.places[k].in_training) text += print_gadget(chain, k);
  if (!chain.optimiser.name.empty()) {
    text += "    <optimiser" + attribute("name", chain.optimiser.name);
    for (const auto& [name, setting] : chain.optimiser.settings) text += attribute(name, setting.value);
    text += "/>\n";
  }
  const std::string rows = chain.rows_per_block == 0 ? "" : attribute("rows_per_block", std::to_string(chain.rows_per_block));
  return text.empty() ? "" : "  <training" + rows + ">\n" + text + "  </training>\n";
}

}  // namespace

void TrainedParameter::describe(PropertyVisitor& v) {
  v("sigma", sigma, {.text = "Standard deviation of the prior, in the parameter's unit; 0 = its scale.", .min = 0});
  v("weight", weight, {.unit = "1", .text = "Of the prior beside losses, which are means.", .min = 0});
  v("smooth", smooth, {.text = "Axis along which neighbours shall be alike; empty = none."});
  v("smooth_sigma", smooth_sigma, {.text = "Standard deviation between neighbours; 0 = sigma.", .min = 0});
  v("min", min, {.text = "Smallest value, in the parameter's unit."});
  v("max", max, {.text = "Largest value, in the parameter's unit."});
}

template <class Real>
bool Chain<Real>::leaves(std::size_t stage) const {
  const bool sink = stages[stage]->form() == Form::sink;
  if (places[stage].side()) return !sink;
  if (sink && (source(stage) != kScan || places[stage].in_training)) return false;
  for (std::size_t k = stage + 1; k < stages.size(); ++k)
    if (!places[k].side() && !places[k].in_training && (sink || stages[k]->form() != Form::sink)) return false;
  return true;
}

template <class Real>
std::vector<std::string> Chain<Real>::trained_names(std::size_t stage) const {
  std::vector<std::string> names;
  for (const auto& parameter : places[stage].trained) names.push_back(parameter.name);
  return names;
}

template <class Real>
std::size_t Chain<Real>::first_trained() const {
  const auto found = std::ranges::find_if(places, [](const Place& p) { return !p.trained.empty(); });
  return static_cast<std::size_t>(found - places.begin());
}

template <class Real>
bool Chain<Real>::descends(std::size_t stage, std::size_t ancestor) const {
  for (std::size_t k = source(stage); k != kScan; k = source(k))
    if (k == ancestor) return true;
  return false;
}

template <class Real>
bool Chain<Real>::reaches_loss(std::size_t stage) const {
  for (std::size_t k = stage; k < stages.size(); ++k)
    if (stages[k]->has_loss() && (k == stage || descends(k, stage))) return true;
  return false;
}

template <class Real>
std::vector<ScanHeader> Chain<Real>::headers(const ScanHeader& scan) const {
  std::vector<ScanHeader> out;
  for (std::size_t k = 0; k < stages.size(); ++k)
    out.push_back(source(k) == kScan ? scan : stages[source(k)]->output_header(out[source(k)]));
  return out;
}

template <class Real>
void Chain<Real>::check_scan(const ScanHeader& scan) const {
  const bool counts = scan.quantity == Quantity::counts;
  const std::size_t given = counts ? message_index<Real, Counts<Real>>() : message_index<Real, PathLengths<Real>>();
  for (std::size_t k = 0; k < stages.size(); ++k)
    if (source(k) == kScan && stages[k]->in() != given)
      throw ConfigError(stages[k]->where + ": " + stages[k]->name + " takes " + message_name(stages[k]->in()) +
                        (counts ? ", but the scan holds counts: begin with a decomposition (MaximumLikelihood)"
                                : ", but the scan holds line integrals: begin with a reconstruction (FilteredBackprojection)"));
}

template <class Real>
std::string print_chain(const Chain<Real>& chain) {
  std::string text = "<configuration>\n  <version>2</version>\n  <stream>\n";
  for (std::size_t k = 0; k < chain.stages.size(); ++k)
    if (!chain.places[k].in_training) text += print_gadget(chain, k);
  return text + "  </stream>\n" + print_training(chain) + "</configuration>\n";
}

template <class Real>
std::string chain_hash(const Chain<Real>& chain) {
  return sha256(print_chain(chain));
}

template struct Chain<float>;
template struct Chain<double>;
template std::string print_chain(const Chain<float>&);
template std::string print_chain(const Chain<double>&);
template std::string chain_hash(const Chain<float>&);
template std::string chain_hash(const Chain<double>&);

}  // namespace counterflow
