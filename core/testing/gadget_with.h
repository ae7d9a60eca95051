// Gadgets as a chain makes them, for tests.
#pragma once
#include <map>
#include <string>

#include "core/gadget/property.h"

namespace counterflow::testing {

using Settings = std::map<std::string, std::string>;  // name, value

// A gadget with the properties that a chain would give it; misspelt ones are refused.
template <class G>
G gadget_with(const Settings& settings = {}) {
  std::map<std::string, Setting> read;
  for (const auto& [name, value] : settings) read[name] = {value, "test.xml:1"};
  PropertyReader reader(read, "the gadget");
  G gadget;
  gadget.describe(reader);
  reader.finish();
  return gadget;
}

}  // namespace counterflow::testing
