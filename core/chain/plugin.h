// Plugins: shared libraries libcounterflow_<x>.so that hold gadgets, found in folders and never closed (messages, exceptions and
// tables may outlive every chain). A plugin's ABI tag is read as data before anything of it is called.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "core/gadget/export.h"

namespace counterflow {

class PluginFolders {
 public:
  explicit PluginFolders(std::vector<std::filesystem::path> folders) : folders_(std::move(folders)) {}

  const std::vector<std::filesystem::path>& folders() const { return folders_; }
  // Names of all plugins in the folders ("counterflow_fbp"), sorted, whether or not they load.
  std::vector<std::string> names() const;
  // The gadgets of a plugin. `dll` is its name, never a path; the first folder that has it wins. Throws ConfigError "where: ..."
  // that names what is wrong: no such file, the loader's own message, a missing or foreign ABI tag, a missing table.
  std::vector<const GadgetEntry*> gadgets(const std::string& dll, const std::string& where) const;
  // One gadget of a plugin; a misspelt class is answered with the nearest, or with the plugin that has it.
  const GadgetEntry& gadget(const std::string& dll, const std::string& classname, const std::string& where) const;

  struct Found {
    std::string dll;
    const GadgetEntry* gadget = nullptr;  // nullptr: the plugin does not load, `problem` says why
    std::string problem;
  };
  // Every gadget of every plugin, by plugin, and every plugin that does not load.
  std::vector<Found> all() const;

 private:
  std::vector<std::filesystem::path> folders_;
};

}  // namespace counterflow
