// A chain's text and plugins made one Chain: gadgets created, connected, and checked against each other.
#include <algorithm>
#include <fstream>

#include "core/chain/chain.h"
#include "core/chain/chain_text.h"
#include "core/error.h"

namespace counterflow {
namespace {

template <class Real>
std::vector<std::string> names_of(const Chain<Real>& chain) {
  std::vector<std::string> names;
  for (const auto& stage : chain.stages) names.push_back(stage->name);
  return names;
}

template <class Real>
std::size_t index_of(const Chain<Real>& chain, const std::string& name) {
  const auto names = names_of(chain);
  return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

template <class Real>
std::unique_ptr<Stage<Real>> make_stage_of(const GadgetText& text, const PluginFolders& plugins) {
  const GadgetEntry& entry = plugins.gadget(text.dll, text.classname, text.where);
  PropertyReader read(text.properties, text.classname);
  std::unique_ptr<Stage<Real>> stage;
  try {
    if constexpr (std::is_same_v<Real, float>) stage.reset(entry.make_float(read));
    else stage.reset(entry.make_double(read));
  } catch (const ConfigError&) {
    throw;
  } catch (const std::exception& error) {
    throw ConfigError(text.where + ": " + text.name + " cannot be made: " + error.what());
  }
  stage->name = text.name;
  stage->classname = text.classname;
  stage->where = text.where;
  return stage;
}

// The stage whose output the next gadget of the main line takes.
template <class Real>
std::size_t end_of_main_line(const Chain<Real>& chain) {
  for (std::size_t k = chain.stages.size(); k-- > 0;)
    if (!chain.places[k].side() && chain.stages[k]->form() != Form::sink) return k;
  return Chain<Real>::kScan;
}

template <class Real>
std::size_t source_of(const Chain<Real>& chain, const GadgetText& text) {
  if (text.after.empty()) return end_of_main_line(chain);
  const std::size_t k = index_of(chain, text.after);
  if (k == chain.stages.size())
    throw ConfigError(text.where + ": '" + text.name + "' stands after '" + text.after +
                      "', but no gadget before it has this name" + did_you_mean(text.after, names_of(chain)));
  return chain.stages[k]->form() == Form::sink ? chain.source(k) : k;
}

std::string plural(std::size_t type) {
  const std::string name = message_name(type);
  return name.ends_with("s") ? name : name + "s";
}

// What to do where a gadget takes another type than comes: decompositions and reconstructions stand between types.
std::string way_out(std::size_t from, std::size_t to) {
  const std::size_t counts = message_index<float, Counts<float>>(), paths = message_index<float, PathLengths<float>>();
  if (to <= from) return "move it up, before what gives " + plural(from);
  if (from == counts && to == paths) return "put a decomposition (MaximumLikelihood) between";
  if (from == paths) return "put a reconstruction (FilteredBackprojection) between";
  return "put a decomposition (MaximumLikelihood) and a reconstruction (FilteredBackprojection) between";
}

template <class Real>
void check_types(const Chain<Real>& chain, std::size_t k) {
  const auto& stage = *chain.stages[k];
  const std::size_t from = chain.source(k);
  if (from == Chain<Real>::kScan) {
    if (stage.in() == message_index<Real, Image<Real>>())
      throw ConfigError(stage.where + ": " + stage.name +
                        " takes Images, but it stands first and a scan gives Counts or PathLengths: " +
                        "put a decomposition (MaximumLikelihood) and a reconstruction (FilteredBackprojection) before it");
    const auto other = std::ranges::find(chain.places, from, &Place::source);
    const auto& first = *chain.stages[static_cast<std::size_t>(other - chain.places.begin())];
    if (first.in() != stage.in())
      throw ConfigError(stage.where + ": " + stage.name + " takes " + plural(stage.in()) + " of the scan, but " + first.name +
                        " takes " + plural(first.in()) + " of it: a scan gives one of them");
    return;
  }
  const auto& before = *chain.stages[from];
  if (before.out() != stage.in())
    throw ConfigError(stage.where + ": " + stage.name + " takes " + plural(stage.in()) + " but " + before.name +
                      " before it gives " + plural(before.out()) + ": " + way_out(before.out(), stage.in()) +
                      (chain.places[k].side() ? "" : ", or attach it elsewhere with after=\"name\""));
}

double loss_weight(const GadgetText& text) {
  double weight = 1;
  if (text.weight.empty()) return weight;
  PropertyReader read({{"weight", {text.weight, text.where}}}, "<loss>");
  read("weight", weight, {.min = 1e-30, .max = 1e30});
  return weight;
}

template <class Real>
void append(Chain<Real>& chain, const GadgetText& text, const PluginFolders& plugins) {
  const std::size_t source = source_of(chain, text);
  auto stage = make_stage_of<Real>(text, plugins);
  if (text.is_loss && !(stage->form() == Form::sink && stage->has_loss()))
    throw ConfigError(text.where + ": " + text.classname + " is a " + form_name(stage->form()) +
                      " without a loss: put it into <stream>, and a gadget that has a loss here");
  chain.stages.push_back(std::move(stage));
  chain.places.push_back({source, text.after, text.dll, {}, text.is_loss, loss_weight(text)});
  check_types(chain, chain.stages.size() - 1);
}

template <class Real>
void mark_trained(Chain<Real>& chain, const ParameterText& parameter) {
  const std::size_t k = index_of(chain, parameter.gadget);
  if (k == chain.stages.size())
    throw ConfigError(parameter.where + ": no gadget is called '" + parameter.gadget + "'" +
                      did_you_mean(parameter.gadget, names_of(chain)));
  const auto known = chain.stages[k]->parameter_names();
  if (known.empty())
    throw ConfigError(parameter.where + ": " + parameter.gadget + " (" + chain.stages[k]->classname +
                      ") has nothing to learn: train another gadget");
  if (!parameter.name.empty() && std::find(known.begin(), known.end(), parameter.name) == known.end())
    throw ConfigError(parameter.where + ": " + parameter.gadget + " has no parameter '" + parameter.name + "'" +
                      did_you_mean(parameter.name, known));
  auto& trained = chain.places[k].trained;
  const auto wanted = parameter.name.empty() ? known : std::vector<std::string>{parameter.name};
  for (const auto& name : wanted) {
    if (std::ranges::find(trained, name, &TrainedParameter::name) != trained.end())
      throw ConfigError(parameter.where + ": parameter '" + name + "' of " + parameter.gadget + " is named twice: keep one");
    trained.emplace_back().name = name;
    PropertyReader read(parameter.settings, "<parameter>");
    trained.back().describe(read);
    read.finish();
    if (!(trained.back().min < trained.back().max))
      throw ConfigError(parameter.where + ": parameter '" + name + "' of " + parameter.gadget + ": expected min < max");
  }
}

// The mixing rule: from the first trained gadget on, every gadget has an adjoint (a Sink without a loss only observes); before
// it anything goes. Calibration views that pass a trained gadget would make State depend on parameters unseen by adjoints.
// And what is trained must reach a loss.
template <class Real>
void check_mixing(const Chain<Real>& chain) {
  const std::size_t first = chain.first_trained();
  for (std::size_t k = first; k < chain.stages.size(); ++k) {
    const auto& stage = *chain.stages[k];
    const std::string& trained = chain.stages[first]->name;
    if (!stage.differentiable() && (stage.form() != Form::sink || stage.has_loss()))
      throw ConfigError(stage.where + ": " + stage.name + " has no adjoint" +
                        (k == first ? ", so it cannot be trained: train another gadget, or write its adjoint (docs/gadgets.md)"
                                    : " but stands after the trained " + trained +
                                          ": move it up, train a later gadget, or write its adjoint " + "(docs/gadgets.md)"));
    for (std::size_t t = first; t < k; ++t)
      if (!chain.places[t].trained.empty() && stage.calibrates() && chain.descends(k, t))
        throw ConfigError(stage.where + ": " + stage.name + " is calibrated with views that pass through the trained " +
                          chain.stages[t]->name + ", and the gradient would miss that: move " + stage.name + " before " +
                          chain.stages[t]->name + ", or train a later gadget");
    if (!chain.places[k].trained.empty() && !chain.reaches_loss(k))
      throw ConfigError(stage.where + ": " + stage.name +
                        " is trained, but no loss sees what it does: add a <loss> to <training>");
  }
}

// At most one byte more than a chain may have.
std::string content_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::string content(kLargestChainFile + 1, '\0');
  in.read(content.data(), static_cast<std::streamsize>(content.size()));
  if (in.bad() || !in.is_open() || std::filesystem::is_directory(file))
    throw ConfigError(file.string() + ": cannot be read; give the path of a chain's XML file");
  content.resize(static_cast<std::size_t>(in.gcount()));
  return content;
}

}  // namespace

template <class Real>
Chain<Real> parse_chain(const std::string& xml, const std::string& name, const PluginFolders& plugins) {
  const ChainText text = parse_chain_text(xml, name);
  Chain<Real> chain;
  chain.file = name;
  if (const auto method = text.optimiser.find("name"); method != text.optimiser.end()) {
    chain.optimiser = {method->second.value, text.optimiser, method->second.where};
    chain.optimiser.settings.erase("name");
  }
  PropertyReader read(text.training, "<training>");
  read("rows_per_block", chain.rows_per_block, {.unit = "1", .text = "Rows a block; 0 = all.", .min = 0, .max = 1e9});
  read.finish();
  for (const auto& gadget : text.gadgets) append(chain, gadget, plugins);
  for (const auto& parameter : text.parameters) mark_trained(chain, parameter);
  check_mixing(chain);
  return chain;
}

template <class Real>
Chain<Real> load_chain(const std::filesystem::path& file, const PluginFolders& plugins) {
  return parse_chain<Real>(content_of(file), file.string(), plugins);
}

template Chain<float> parse_chain(const std::string&, const std::string&, const PluginFolders&);
template Chain<double> parse_chain(const std::string&, const std::string&, const PluginFolders&);
template Chain<float> load_chain(const std::filesystem::path&, const PluginFolders&);
template Chain<double> load_chain(const std::filesystem::path&, const PluginFolders&);

}  // namespace counterflow
