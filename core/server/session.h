// One client from its first byte to its last, in a process of its own: config, header, stream (one file each), as Gadgetron's
// protocol wants it (docs/protocol.md). Whatever comes is served or answered with a named error.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/chain/plugin.h"
#include "core/server/tls.h"
#include "core/server/wire.h"

namespace counterflow {

struct SessionSettings {
  std::string version;
  wire::Limits limits;
  std::chrono::milliseconds first_message{10'000}, between_messages{60'000}, writing{30'000};
  std::chrono::milliseconds stalled{300'000};  // a chain that takes and gives nothing for so long is given up
  double previews_per_second = 2;
  std::size_t memory = 0;            // of one scan [byte], by the chain's own bound; 0 = the machine's
  std::filesystem::path chains;      // folder; clients name its files
  bool allow_client_chains = false;  // clients may send XML
  std::vector<std::filesystem::path> plugins, data;
  std::filesystem::path cache;       // of detector responses
  std::filesystem::path parameters;  // a file or a folder of files; empty = initial ones
  std::filesystem::path record;      // folder; empty = scans are not kept
  std::filesystem::path status;      // folder of what sessions tell of themselves (status.h); empty = nothing
  std::shared_ptr<TlsContext> tls;   // null: plain
  int threads = 0;                   // 0 = all cores
};

// Queries: `gadgetron::info` and `counterflow::info` are answered with lines "name: value" ("version", "message_ids: 2000 2001
// 2002 2003" of what we offer beyond Gadgetron's, "encodings: u16 u32 f32", "wishes: views previews receipts waveforms", limits);
// `counterflow::chains` with the file names of the chains, one a line; any other with "".
enum class SessionEnd { complete, error, lost };

// Serves the client behind a connected socket, which it closes. `number` names the session in logs and status, `peer` the client.
// SIGTERM, where it is not handled otherwise, ends the scan with an error that says so.
SessionEnd serve_session(int socket, std::uint64_t number, const std::string& peer, const SessionSettings& settings,
                         const std::function<void(const std::string&)>& log);

}  // namespace counterflow
