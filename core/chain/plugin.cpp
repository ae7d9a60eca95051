#include "core/chain/plugin.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <system_error>

namespace counterflow {
namespace {

namespace fs = std::filesystem;
constexpr const char* kPrefix = "lib";
constexpr const char* kSuffix = ".so";
constexpr std::size_t kLongestName = 100;

bool is_plugin_name(const std::string& name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && name.size() <= kLongestName && std::all_of(name.begin(), name.end(), allowed);
}

std::string folder_list(const std::vector<fs::path>& folders) {
  std::vector<std::string> names;
  for (const auto& folder : folders) names.push_back(folder.string());
  return names.empty() ? "no plugin folder" : joined(names, ", ");
}

void check_tag(const void* tag, const std::string& what) {
  if (!tag)
    throw ConfigError(
        what + " is no plugin of Counterflow: it has no symbol counterflow_abi_tag; end its source with COUNTERFLOW_PLUGIN");
  constexpr char kExpected[] = COUNTERFLOW_ABI_TAG;
  const char* text = static_cast<const char*>(tag);
  if (std::strncmp(text, kExpected, sizeof kExpected) == 0) return;
  throw ConfigError(what + " was built for '" + printable(std::string(text, strnlen(text, kLongestName))) +
                    "', this program is '" + kExpected + "': build it again with this program's headers and compiler");
}

std::vector<const GadgetEntry*> open_plugin(const fs::path& file, const std::string& what) {
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* reason = dlerror();
    throw ConfigError(what + " does not load: " + (reason ? reason : "the loader gave no reason"));
  }
  check_tag(dlsym(library, "counterflow_abi_tag"), what);
  const auto* table = static_cast<const GadgetEntry*>(dlsym(library, "counterflow_gadgets"));
  if (!table)
    throw ConfigError(what +
                      " has no table counterflow_gadgets: end its source with COUNTERFLOW_PLUGIN(COUNTERFLOW_GADGET(Class))");
  std::vector<const GadgetEntry*> entries;
  for (; table->classname; ++table) entries.push_back(table);
  return entries;
}

}  // namespace

std::vector<std::string> PluginFolders::names() const {
  std::set<std::string> names;
  for (const auto& folder : folders_) {
    std::error_code missing;  // a folder that is not there has no plugins
    for (const auto& entry : fs::directory_iterator(folder, missing)) {
      const std::string file = entry.path().filename().string();
      const std::size_t affixes = std::strlen(kPrefix) + std::strlen(kSuffix);
      if (file.size() > affixes && file.starts_with(kPrefix) && file.ends_with(kSuffix)) {
        const std::string name = file.substr(std::strlen(kPrefix), file.size() - affixes);
        if (is_plugin_name(name)) names.insert(name);
      }
    }
  }
  return {names.begin(), names.end()};
}

std::vector<const GadgetEntry*> PluginFolders::gadgets(const std::string& dll, const std::string& where) const {
  if (!is_plugin_name(dll))
    throw ConfigError(where + ": <dll> is the name of a plugin (letters, digits and '_', at most " +
                      std::to_string(kLongestName) + "), never a path: got '" + printable(dll) +
                      "'; name its folder with --plugins");
  for (const auto& folder : folders_) {
    const fs::path file = fs::absolute(folder) / (kPrefix + dll + kSuffix);
    std::error_code missing;
    if (fs::exists(file, missing)) return open_plugin(file, where + ": plugin '" + dll + "' (" + file.string() + ")");
  }
  const auto known = names();
  throw ConfigError(where + ": no plugin '" + dll + "' in " + folder_list(folders_) + did_you_mean(dll, known) +
                    (known.empty() ? ": name its folder with --plugins" : ""));
}

const GadgetEntry& PluginFolders::gadget(const std::string& dll, const std::string& classname, const std::string& where) const {
  std::vector<std::string> classes;
  for (const auto* entry : gadgets(dll, where)) {
    if (classname == entry->classname) return *entry;
    classes.emplace_back(entry->classname);
  }
  std::string hint = did_you_mean(classname, classes);
  for (const auto& found : all())
    if (found.gadget && classname == found.gadget->classname) hint = "; it is in <dll>" + found.dll + "</dll>";
  throw ConfigError(where + ": no class '" + printable(classname) + "' in " + dll + hint);
}

std::vector<PluginFolders::Found> PluginFolders::all() const {
  std::vector<Found> out;
  for (const auto& dll : names()) {
    try {
      for (const auto* entry : gadgets(dll, dll)) out.push_back({dll, entry, ""});
    } catch (const ConfigError& error) {
      out.push_back({dll, nullptr, error.what()});
    }
  }
  return out;
}

}  // namespace counterflow
