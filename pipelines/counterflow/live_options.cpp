// Options of serve and send.
#include <chrono>
#include <cmath>

#include "core/text.h"
#include "pipelines/counterflow/options.h"

namespace counterflow {
namespace {

// Times in seconds, sizes in bytes with or without a unit (64K, 1G).
CLI::Option* time_option(CLI::App* sub, const std::string& name, std::chrono::milliseconds& time, const std::string& text) {
  return sub
      ->add_option_function<double>(
          name, [&time](double seconds) { time = std::chrono::milliseconds(std::llround(seconds * 1000)); }, text)
      ->check(CLI::Range(0.001, 1e6))
      ->type_name("SECONDS")
      ->default_str(number_text(static_cast<double>(time.count()) / 1000));
}
CLI::Option* size_option(CLI::App* sub, const std::string& name, std::size_t& size, const std::string& text) {
  return sub->add_option(name, size, text)->transform(CLI::AsSizeValue(false))->type_name("BYTES")->capture_default_str();
}

void add_serve_limits(CLI::App* sub, ListenerSettings& o) {
  const char* group = "Limits";
  const auto of = [&](CLI::Option* option) { option->group(group); };
  of(sub->add_option("--sessions", o.sessions, "Clients at a time")->check(CLI::Range(1, 100000))->capture_default_str());
  of(sub->add_option("--sessions-per-address", o.sessions_per_address, "Clients of one address at a time")
         ->check(CLI::Range(1, 100000))
         ->capture_default_str());
  of(size_option(sub, "--largest-header", o.session.limits.header, "A scan's header"));
  of(size_option(sub, "--largest-config", o.session.limits.config, "A chain sent as XML"));
  of(size_option(sub, "--largest-text", o.session.limits.text, "A text or a query"));
  of(size_option(sub, "--largest-message", o.session.limits.message, "A view"));
  of(size_option(sub, "--memory", o.session.memory, "What a scan may need in its chain; 0 = the machine's memory"));
  of(time_option(sub, "--first-message", o.session.first_message, "Within which a client must say something"));
  of(time_option(sub, "--between-messages", o.session.between_messages, "Within which the next message must have come whole"));
  of(time_option(sub, "--writing", o.session.writing, "Within which a client must read something of what is sent"));
  of(time_option(sub, "--stalled", o.session.stalled, "Within which a chain must take or give something"));
  of(time_option(sub, "--drain", o.drain, "For which sessions may go on after SIGTERM"));
  of(sub->add_option("--previews", o.session.previews_per_second, "Live pictures a second; 0 = none")
         ->check(CLI::Range(0.0, 100.0))
         ->capture_default_str());
  of(sub->add_option("--log-lines", o.log_lines, "Lines of the log a second")
         ->check(CLI::Range(1, 1000000))
         ->capture_default_str());
}

}  // namespace

void add_serve(Command& c) {
  const auto o = std::make_shared<ServeOptions>();
  ListenerSettings& l = o->listener;
  l.session.version = COUNTERFLOW_VERSION;
  auto* sub = add_verb(c, "serve", "Run scans through chains while they arrive, by Gadgetron's protocol", o, serve);
  sub->add_option("--listen", l.address, "Address and port; port 0 = any that is free")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  const auto* chains =
      path_option(sub, "--chains", l.session.chains, "Folder of the chains that clients may name; else those installed");
  path_option(sub, "--parameters", l.session.parameters,
              "What training has learned: a file, or a folder whose newest fitting file each scan takes");
  path_option(sub, "--record", l.session.record, "Folder in which each scan is kept as it passes");
  sub->add_flag("--allow-client-chains", l.session.allow_client_chains, "Clients may send chains of installed plugins as XML");
  sub->add_option("--http", l.http, "Page for watching, on loopback, such as 127.0.0.1:8080")->type_name("HOST:PORT");
  sub->add_option("--user", l.user, "User to become; needed where the server is started as root");
  const char* tls = "TLS, needed for any address but loopback";
  path_option(sub, "--certificate", l.tls.certificate, "Of this server, PEM")->group(tls);
  path_option(sub, "--key", l.tls.key, "That belongs to it, PEM")->group(tls);
  path_option(sub, "--client-ca", l.tls.authority, "Authority that signed the clients' certificates, PEM")->group(tls);
  add_serve_limits(sub, l);
  sub->callback([&c, o, chains] {
    if (chains->count() == 0) o->listener.session.chains = installed(COUNTERFLOW_CHAIN_SUBDIR);
    c.action = [&c, o] { serve(*o, c.common, std::cout); };
  });
}

void add_send(Command& c) {
  const auto o = std::make_shared<SendOptions>();
  auto* sub = add_verb(c, "send", "Send a scan to a server while taking what comes back, as a scanner does", o, send);
  sub->add_option("SCAN", o->input, "Scan archive, or - for standard input")->required();
  sub->add_option("--to", o->to, "Where the server listens")->type_name("HOST:PORT")->required();
  auto* chain = sub->add_option("--chain", o->chain, "Chain of the server's, by name (NAME.xml)");
  path_option(sub, "--chain-file", o->script, "Chain of one's own, XML, where the server allows it")->excludes(chain);
  path_option(sub, "-o,--output", o->output,
              "Images to write, or the scan archive where the chain ends in views; without it, they are only timed");
  sub->add_option("--rate", o->rate, "Views per second, or 'scanner': as fast as the scan was made; default: as fast as it goes");
  sub->add_flag("--previews", o->previews, "Ask for previews, and say how late they come");
  sub->add_flag("--plain", o->plain, "Send acquisitions, as Gadgetron's own client does, not our smaller messages");
  path_option(sub, "--certificate", o->tls.certificate, "TLS: our certificate with its chain, PEM");
  path_option(sub, "--key", o->tls.key, "TLS: the key of our certificate, PEM");
  path_option(sub, "--ca", o->tls.authority, "TLS: the authority that signed the server's certificate, PEM");
  sub->callback([&c, o] {
    if (o->chain.empty() && o->script.empty()) throw CLI::RequiredError("--chain");
    c.action = [&c, o] { send(*o, c.common, std::cout); };
  });
}

}  // namespace counterflow
