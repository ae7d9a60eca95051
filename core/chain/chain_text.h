// What a chain's XML says, before any plugin is asked: Gadgetron's versions 1 and 2 made one (docs/chains.md).
#pragma once
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "core/gadget/property.h"

namespace counterflow {

constexpr std::size_t kLargestChainFile = 256 * 1024;  // bytes

struct GadgetText {
  std::string name;  // the class unless the XML names it
  std::string dll, classname;
  std::string after;  // "" = the main line before it
  std::map<std::string, Setting> properties;
  bool is_loss = false;     // stands in <training>
  std::string weight = "";  // of a loss, as written; "" = 1
  std::string where;        // "file:line"
};

struct ParameterText {
  std::string gadget;
  std::string name;                         // "" = all parameters of the gadget
  std::map<std::string, Setting> settings;  // the other attributes
  std::string where;
};

struct ChainText {
  std::vector<GadgetText> gadgets;  // in the order of the file; losses of <training> last
  std::vector<ParameterText> parameters;
  std::map<std::string, Setting> optimiser;  // attributes of <optimiser>; empty = there is none
  std::map<std::string, Setting> training;   // attributes of <training>
};

// Throws ConfigError "file:line: ...": not XML, too large or deep, not in the schema, an element with no place here.
ChainText parse_chain_text(const std::string& xml, const std::string& file);

// The schema of chain files, xml/schema/chain.xsd.
const std::string& chain_schema();

}  // namespace counterflow
