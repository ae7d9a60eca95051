// What the files of the command line share; they alone know CLI11.
#pragma once
#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "pipelines/counterflow/verbs.h"

namespace counterflow {

struct Command {
  CLI::App app{"Counterflow: photon-counting CT, from counts to quantitative material images.", "counterflow"};
  CommonOptions common;
  std::vector<std::string> plugins, data;
  std::string cache, log = "info";
  std::function<void()> action;  // of the verb that was given
};

// A folder of the installation, or of the build tree, that the running program belongs to.
inline std::filesystem::path installed(const char* folder) {
  std::error_code none;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", none);
  return none ? std::filesystem::path(folder) : program.parent_path().parent_path() / folder;
}

// A verb's options live as long as the action that uses them.
template <class Options>
CLI::App* add_verb(Command& c, const std::string& name, const std::string& text, const std::shared_ptr<Options>& options,
                   void (*verb)(const Options&, const CommonOptions&, std::ostream&)) {
  CLI::App* sub = c.app.add_subcommand(name, text);
  sub->allow_extras();
  sub->footer("--threads, --plugins, --data, --cache, --log and --quiet work here too: counterflow --help");
  sub->callback([&c, options, verb] { c.action = [&c, options, verb] { verb(*options, c.common, std::cout); }; });
  return sub;
}

// Options are read as text and assigned: CLI11 takes a path for a list of paths.
inline CLI::Option* path_option(CLI::App* sub, const std::string& name, std::filesystem::path& path, const std::string& text) {
  return sub->add_option_function<std::string>(
      name, [&path](const std::string& value) { path = value; }, text);
}
// Of the verbs that talk over a network (live_options.cpp).
void add_serve(Command& c);
void add_send(Command& c);

}  // namespace counterflow
