// What a session tells of itself, for whoever watches: small files in a folder, each written whole and renamed, so that neither
// side waits for the other and a crash leaves what was last known.
//
//   N.json    SessionStatus       N.image   the newest picture (StatusPicture)
//   log       the newest lines    totals.json   sums over sessions whose files have been removed
//
// The folder is of one server's life: it starts empty, best in memory (/run, /dev/shm). Whoever writes is not trusted: a reader
// takes regular files of a bounded size only, and leaves out what is damaged.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/message/message.h"

namespace counterflow {

struct GadgetStatus {
  std::string name, classname;
  std::string in, out;         // message types
  std::uint64_t messages = 0;  // done
  std::uint64_t queue = 0;     // messages that the gadget before it has done and this one has not
  double busy = 0;             // time in it, summed over threads [s]
  std::string after;           // of a side gadget
};

struct SessionStatus {
  std::uint64_t number = 0;
  std::string peer;                         // address
  std::string chain, chain_hash;            // file name, or "of the client"
  std::string parameters, parameters_file;  // hash or "initial"
  std::string state;                        // config, header, stream, draining, complete, error, lost
  std::string error;
  std::uint64_t views = 0, air_views = 0, promised_views = 0;  // come, and what the header says
  std::uint64_t bytes_in = 0, bytes_out = 0, images = 0, previews = 0;
  std::uint64_t waiting_bytes = 0;               // read from the socket, not yet taken by the chain
  double started = 0, ended = 0;                 // seconds since 1970; 0 = not yet
  double told = 0;                               // when this was written, since 1970 [s]; rates are differences over it
  double last_view = 0, last_image_latency = 0;  // since 1970 [s]; last view in to last image out [s]
  int threads = 0;                               // that may work on it; 0 = not known
  std::string recording;                         // archive, where the scan is kept
  std::vector<GadgetStatus> gadgets;

  bool has_ended() const { return state == "complete" || state == "error" || state == "lost"; }
};

// Whether it could be written: a session goes on where it cannot. Text that is not UTF-8 is repaired.
bool write_status(const std::filesystem::path& folder, const SessionStatus& status);
// All sessions of a folder, by number, and one of them. What cannot be read is left out: it is about to be replaced.
std::vector<SessionStatus> read_statuses(const std::filesystem::path& folder);
std::optional<SessionStatus> read_status(const std::filesystem::path& folder, std::uint64_t session);
// Of a session whose process is gone (by whoever waited for it): what had not ended is told to be lost at `now`, with the reason.
void tell_lost(const std::filesystem::path& folder, std::uint64_t session, double now, const std::string& why);

// The newest image of a session, preview or final: one float plane a channel, of the middle slice alone.
struct StatusPicture {
  std::uint64_t version = 0;  // grows
  bool preview = false;
  Channels channels;
  ImageGrid grid;
  std::size_t slice = 0;
  Array<float, 3> value;  // [channel,y,x]
};
inline constexpr std::size_t kMostPictureSide = 4096, kMostPictureChannels = 64;
// Whether it could be written; a picture larger than that is not.
bool write_picture(const std::filesystem::path& folder, std::uint64_t session, const StatusPicture& picture);
std::optional<StatusPicture> read_picture(const std::filesystem::path& folder, std::uint64_t session);
// The same without values, and the values of one channel alone if the version is still that one: [y,x].
struct PictureHead {
  StatusPicture picture;  // its value is empty
  std::size_t channels = 0, ny = 0, nx = 0;
};
std::optional<PictureHead> read_picture_head(const std::filesystem::path& folder, std::uint64_t session);
std::optional<std::vector<float>> read_picture_plane(const std::filesystem::path& folder, std::uint64_t session,
                                                     std::uint64_t version, std::size_t channel);

// One line for the log, of at most 2 KiB; control characters become spaces. Beyond 256 KiB the older half goes. Any process may.
bool append_log(const std::filesystem::path& folder, const std::string& line);
// The newest lines, at most `most` bytes of them.
std::string read_log(const std::filesystem::path& folder, std::size_t most = std::size_t{64} << 10);

// Sums that only grow over a server's life.
struct SessionTotals {
  std::map<std::string, std::uint64_t> ends;  // sessions by end: complete, error, lost
  std::uint64_t views = 0, bytes_in = 0, bytes_out = 0, images = 0, previews = 0;
  void add(const SessionStatus& status);
};
// Over all sessions, those removed included. `present` as read_statuses gave them.
SessionTotals read_totals(const std::filesystem::path& folder, const std::vector<SessionStatus>& present);
// Removes the files of all but the newest `keep` sessions that have ended, keeping their totals. One process alone may.
void remove_old_sessions(const std::filesystem::path& folder, std::size_t keep);

}  // namespace counterflow
