// What the page's server answers, by path; from the files of a status folder alone.
//
//   /  /NAME.js  /NAME.css      the page (core/server/watch/page)
//   /api/sessions               {title, version, now, log, sessions: [SessionStatus without gadgets, and picture: its version or
//   0]} /api/sessions/N             SessionStatus and picture /api/sessions/N/image       what the picture shows: version,
//   preview, names, unit, size, grid; where its channels are
//                               materials, their mass attenuation [cm^2/g] and water's over `energies` [keV]
//   /api/sessions/N/image?version=V&channel=K    float32 [y,x] of a channel, little-endian; 204 when the version has gone
//   /api/log                    the newest lines
//   /metrics                    for Prometheus
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/server/watch/http_server.h"
#include "core/server/watch/watch.h"

namespace counterflow {

class WatchApi {
 public:
  // `clock` gives seconds since 1970.
  WatchApi(const WatchSettings& settings, std::function<double()> clock);
  HttpAnswer answer(const std::string& target);

 private:
  HttpAnswer sessions() const;
  HttpAnswer session(std::uint64_t number) const;
  HttpAnswer picture(std::uint64_t number);
  HttpAnswer plane(std::uint64_t number, const std::string& query) const;

  WatchSettings settings_;
  std::function<double()> clock_;
  std::map<std::vector<std::string>, std::string> attenuation_;  // JSON by names of materials
};

}  // namespace counterflow
