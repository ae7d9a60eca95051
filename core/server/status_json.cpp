#include "core/server/status_json.h"

#include <nlohmann/json.hpp>

#include "core/server/small_file.h"

namespace counterflow {
namespace {

using Json = nlohmann::json;

// What stands where in a JSON object; the same list reads and writes.
template <class Self, class Visitor>
void each_member(Self& s, Visitor&& visit) requires std::same_as<std::remove_const_t<Self>, GadgetStatus> {
  visit("name", s.name), visit("classname", s.classname), visit("in", s.in), visit("out", s.out);
  visit("messages", s.messages), visit("queue", s.queue), visit("busy", s.busy), visit("after", s.after);
}
template <class Self, class Visitor>
void each_member(Self& s, Visitor&& visit) requires std::same_as<std::remove_const_t<Self>, SessionStatus> {
  visit("number", s.number), visit("peer", s.peer), visit("chain", s.chain), visit("chain_hash", s.chain_hash);
  visit("parameters", s.parameters), visit("parameters_file", s.parameters_file);
  visit("state", s.state), visit("error", s.error);
  visit("views", s.views), visit("air_views", s.air_views), visit("promised_views", s.promised_views);
  visit("bytes_in", s.bytes_in), visit("bytes_out", s.bytes_out), visit("images", s.images), visit("previews", s.previews);
  visit("waiting_bytes", s.waiting_bytes), visit("started", s.started), visit("ended", s.ended), visit("told", s.told);
  visit("last_view", s.last_view), visit("last_image_latency", s.last_image_latency), visit("threads", s.threads);
  visit("recording", s.recording);
}
template <class Self, class Visitor>
void each_member(Self& s, Visitor&& visit) requires std::same_as<std::remove_const_t<Self>, SessionTotals> {
  visit("views", s.views), visit("bytes_in", s.bytes_in), visit("bytes_out", s.bytes_out);
  visit("images", s.images), visit("previews", s.previews);
}

void take(const Json& from, std::string& to) {
  if (from.is_string()) to = from.get<std::string>();
}
void take(const Json& from, std::uint64_t& to) {
  if (from.is_number_unsigned()) to = from.get<std::uint64_t>();
}
void take(const Json& from, int& to) {
  if (from.is_number_unsigned() && from.get<std::uint64_t>() < 1'000'000) to = from.get<int>();
}
void take(const Json& from, double& to) {
  if (from.is_number()) to = from.get<double>();
}

template <class T>
T from_json(const Json& from) {
  T out;
  each_member(out, [&](const char* name, auto& member) {
    if (const auto it = from.find(name); it != from.end()) take(*it, member);
  });
  return out;
}
template <class T>
Json json_of(const T& from) {
  Json out = Json::object();
  each_member(from, [&](const char* name, const auto& member) { out[name] = member; });
  return out;
}

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json parsed(const std::string& text) {
  Json json = Json::parse(text, nullptr, false);
  return json.is_object() ? json : Json();
}

}  // namespace

std::string to_json(const SessionStatus& status, bool gadgets) {
  Json json = json_of(status);
  if (gadgets) {
    Json& list = json["gadgets"] = Json::array();
    for (const GadgetStatus& gadget : status.gadgets) list.push_back(json_of(gadget));
  }
  return text_of(json);
}

std::optional<SessionStatus> session_of_json(const std::string& text) {
  const Json json = parsed(text);
  if (!json.is_object() || !json.contains("number") || !json["number"].is_number_unsigned()) return {};
  auto status = from_json<SessionStatus>(json);
  if (const auto list = json.find("gadgets"); list != json.end() && list->is_array())
    for (const Json& gadget : *list)
      if (gadget.is_object()) status.gadgets.push_back(from_json<GadgetStatus>(gadget));
  return status;
}

RemovedSessions read_removed(const std::filesystem::path& folder) {
  const Json json = parsed(read_small_file(folder / "totals.json", std::size_t{1} << 20).value_or(""));
  if (!json.is_object()) return {};
  RemovedSessions out{from_json<SessionTotals>(json), {}};
  if (const auto ends = json.find("ends"); ends != json.end() && ends->is_object())
    for (const auto& [end, count] : ends->items()) take(count, out.totals.ends[end]);
  if (const auto leaving = json.find("leaving"); leaving != json.end() && leaving->is_array())
    for (const Json& number : *leaving)
      if (number.is_number_unsigned()) out.leaving.insert(number.get<std::uint64_t>());
  return out;
}

bool write_removed(const std::filesystem::path& folder, const RemovedSessions& removed) {
  Json json = json_of(removed.totals);
  json["ends"] = removed.totals.ends;
  json["leaving"] = removed.leaving;
  return replace_file(folder / "totals.json", {text_of(json)});
}

}  // namespace counterflow
