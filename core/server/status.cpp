#include "core/server/status.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "core/server/small_file.h"
#include "core/server/status_json.h"

namespace counterflow {
namespace {

constexpr std::size_t kMostStatus = std::size_t{1} << 20;  // bytes of a file

std::filesystem::path file_of(const std::filesystem::path& folder, std::uint64_t session, const char* ending) {
  return folder / (std::to_string(session) + ending);
}

// The session whose status a file name is.
std::optional<std::uint64_t> session_of(const std::string& name) {
  std::uint64_t number = 0;
  const char* const end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data(), end, number);
  if (error != std::errc{} || std::string_view(rest, end) != ".json" || std::to_string(number) + ".json" != name) return {};
  return number;
}

}  // namespace

bool write_status(const std::filesystem::path& folder, const SessionStatus& status) {
  return replace_file(file_of(folder, status.number, ".json"), {to_json(status)});
}

std::optional<SessionStatus> read_status(const std::filesystem::path& folder, std::uint64_t session) {
  const auto text = read_small_file(file_of(folder, session, ".json"), kMostStatus);
  auto status = text ? session_of_json(*text) : std::nullopt;
  if (status && status->number != session) status.reset();
  return status;
}

std::vector<SessionStatus> read_statuses(const std::filesystem::path& folder) {
  std::set<std::uint64_t> sessions;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (const auto session = session_of(it->path().filename().string())) sessions.insert(*session);
  std::vector<SessionStatus> out;
  for (const std::uint64_t session : sessions)
    if (auto status = read_status(folder, session)) out.push_back(std::move(*status));
  return out;
}

void tell_lost(const std::filesystem::path& folder, std::uint64_t session, double now, const std::string& why) {
  auto status = read_status(folder, session);
  if (!status) {
    status.emplace();
    status->number = session;
    status->started = now;
  }
  if (status->has_ended()) return;
  status->state = "lost";
  status->error = why;
  status->ended = status->told = now;
  write_status(folder, *status);
}

void SessionTotals::add(const SessionStatus& status) {
  if (status.has_ended()) ++ends[status.state];
  views += status.views;
  bytes_in += status.bytes_in;
  bytes_out += status.bytes_out;
  images += status.images;
  previews += status.previews;
}

SessionTotals read_totals(const std::filesystem::path& folder, const std::vector<SessionStatus>& present) {
  RemovedSessions removed = read_removed(folder);
  for (const SessionStatus& status : present)
    if (!removed.leaving.contains(status.number)) removed.totals.add(status);
  return removed.totals;
}

// First the totals with the names of those that leave, whole or not at all, then their files: what is interrupted between is
// counted once.
void remove_old_sessions(const std::filesystem::path& folder, std::size_t keep) {
  RemovedSessions removed = read_removed(folder);
  std::vector<SessionStatus> ended;
  for (SessionStatus& status : read_statuses(folder))
    if (status.has_ended() && !removed.leaving.contains(status.number)) ended.push_back(std::move(status));
  const auto remove_files = [&] {
    std::error_code ignored;
    for (const std::uint64_t session : removed.leaving)
      for (const char* ending : {".json", ".image"}) std::filesystem::remove(file_of(folder, session, ending), ignored);
  };
  remove_files();
  if (ended.size() <= keep) return;
  std::ranges::stable_sort(ended, std::greater{}, &SessionStatus::ended);
  removed.leaving.clear();
  for (std::size_t i = keep; i < ended.size(); ++i) {
    removed.leaving.insert(ended[i].number);
    removed.totals.add(ended[i]);
  }
  if (write_removed(folder, removed)) remove_files();
}

}  // namespace counterflow
