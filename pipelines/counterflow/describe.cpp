#include <ostream>
#include <vector>

#include "core/chain/chain_text.h"
#include "core/chain/plugin.h"
#include "core/error.h"
#include "pipelines/counterflow/manual.h"
#include "pipelines/counterflow/verbs.h"

namespace counterflow {
namespace {

void list_all(const std::vector<PluginFolders::Found>& all, std::ostream& out) {
  for (const auto& found : all) out << (found.gadget ? manual_headline(found) : found.problem) << "\n";
}

void describe_one(const std::vector<PluginFolders::Found>& all, const std::string& name, std::ostream& out) {
  std::vector<std::string> names;
  bool shown = false;
  for (const auto& found : all) {
    const bool plugin = found.dll == name || found.dll == "counterflow_" + name;
    if (!found.gadget) {
      if (plugin) throw ConfigError(found.problem);
      continue;
    }
    names.emplace_back(found.gadget->classname);
    if (!plugin && name != found.gadget->classname) continue;
    out << (shown ? "\n" : "") << manual_page(found);
    shown = true;
  }
  if (!shown) throw ConfigError("no gadget '" + name + "'" + did_you_mean(name, names));
}

}  // namespace

void describe(const DescribeOptions& options, const CommonOptions& common, std::ostream& out) {
  if (options.xsd) {
    out << chain_schema();
    return;
  }
  const PluginFolders plugins(common.plugins);
  const auto all = plugins.all();
  if (all.empty()) {
    std::vector<std::string> folders;
    for (const auto& folder : plugins.folders()) folders.push_back(folder.string());
    throw ConfigError("no plugins in " + joined(folders, ", ") + ": name their folder with --plugins");
  }
  if (options.gadget.empty()) list_all(all, out);
  else describe_one(all, options.gadget, out);
}

}  // namespace counterflow
