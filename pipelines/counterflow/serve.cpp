#include <ostream>

#include "pipelines/counterflow/verbs.h"

namespace counterflow {

void serve(const ServeOptions& options, const CommonOptions& common, std::ostream& out) {
  ListenerSettings settings = options.listener;
  settings.quiet = common.quiet;
  settings.session.plugins = common.plugins;
  settings.session.data = common.data;
  settings.session.cache = common.cache;
  settings.session.threads = common.threads;
  Listener listener(settings);
  out << "listening on " << listener.address() << std::endl;
  if (!listener.page().empty()) out << "watch it at " << listener.page() << std::endl;
  listener.run();
}

}  // namespace counterflow
