#include <ostream>
#include <thread>

#include "core/archive/archive.h"
#include "core/chain/plan.h"
#include "core/engine/stream.h"
#include "core/training/optimiser.h"
#include "pipelines/counterflow/verbs.h"

namespace counterflow {

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
    out << plan_text(chain, &scan.header(), tokens);
  } else {
    out << plan_text(chain, nullptr, tokens);
  }
  out << "chain hash: " << chain_hash(chain) << "\n";
}

}  // namespace counterflow
