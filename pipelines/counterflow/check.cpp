#include <map>
#include <ostream>
#include <thread>

#include "core/archive/archive.h"
#include "core/chain/plan.h"
#include "core/engine/stream.h"
#include "core/server/live_run.h"
#include "core/training/optimiser.h"
#include "pipelines/counterflow/verbs.h"

namespace counterflow {

namespace {

// Losses that what is trained is known to suffer from: MaterialReference and MonoenergeticReference with a plain square.
std::string warnings(const Chain<float>& chain) {
  if (chain.first_trained() == chain.stages.size()) return "";
  std::string text;
  for (const auto& stage : chain.stages) {
    if (!stage->has_loss()) continue;
    std::map<std::string, std::string> value;
    for (const auto& property : stage->properties()) value[property.name] = property.value;
    if (value["form"] == "square" && value["blur"] == "0")
      text +=
          "warning: " + stage->name +
          ": form square holds the variance of the noise, which training lowers at the cost of a bias; on scans with noise set "
          "form to halves (docs/losses.md)\n";
  }
  return text;
}

}  // namespace

void check(const CheckOptions& options, const CommonOptions& common, std::ostream& out) {
  const auto chain = load_chain<float>(options.chain, PluginFolders(common.plugins));
  make_optimiser(chain.optimiser);  // throws what train would
  if (options.print_chain) {
    out << print_chain(chain);
    return;
  }
  const int threads = common.threads > 0 ? common.threads : static_cast<int>(std::thread::hardware_concurrency());
  const std::size_t tokens = Workers::tokens_for(threads);
  if (options.scan) {
    const ArchiveReader scan(*options.scan, common.data);
    out << plan_text(chain, &scan.header(), tokens) << "a session of serve holds at most "
        << bytes_text(session_bytes(chain, scan.header(), tokens)) << ", program and connection included\n";
  } else {
    out << plan_text(chain, nullptr, tokens);
  }
  out << warnings(chain) << "chain hash: " << chain_hash(chain) << "\n";
}

}  // namespace counterflow
