// The command line of `counterflow`: options to values, errors to one sentence.
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "core/archive/archive.h"
#include "core/error.h"
#include "core/text.h"
#include "pipelines/counterflow/options.h"

namespace counterflow {
namespace {

namespace fs = std::filesystem;
constexpr int kFailed = 1, kWrongCommandLine = 2;

std::vector<fs::path> paths(const std::vector<std::string>& texts) { return {texts.begin(), texts.end()}; }

// $XDG_CACHE_HOME/counterflow, else ~/.cache/counterflow, else none.
std::string default_cache() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache) return std::string(cache) + "/counterflow";
  if (const char* home = std::getenv("HOME"); home && *home) return std::string(home) + "/.cache/counterflow";
  return "";
}

void add_common(Command& c) {
  const char* group = "Options of every verb";
  c.app.add_option("--threads", c.common.threads, "Threads that compute; 0 = all cores")
      ->check(CLI::Range(0, 1024))
      ->group(group);
  c.app.add_option("--plugins", c.plugins, "A folder of plugins, looked into before the installation's")
      ->expected(1)
      ->group(group);
  c.app.add_option("--data", c.data, "A folder of files that scans and scenarios name")->expected(1)->group(group);
  c.app.add_option("--cache", c.cache, "Where computed detector responses are kept; \"\" = nowhere")->group(group);
  c.app.add_option("--log", c.log, "error = as --quiet; info; debug = also what is looked for where")
      ->check(CLI::IsMember({"error", "info", "debug"}))
      ->group(group);
  c.app.add_flag("--quiet", c.common.quiet, "No progress, no remarks")->group(group);
  for (const char* name : {"--plugins", "--data"}) c.app.get_option(name)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

template <class T>
CLI::Option* optional_option(CLI::App* sub, const std::string& name, std::optional<T>& target, const std::string& text) {
  return sub->add_option_function<T>(
      name, [&target](const T& value) { target = value; }, text);
}
CLI::Option* optional_option(CLI::App* sub, const std::string& name, std::optional<fs::path>& target, const std::string& text) {
  return sub->add_option_function<std::string>(
      name, [&target](const std::string& value) { target = value; }, text);
}

void add_simulate(Command& c) {
  const auto o = std::make_shared<SimulateOptions>();
  auto* sub = add_verb(c, "simulate", "Simulate a scan of a scenario", o, simulate);
  path_option(sub, "SCENARIO", o->scenario, "Scenario, XML")->required();
  path_option(sub, "-o,--output", o->output, "Scan archive to write")->required();
  optional_option(sub, "--seed", o->seed, "Seed of the noise, instead of the scenario's")->check(CLI::NonNegativeNumber);
  sub->add_flag("--compact", o->compact, "Write counts as compressed integers, four and more times smaller");
}

void add_convert(Command& c) {
  const auto o = std::make_shared<ConvertOptions>();
  auto* sub = add_verb(c, "convert", "Turn a scan archive into its compact form, or back", o, convert);
  path_option(sub, "SCAN", o->input, "Scan archive")->required();
  path_option(sub, "-o,--output", o->output, "Scan archive to write")->required();
  auto* compact = sub->add_flag("--compact", o->compact, "Counts as compressed integers; default for a plain scan");
  sub->add_flag("--plain", o->plain, "Acquisitions that any ISMRMRD tool reads; default for a compact scan")->excludes(compact);
}

void add_run(Command& c) {
  const auto o = std::make_shared<RunOptions>();
  auto* sub = add_verb(c, "run", "Run a scan through a chain", o, run);
  path_option(sub, "CHAIN", o->chain, "Chain, XML")->required();
  sub->add_option("SCAN", o->input, "Scan archive, or - for standard input")->required();
  sub->add_option("-o,--output", o->output, "Images to write, or - for standard output (the default where SCAN is -)");
  optional_option(sub, "--parameters", o->parameters, "What training has learned, instead of the gadgets' initial parameters");
  const auto dicom = std::make_shared<DicomOptions>();
  const auto* flag =
      sub->add_flag("--dicom")->description("Write a folder of DICOM CT images, one series a channel, instead of a file");
  sub->add_option("--patient-name", dicom->patient_name, "Of the DICOM images")->needs("--dicom")->capture_default_str();
  sub->add_option("--patient-id", dicom->patient_id, "Of the DICOM images")->needs("--dicom")->capture_default_str();
  sub->callback([&c, o, dicom, flag] {
    if (flag->count() > 0) o->dicom = *dicom;
    if (o->output.empty() && o->input == "-") o->output = "-";
    if (o->output.empty()) throw CLI::RequiredError("--output");
    c.action = [&c, o] { run(*o, c.common, std::cout); };
  });
}

void add_train(Command& c) {
  const auto o = std::make_shared<TrainOptions>();
  auto* sub = add_verb(c, "train", "Learn the parameters that a chain's <training> names, from archives", o, train);
  path_option(sub, "CHAIN", o->chain, "Chain with <training>, XML")->required();
  sub->add_option("SCAN", o->scans, "Scan archives to learn from")->required();
  const auto* output = path_option(sub, "-o,--output", o->output, "Learned parameters to write, HDF5");
  optional_option(sub, "--parameters", o->parameters, "Learned parameters to begin with");
  sub->add_flag("--resume", o->resume, "Go on from the last checkpoint of the same output, to the same bits");
  const auto* look = sub->add_flag("--observability", o->observability,
                                   "Instead: which combinations of the parameters these losses and scans can see, and how well");
  sub->add_option("--memory", o->memory, "GiB that messages may take between forward and backward; else they are computed again")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  sub->callback([&c, o, output, look] {
    if (output->count() == 0 && look->count() == 0) throw CLI::RequiredError("--output");
    c.action = [&c, o] { train(*o, c.common, std::cout); };
  });
}

void add_check(Command& c) {
  const auto o = std::make_shared<CheckOptions>();
  auto* sub = add_verb(c, "check", "Show the types, memory bound and gradient path of a chain; starts nothing", o, check);
  path_option(sub, "CHAIN", o->chain, "Chain, XML")->required();
  optional_option(sub, "SCAN", o->scan, "Scan archive, for the memory bound");
  sub->add_flag("--print-chain", o->print_chain, "Write the chain with every default filled in");
}

void add_describe(Command& c) {
  const auto o = std::make_shared<DescribeOptions>();
  auto* sub = add_verb(c, "describe", "List all gadgets, or show the manual page of one", o, describe);
  sub->add_option("GADGET", o->gadget, "Class or plugin");
  sub->add_flag("--xsd", o->xsd, "Print the schema of chain files");
}

// Three numbers: a circle [mm].
void circle_option(CLI::App* sub, const std::string& name, std::optional<std::array<double, 3>>& target, const std::string& type,
                   const std::string& text) {
  sub->add_option_function<std::vector<double>>(
         name,
         [&target](const std::vector<double>& v) {
           target = {v.at(0), v.at(1), v.at(2)};
         },
         text)
      ->expected(3)
      ->delimiter(',')
      ->type_name(type);
}

void add_evaluate(Command& c) {
  const auto o = std::make_shared<EvaluateOptions>();
  auto* sub = add_verb(c, "evaluate", "Compare images with the truth of their scan; measure resolution and noise", o, evaluate);
  path_option(sub, "IMAGES", o->images, "Images; or learned parameters, whose shifts are compared with injected ones")
      ->required();
  path_option(sub, "SCAN", o->scan, "Scan archive with the truth")->required();
  optional_option(sub, "-o,--output", o->table, "Table to write, CSV");
  optional_option(sub, "--against", o->against, "Other images of the same scan: how the first differ from them");
  optional_option(sub, "--modes", o->modes, "Of learned parameters: errors along these modes (train --observability)");
  optional_option(sub, "--write-injected", o->write_injected, "Of learned parameters: those that were injected, for run");
  optional_option(sub, "--plots", o->plots, "Folder for the curves of resolution (MTF) and noise (NPS), PNG and CSV");
  circle_option(sub, "--wire", o->wire, "X,Y,D", "Measure the MTF at this wire [mm] (D = diameter, 0: no correction)");
  circle_option(sub, "--edge", o->edge, "X,Y,R", "Measure the MTF at this round edge [mm]");
  circle_option(sub, "--uniform", o->uniform, "X,Y,R", "Measure the NPS within this circle [mm]");
}

void add_view(Command& c) {
  const auto o = std::make_shared<ViewOptions>();
  auto* sub = add_verb(c, "view", "Make a picture of images", o, view);
  path_option(sub, "IMAGES", o->images, "Images")->required();
  path_option(sub, "-o,--output", o->output, "Picture to write, PNG")->required();
  sub->add_option("--material", o->material, "One channel; else a panel of all");
  sub->add_option("--overlay", o->overlay, "A channel laid in colour over the grey one");
  optional_option(sub, "--kev", o->kev, "A monoenergetic image at this energy [keV], made of the materials");
  optional_option(sub, "--slice", o->slice, "Number of the slice from 0; else the middle one")->check(CLI::NonNegativeNumber);
  optional_option(sub, "--profile", o->profile, "A plot along x at this y [mm] instead of pictures");
  sub->add_option_function<std::vector<double>>(
         "--window", [o](const std::vector<double>& w) { o->window = std::pair(w.at(0), w.at(1)); },
         "Centre and width of the grey values")
      ->expected(2)
      ->delimiter(',')
      ->type_name("C,W");
}

void add_import(Command& c) {
  const auto o = std::make_shared<ImportOptions>();
  auto* sub = add_verb(c, "import", "Make a scan archive of plain arrays and a geometry", o, import_scan);
  path_option(sub, "GEOMETRY", o->geometry, "Geometry, XML")->required();
  sub->add_option("ARRAY", o->arrays, "file.npy or file.h5:/path, one a bin or one for all")->required();
  path_option(sub, "-o,--output", o->output, "Scan archive to write")->required();
  optional_option(sub, "--column-offset", o->column_offset, "Centre of rotation [element], instead of the geometry's");
  sub->add_flag("--find-center", o->find_center, "Estimate the centre of rotation from opposite rays");
}

void build(Command& c) {
  c.cache = default_cache();
  c.app.set_version_flag("--version", "counterflow " COUNTERFLOW_VERSION);
  c.app.require_subcommand(1);
  c.app.fallthrough();
  c.app.allow_extras();
  add_common(c);
  for (const auto add : {add_simulate, add_run, add_serve, add_send, add_train, add_check, add_describe, add_evaluate, add_view,
                         add_import, add_convert})
    add(c);
}

std::vector<std::string> verbs(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* sub : app.get_subcommands([](const CLI::App*) { return true; })) names.push_back(sub->get_name());
  return names;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* option : app.get_options())
    for (const auto& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

bool is_option(const std::string& word) { return word.size() > 1 && word[0] == '-'; }

// What is wrong with a command line that did not parse, or that left words over; "" where nothing is. An unknown word explains
// more than what is missing because of it.
std::string complaint(const CLI::App& app, const std::string& error) {
  const auto given = app.get_subcommands();
  const auto extras = app.remaining(true);
  if (given.empty() && !extras.empty() && !is_option(extras.front()))
    return "there is no verb '" + extras.front() + "'" + did_you_mean(extras.front(), verbs(app));
  const std::string verb = given.empty() ? "" : given.front()->get_name() + ": ";
  if (const auto unknown = std::find_if(extras.begin(), extras.end(), is_option); unknown != extras.end()) {
    auto names = option_names(app);
    if (!given.empty())
      for (const auto& name : option_names(*given.front()))
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    return verb + "there is no option '" + *unknown + "'" + did_you_mean(*unknown, names);
  }
  const std::string help = "; see counterflow " + (given.empty() ? "" : given.front()->get_name() + " ") + "--help";
  if (error.empty()) return extras.empty() ? "" : verb + "'" + extras.front() + "' is one argument too many" + help;
  return given.empty() ? "expected a verb: " + joined(verbs(app), ", ") + help : verb + error + help;
}

std::string one_line(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

int fail(const std::string& text, int code) {
  std::cout.flush();
  std::cerr << "counterflow: " << one_line(text) << std::endl;
  return code;
}

void finish_options(Command& c) {
  c.common.plugins = paths(c.plugins);
  c.common.plugins.push_back(installed(COUNTERFLOW_PLUGIN_SUBDIR));
  c.common.data = paths(c.data);
  c.common.cache = c.cache;
  if (c.log == "error") c.common.quiet = true;
  if (c.log != "debug") return;
  for (const auto& folder : c.common.plugins) std::cerr << "counterflow: plugins in " << folder.string() << "\n";
  for (const auto& folder : c.common.data) std::cerr << "counterflow: data in " << folder.string() << "\n";
  std::cerr << "counterflow: cache in " << (c.cache.empty() ? "nothing" : c.cache) << "\n";
}

int act(Command& c) {
  try {
    finish_options(c);
    c.action();
    if (!std::cout.flush()) throw ArchiveError("standard output could not be written to the end");
    return 0;
  } catch (const std::bad_alloc&) {
    return fail("out of memory: run with fewer --threads, or ask `counterflow check` what the chain needs", kFailed);
  } catch (const std::exception& error) {
    return fail(error.what(), kFailed);
  }
}

// Messages of one size come and go all the time: what one leaves is kept for the next, instead of being given back to the system,
// which would have to clear it.
void keep_freed_memory() {
  mallopt(M_MMAP_THRESHOLD, 64 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
  mallopt(M_TOP_PAD, 16 << 20);
}

int command(int argc, char** argv) {
  leave_damaged_files_at_exit();
  keep_freed_memory();
  std::signal(SIGPIPE, SIG_IGN);  // a reader that goes away is a write error, told as one
  Command c;
  build(c);
  std::string wrong;
  try {
    c.app.parse(argc, argv);
    wrong = complaint(c.app, "");
  } catch (const CLI::Success& request) {  // --help, --version
    return c.app.exit(request);
  } catch (const CLI::ConversionError& error) {
    wrong = complaint(c.app, std::string("a value is of another kind than expected: ") + error.what());
  } catch (const CLI::ParseError& error) {
    wrong = complaint(c.app, error.what());
  }
  return wrong.empty() ? act(c) : fail(wrong, kWrongCommandLine);
}

}  // namespace
}  // namespace counterflow

int main(int argc, char** argv) { return counterflow::command(argc, argv); }
