// The second state: which scan? Its header is checked against the chain, and what both need of memory against what there is.
#include <unistd.h>

#include "core/archive/named_files.h"
#include "core/archive/scan_header_xml.h"
#include "core/chain/plan.h"
#include "core/server/session_state.h"

namespace counterflow {
namespace {

std::size_t machine_memory() {
  return checked_size(static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)), static_cast<std::size_t>(sysconf(_SC_PAGE_SIZE)));
}

class HeaderState final : public SessionState {
 public:
  HeaderState(SessionContext& context, Chain<float> chain) : context_(context), chain_(std::move(chain)) {
    check_results();
    context_.status.chain_hash = chain_hash(chain_);
    context_.parser.enter(wire::Phase::header);
  }

  std::unique_ptr<SessionState> take(wire::Frame frame) override {
    const auto* text = std::get_if<wire::Header>(&frame);
    if (!text) throw ProtocolError("expected the scan's header (id 3) after the config");
    ScanHeader scan = header_from_xml(text->xml, "header").header;
    read_named_files(scan.system, context_.settings.data, "header");
    chain_.check_scan(scan);
    check_memory(scan);
    return stream_views(context_, std::move(chain_), std::move(scan));
  }

 private:
  // Images have a writer of Gadgetron's; views only one of ours, which a client must have asked for.
  void check_results() const {
    const std::size_t image = message_index<float, Image<float>>();
    for (std::size_t k = 0; k < chain_.stages.size(); ++k) {
      if (!chain_.leaves(k) || chain_.stages[k]->out() == image || context_.wishes.count("views")) continue;
      throw ConfigError(
          chain_.stages[k]->where + ": " + chain_.stages[k]->name + " gives " + message_name(chain_.stages[k]->out()) +
          ", which Gadgetron's protocol cannot carry: end the chain with a reconstruction, or use a client that asks "
          "for views (counterflow send)");
    }
  }

  void check_memory(const ScanHeader& scan) const {
    const std::size_t view = checked_size(checked_size(scan.geometry.columns, scan.geometry.rows), 8 * scan.bins());
    if (view > context_.settings.limits.message)
      throw ConfigError("the header describes views of " + bytes_text(view) + "; this server takes messages of at most " +
                        bytes_text(context_.settings.limits.message) + " (--largest-message)");
    const std::size_t most = context_.settings.memory > 0 ? context_.settings.memory : machine_memory();
    const std::size_t tokens = Workers::tokens_for(Workers::threads_for(context_.settings.threads));
    const std::size_t needed = session_bytes(chain_, scan, tokens);
    if (needed > most)
      throw ConfigError("this scan may need " + bytes_text(needed) + " in this chain; the server allows " + bytes_text(most) +
                        " a scan (--memory): ask for a smaller image, or fewer rows");
  }

  SessionContext& context_;
  Chain<float> chain_;
};

}  // namespace

std::unique_ptr<SessionState> wait_for_header(SessionContext& context, Chain<float> chain) {
  return std::make_unique<HeaderState>(context, std::move(chain));
}

}  // namespace counterflow
