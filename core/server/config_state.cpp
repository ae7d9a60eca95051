// The first state: which chain? A name in the server's folder, or XML where that is allowed.
#include <algorithm>
#include <filesystem>

#include "core/server/session_state.h"
#include "core/text.h"

namespace counterflow {
namespace {

constexpr std::size_t kLongestChainName = 128;

bool is_chain_name(const std::string& name) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  };
  return !name.empty() && name.size() <= kLongestChainName && name.front() != '.' && std::ranges::all_of(name, good) &&
         name.ends_with(".xml");
}

std::vector<std::string> chain_names(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error))
    if (entry.is_regular_file(error) && is_chain_name(entry.path().filename().string()))
      names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

class ConfigState final : public SessionState {
 public:
  explicit ConfigState(SessionContext& context) : context_(context) {}

  std::unique_ptr<SessionState> take(wire::Frame frame) override {
    if (const auto* file = std::get_if<wire::ConfigFile>(&frame)) return wait_for_header(context_, named(file->name));
    if (const auto* script = std::get_if<wire::ConfigScript>(&frame)) return wait_for_header(context_, sent(script->xml));
    throw ProtocolError("expected a config, the name of a chain (id 1) or its XML (id 2), before anything else");
  }

 private:
  Chain<float> named(const std::string& name) {
    const SessionSettings& settings = context_.settings;
    if (!is_chain_name(name))
      throw ConfigError("'" + printable(name) +
                        "' is no name of a chain: expected letters, digits, '_', '-' and '.', ending in .xml, without a folder; "
                        "the query counterflow::chains lists those there are");
    if (!std::filesystem::is_regular_file(settings.chains / name)) {
      const auto names = chain_names(settings.chains);
      throw ConfigError("this server has no chain '" + name + "'" + did_you_mean(name, names));
    }
    context_.status.chain = name;
    return load_chain<float>(settings.chains / name, PluginFolders(settings.plugins));
  }

  Chain<float> sent(const std::string& xml) {
    const SessionSettings& settings = context_.settings;
    if (!settings.allow_client_chains)
      throw ConfigError(
          "this server takes chains by name (id 1), not as XML: choose one of its own (the query counterflow::chains lists them) "
          "or have it started with --allow-client-chains");
    context_.status.chain = "of the client";
    return parse_chain<float>(xml, "config", PluginFolders(settings.plugins));
  }

  SessionContext& context_;
};

}  // namespace

std::unique_ptr<SessionState> wait_for_config(SessionContext& context) { return std::make_unique<ConfigState>(context); }

std::string answer_to(const std::string& question, const SessionSettings& settings) {
  if (question == "counterflow::chains") {
    const auto names = chain_names(settings.chains);
    return names.empty() ? "" : joined(names, "\n") + "\n";
  }
  if (question != "gadgetron::info" && question != "counterflow::info") return "";
  const auto line = [](const std::string& name, std::size_t value) { return name + ": " + std::to_string(value) + "\n"; };
  return "server: Counterflow\nversion: " + settings.version +
         "\nmessage_ids: 2000 2001 2002 2003\nencodings: u16 u32 f32\nwishes: views previews receipts waveforms\n" +
         line("largest_config", settings.limits.config) + line("largest_header", settings.limits.header) +
         line("largest_text", settings.limits.text) + line("largest_message", settings.limits.message);
}

void add_wishes(std::set<std::string>& wishes, const std::string& words_sent) {
  static const std::vector<std::string> known = {"views", "previews", "receipts", "waveforms"};
  for (const auto& word : words(words_sent)) {
    if (std::ranges::find(known, word) == known.end())
      throw ProtocolError("there is no wish '" + printable(word) + "'" + did_you_mean(word, known) +
                          "; there are: " + joined(known, ", "));
    wishes.insert(word);
  }
}

}  // namespace counterflow
