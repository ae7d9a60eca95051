// serve_folder FOLDER [ADDRESS]: the page over a status folder, for page_test.py; says its URL in one line and serves until
// SIGTERM.
#include <cstdio>

#include "core/server/watch/watch.h"

int main(int count, char** words) {
  counterflow::WatchSettings settings;
  settings.status = count > 1 ? words[1] : ".";
  settings.address = count > 2 ? words[2] : "127.0.0.1:0";
  settings.title = "counterflow serve 127.0.0.1:9002";
  settings.version = "0.1.0";
  counterflow::watch(settings, [](const std::string& url) {
    std::puts(url.c_str());
    std::fflush(stdout);
  });
}
