#include "core/server/watch/api.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/physics/material.h"
#include "core/server/status.h"
#include "core/server/status_json.h"
#include "core/server/watch/metrics.h"
#include "core/server/watch/page.h"

namespace counterflow {
namespace {

using Json = nlohmann::json;

constexpr int kLowestEnergy = 40, kHighestEnergy = 140;            // [keV]
constexpr std::size_t kMostMaterials = 16, kMostTablesKept = 100;  // of attenuation

HttpAnswer json_answer(const Json& json, int status = 200) {
  return {status, "application/json", json.dump(-1, ' ', false, Json::error_handler_t::replace)};
}
HttpAnswer not_found(const std::string& what) { return json_answer({{"error", what}}, 404); }

std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && rest == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

// The number of `name` in "version=3&channel=0".
std::optional<std::uint64_t> number_of(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view part = query.substr(0, query.find('&'));
    if (part.size() > name.size() && part.starts_with(name) && part[name.size()] == '=')
      return number_in(part.substr(name.size() + 1));
    query.remove_prefix(std::min(query.size(), part.size() + 1));
  }
  return {};
}

Json with_picture(const std::filesystem::path& folder, const SessionStatus& status, bool gadgets) {
  Json json = Json::parse(to_json(status, gadgets));
  const auto head = read_picture_head(folder, status.number);
  json["picture"] = head ? head->picture.version : 0;
  return json;
}

// {energies, water, attenuation: [channel][energy], solutes: whether each is an element, shown in mg/mL}; {} where a name is none
// of a material.
Json attenuation_of(const std::vector<std::string>& names) {
  std::vector<double> energies;
  for (int e = kLowestEnergy; e <= kHighestEnergy; ++e) energies.push_back(e);
  Json table = Json::array(), solutes = Json::array();
  try {
    for (const std::string& name : names) {
      const Material material = find_material(name);
      table.push_back(mass_attenuation(material, energies));
      solutes.push_back(material.composition.size() == 1);
    }
  } catch (const Error&) {
    return Json::object();
  }
  return {{"energies", energies},
          {"water", mass_attenuation(find_material("water"), energies)},
          {"attenuation", table},
          {"solutes", solutes}};
}

}  // namespace

WatchApi::WatchApi(const WatchSettings& settings, std::function<double()> clock)
    : settings_(settings), clock_(std::move(clock)) {}

HttpAnswer WatchApi::sessions() const {
  Json list = Json::array();
  for (const SessionStatus& status : read_statuses(settings_.status))
    list.push_back(with_picture(settings_.status, status, false));
  std::error_code error;
  const auto log = std::filesystem::last_write_time(settings_.status / "log", error).time_since_epoch().count();
  return json_answer({{"title", settings_.title},
                      {"version", settings_.version},
                      {"now", clock_()},
                      {"log", error ? "" : std::to_string(log)},
                      {"sessions", std::move(list)}});
}

HttpAnswer WatchApi::session(std::uint64_t number) const {
  const auto status = read_status(settings_.status, number);
  if (!status) return not_found("no session " + std::to_string(number));
  return json_answer(with_picture(settings_.status, *status, true));
}

HttpAnswer WatchApi::picture(std::uint64_t number) {
  const auto head = read_picture_head(settings_.status, number);
  if (!head) return not_found("no picture of session " + std::to_string(number));
  const StatusPicture& p = head->picture;
  const ImageGrid& g = p.grid;
  Json json = {{"version", p.version},
               {"preview", p.preview},
               {"quantity", p.channels.quantity},
               {"unit", p.channels.unit},
               {"names", p.channels.names},
               {"nx", head->nx},
               {"ny", head->ny},
               {"slice", p.slice},
               {"slices", g.nz},
               {"voxel", {g.voxel_x, g.voxel_y, g.voxel_z}},
               {"centre", {g.centre_x, g.centre_y, g.centre_z}}};
  if (p.channels.quantity == "density" && p.channels.unit == "g/cm^3" && head->channels <= kMostMaterials) {
    if (attenuation_.size() > kMostTablesKept) attenuation_.clear();
    std::string& table = attenuation_[p.channels.names];
    if (table.empty()) table = attenuation_of(p.channels.names).dump();
    json.update(Json::parse(table));
  }
  return json_answer(json);
}

HttpAnswer WatchApi::plane(std::uint64_t number, const std::string& query) const {
  const auto version = number_of(query, "version"), channel = number_of(query, "channel");
  if (!version || !channel) return json_answer({{"error", "expected image?version=V&channel=K, got image?" + query}}, 400);
  const auto values = read_picture_plane(settings_.status, number, *version, *channel);
  if (!values) return {204, "", ""};  // no error: a newer version may have come at any time
  return {200, "application/octet-stream", {reinterpret_cast<const char*>(values->data()), values->size() * sizeof(float)}};
}

HttpAnswer WatchApi::answer(const std::string& target) {
  const std::size_t mark = std::min(target.find('?'), target.size());
  const std::string path = target.substr(0, mark), query = target.substr(std::min(mark + 1, target.size()));
  if (const PageFile* file = page_file(path == "/" ? "index.html" : std::string_view(path).substr(path.empty() ? 0 : 1)))
    return {200, file->type, std::string(file->content)};
  if (path == "/metrics") return {200, "text/plain; version=0.0.4; charset=utf-8", metrics(settings_)};
  if (path == "/api/log") return {200, "text/plain; charset=utf-8", read_log(settings_.status)};
  if (path == "/api/sessions") return sessions();
  constexpr std::string_view kSession = "/api/sessions/", kImage = "/image";
  if (path.starts_with(kSession)) {
    std::string_view rest = std::string_view(path).substr(kSession.size());
    const bool image = rest.ends_with(kImage);
    if (image) rest.remove_suffix(kImage.size());
    if (const auto number = number_in(rest)) {
      if (!image) return session(*number);
      return query.empty() ? picture(*number) : plane(*number, query);
    }
  }
  return not_found("nothing here; see /");
}

}  // namespace counterflow
