// The manual page of a gadget, made of what its class declares: kManual, form, types and properties.
#pragma once
#include <string>

#include "core/chain/plugin.h"

namespace counterflow {

// One line: class, plugin, form and types.
std::string manual_headline(const PluginFolders::Found& gadget);
// Text, form and types, adjoint, what it learns, the table of properties.
std::string manual_page(const PluginFolders::Found& gadget);
// The example at the end of a manual text: its <gadget> or <loss> elements; "" where there is none.
std::string manual_example(const std::string& manual);

}  // namespace counterflow
