#include "core/chain/chain_text.h"

#include <algorithm>
#include <cstddef>

#include "core/error.h"
#include "core/xml/document.h"

namespace counterflow {
namespace {

constexpr std::size_t kLongestName = 100;
constexpr const char* kGadgetron = "http://gadgetron.org/gadgetron";

// Elements of Gadgetron's that have no place here, and what to use instead.
const std::map<std::string, std::string>& refused_elements() {
  static const std::string side = "attach side gadgets to an earlier one with <gadget after=\"name\">";
  static const std::string maps = "gadgets that map one message to one already run in parallel: put them into <stream> itself";
  static const std::string nodes = "a chain runs on all cores of one machine: put its gadgets into <stream> itself";
  static const std::map<std::string, std::string> elements = {
      {"parallel", side},
      {"branch", side},
      {"merge", side},
      {"pureparallel", maps},
      {"parallelprocess", maps},
      {"purestream", maps},
      {"distributed", nodes},
      {"puredistributed", nodes},
      {"external", "write the step as a gadget, a plugin in C++ (docs/gadgets.md)"}};
  return elements;
}

void refuse_elements(const XmlElement& element) {
  for (const auto& child : element.children) {
    const auto found = refused_elements().find(child.name);
    if (found != refused_elements().end())
      throw ConfigError(child.where + ": <" + child.name +
                        "> is Gadgetron's and has no place in a chain of Counterflow: " + found->second);
    refuse_elements(child);
  }
}

const std::vector<std::string>& known_readers() {
  static const std::vector<std::string> names = {"GadgetIsmrmrdAcquisitionMessageReader",
                                                 "GadgetIsmrmrdWaveformMessageReader",
                                                 "AcquisitionReader",
                                                 "WaveformReader",
                                                 "ImageReader",
                                                 "gadgetron::core::readers::AcquisitionReader",
                                                 "gadgetron::core::readers::WaveformReader",
                                                 "gadgetron::core::readers::ImageReader",
                                                 "Gadgetron::Core::Readers::AcquisitionReader",
                                                 "Gadgetron::Core::Readers::WaveformReader",
                                                 "Gadgetron::Core::Readers::ImageReader"};
  return names;
}

const std::vector<std::string>& known_writers() {
  static const std::vector<std::string> names = {"MRIImageWriter",
                                                 "ImageWriter",
                                                 "AcquisitionWriter",
                                                 "TextWriter",
                                                 "gadgetron::core::writers::ImageWriter",
                                                 "gadgetron::core::writers::AcquisitionWriter",
                                                 "Gadgetron::Core::Writers::ImageWriter",
                                                 "Gadgetron::Core::Writers::AcquisitionWriter",
                                                 "Gadgetron::Core::Writers::TextWriter"};
  return names;
}

// Text of the one child of that name; "" where there is none.
std::string only_text(const XmlElement& element, const std::string& name) {
  const XmlElement* found = nullptr;
  for (const auto& child : element.children) {
    if (child.name != name) continue;
    if (found) throw ConfigError(child.where + ": a second <" + name + "> in one <" + element.name + ">: keep one");
    found = &child;
  }
  return found ? found->text : "";
}

void check_attributes(const XmlElement& element, const std::vector<std::string>& names) {
  for (const auto& [name, value] : element.attributes)
    if (std::find(names.begin(), names.end(), name) == names.end())
      throw ConfigError(element.where + ": <" + element.name + "> has no attribute '" + name + "'" + did_you_mean(name, names));
}

// Of an attribute or a child element, whichever is there.
std::string either(const XmlElement& element, const std::string& name) {
  const auto attribute = element.attributes.find(name);
  if (attribute == element.attributes.end()) return only_text(element, name);
  if (element.child(name))
    throw ConfigError(element.where + ": <" + element.name + "> has '" + name + "' both as attribute and as element: keep one");
  return attribute->second;
}

void read_property(const XmlElement& element, GadgetText& gadget) {
  element.allow_children({"name", "value"});
  check_attributes(element, {"name", "value"});
  const std::string name = either(element, "name");
  if (name.empty()) throw ConfigError(element.where + ": <property> needs a name: <property name=\"...\" value=\"...\"/>");
  if (!element.attributes.count("value") && !element.child("value"))
    throw ConfigError(element.where + ": property '" + name + "' needs a value: <property name=\"" + name + "\" value=\"...\"/>");
  if (!gadget.properties.emplace(name, Setting{either(element, "value"), element.where}).second)
    throw ConfigError(element.where + ": property '" + name + "' is set twice in one gadget: keep one");
}

void check_name(const GadgetText& gadget) {
  const auto bad = [](char c) { return static_cast<unsigned char>(c) < 32 || c == '/'; };
  if (gadget.name.size() > kLongestName || std::any_of(gadget.name.begin(), gadget.name.end(), bad) || gadget.name == "." ||
      gadget.name == "..")
    throw ConfigError(gadget.where + ": a gadget's name has at most " + std::to_string(kLongestName) +
                      " characters, without '/' and line breaks, and is not '.' or '..'");
}

GadgetText read_gadget(const XmlElement& element) {
  element.allow_children({"name", "dll", "classname", "after", "property"});
  GadgetText gadget;
  gadget.where = element.where;
  gadget.is_loss = element.name == "loss";
  check_attributes(element, gadget.is_loss ? std::vector<std::string>{"after", "weight"} : std::vector<std::string>{"after"});
  if (const auto weight = element.attributes.find("weight"); weight != element.attributes.end()) gadget.weight = weight->second;
  gadget.dll = only_text(element, "dll");
  gadget.classname = only_text(element, "classname");
  gadget.after = either(element, "after");
  for (const char* needed : {"dll", "classname"})
    if (only_text(element, needed).empty())
      throw ConfigError(element.where + ": <" + element.name + "> needs a <" + needed + ">; `counterflow describe` lists them");
  gadget.name = only_text(element, "name");
  if (gadget.name.empty()) gadget.name = gadget.classname;
  check_name(gadget);
  for (const auto& child : element.children)
    if (child.name == "property") read_property(child, gadget);
  return gadget;
}

void read_port(const XmlElement& element) {
  element.allow_children({"slot", "dll", "classname"});
  const auto& known = element.name == "reader" ? known_readers() : known_writers();
  const std::string classname = only_text(element, "classname");
  if (std::find(known.begin(), known.end(), classname) == known.end())
    throw ConfigError(element.where + ": " + element.name + " '" + classname +
                      "' is unknown: remove it, what is read and written " + "follows from the gadgets" +
                      did_you_mean(classname, known));
}

void read_ports(const XmlElement& element, const std::string& name) {
  element.allow_children({name});
  for (const auto& child : element.children) read_port(child);
}

void read_training(const XmlElement& element, ChainText& chain) {
  element.allow_children({"parameter", "loss", "optimiser"});
  for (const auto& [name, value] : element.attributes) chain.training[name] = {value, element.where};
  for (const auto& child : element.children) {
    if (child.name == "loss") chain.gadgets.push_back(read_gadget(child));
    if (child.name == "parameter") {
      const auto attribute = [&](const char* name) {
        const auto found = child.attributes.find(name);
        return found == child.attributes.end() ? std::string() : found->second;
      };
      if (attribute("gadget").empty())
        throw ConfigError(child.where + ": <parameter> needs gadget=\"name\", one of the gadgets above");
      ParameterText parameter{attribute("gadget"), attribute("name"), {}, child.where};
      for (const auto& [name, value] : child.attributes)
        if (name != "gadget" && name != "name") parameter.settings[name] = {value, child.where};
      chain.parameters.push_back(std::move(parameter));
    }
    if (child.name == "optimiser") {
      if (!chain.optimiser.empty()) throw ConfigError(child.where + ": a second <optimiser>: keep one");
      if (!child.attributes.count("name")) throw ConfigError(child.where + ": <optimiser> needs a name");
      for (const auto& [name, value] : child.attributes) chain.optimiser[name] = {value, child.where};
    }
  }
}

const XmlElement* only_child(const XmlElement& root, const std::string& name) {
  only_text(root, name);  // refuses a second one
  return root.child(name);
}

ChainText read_version_2(const XmlElement& root) {
  root.allow_children({"version", "readers", "writers", "stream", "training"});
  if (const auto* version = only_child(root, "version"); version && version->text != "2")
    throw ConfigError(version->where + ": expected version 2, got '" + version->text + "'");
  if (const auto* readers = only_child(root, "readers")) read_ports(*readers, "reader");
  if (const auto* writers = only_child(root, "writers")) read_ports(*writers, "writer");
  ChainText chain;
  const auto* stream = only_child(root, "stream");
  if (!stream) throw ConfigError(root.where + ": <configuration> needs a <stream> with gadgets");
  stream->allow_children({"gadget"});
  for (const auto& child : stream->children) chain.gadgets.push_back(read_gadget(child));
  if (const auto* training = only_child(root, "training")) read_training(*training, chain);
  return chain;
}

ChainText read_version_1(const XmlElement& root) {
  root.allow_children({"reader", "writer", "gadget", "training"});
  ChainText chain;
  for (const auto& child : root.children) {
    if (child.name == "reader" || child.name == "writer") read_port(child);
    if (child.name == "gadget") chain.gadgets.push_back(read_gadget(child));
  }
  if (const auto* training = only_child(root, "training")) read_training(*training, chain);
  return chain;
}

// The schema has no namespace; Gadgetron's files of version 1 often have one.
std::string schema_for(const std::string& xml) {
  std::string schema = chain_schema();
  if (xml.find(std::string("xmlns=\"") + kGadgetron) == std::string::npos) return schema;
  const std::string start = "<xs:schema ";
  const std::string name = std::string("\"") + kGadgetron + "\"";
  schema.insert(schema.find(start) + start.size(),
                "xmlns=" + name + " targetNamespace=" + name + " elementFormDefault=\"qualified\" ");
  return schema;
}

void check_names(const std::vector<GadgetText>& gadgets) {
  std::map<std::string, std::string> seen;
  for (const auto& gadget : gadgets) {
    const auto [first, fresh] = seen.emplace(gadget.name, gadget.where);
    if (!fresh)
      throw ConfigError(gadget.where + ": a second gadget is called '" + gadget.name + "' (the first: " + first->second +
                        "): give it a <name> of its own");
  }
}

}  // namespace

ChainText parse_chain_text(const std::string& xml, const std::string& file) {
  if (xml.size() > kLargestChainFile)
    throw ConfigError(file + ": a chain has at most " + std::to_string(kLargestChainFile / 1024) +
                      " KiB, this has more: remove what is not a gadget");
  const XmlElement root = parse_xml(xml, file);
  refuse_elements(root);
  const std::vector<std::string> roots = {"configuration", "gadgetronStreamConfiguration"};
  if (std::find(roots.begin(), roots.end(), root.name) == roots.end())
    throw ConfigError(root.where + ": a chain begins with <configuration>, got <" + root.name + ">" +
                      did_you_mean(root.name, roots));
  ChainText chain = root.name == roots[0] ? read_version_2(root) : read_version_1(root);
  if (chain.gadgets.empty() || chain.gadgets.front().is_loss)
    throw ConfigError(root.where + ": the chain has no gadget; `counterflow describe` lists those there are");
  check_names(chain.gadgets);
  parse_xml(xml, file, schema_for(xml));  // what the friendlier checks above let pass
  return chain;
}

}  // namespace counterflow
