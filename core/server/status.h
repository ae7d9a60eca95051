// What a session tells of itself, for whoever watches: small files in a folder, each written whole and renamed, so that neither
// side waits for the other and a crash leaves what was last known.
//
//   N.json    SessionStatus       N.image   the newest picture (StatusPicture)      log   the newest lines
#pragma once
#include <cstdint>
#include <filesystem>
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
  double last_view = 0, last_image_latency = 0;  // [s]; the latter: last view in to last image out
  std::string recording;                         // archive, where the scan is kept
  std::vector<GadgetStatus> gadgets;
};

void write_status(const std::filesystem::path& folder, const SessionStatus& status);
// All sessions of a folder, by number. What cannot be read is left out: it is about to be replaced.
std::vector<SessionStatus> read_statuses(const std::filesystem::path& folder);

// The newest image of a session, preview or final: one float plane a channel, [channel,z,y,x] with z = the middle slice alone.
struct StatusPicture {
  std::uint64_t version = 0;  // grows
  bool preview = false;
  Channels channels;
  ImageGrid grid;
  std::size_t slice = 0;
  Array<float, 3> value;  // [channel,y,x]
};
void write_picture(const std::filesystem::path& folder, std::uint64_t session, const StatusPicture& picture);
std::optional<StatusPicture> read_picture(const std::filesystem::path& folder, std::uint64_t session);

}  // namespace counterflow
