// The text of a status, as it stands in its file and as a browser is given it.
#pragma once
#include <filesystem>
#include <optional>
#include <set>
#include <string>

#include "core/server/status.h"

namespace counterflow {

// One JSON object with the names of the struct's members; without `gadgets` only what a list of sessions shows.
std::string to_json(const SessionStatus& status, bool gadgets = true);
// Members that are missing or of another type keep their default; empty where there is no object with a number.
std::optional<SessionStatus> session_of_json(const std::string& text);

// totals.json: the sums of sessions that have been removed, or are about to be.
struct RemovedSessions {
  SessionTotals totals;
  std::set<std::uint64_t> leaving;  // counted, but their files may still stand
};
RemovedSessions read_removed(const std::filesystem::path& folder);
bool write_removed(const std::filesystem::path& folder, const RemovedSessions& removed);

}  // namespace counterflow
