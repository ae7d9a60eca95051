// A chain's XML, with the gadgets of the test plugin: what is accepted prints as XML that is accepted and means the same.
#include "core/chain/chain.h"

#include "tests/fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace counterflow;
  static const PluginFolders plugins({COUNTERFLOW_TEST_PLUGIN_DIR});
  const std::string xml = fuzz::text_of(data, size);
  std::string printed;
  fuzz::refusal([&] { printed = print_chain(parse_chain<float>(xml, "chain.xml", plugins)); });
  if (printed.empty()) return 0;
  const std::string refused = fuzz::refusal(
      [&] { fuzz::require(print_chain(parse_chain<float>(printed, "printed.xml", plugins)) == printed, "it prints the same"); });
  if (!refused.empty()) std::fprintf(stderr, "%s\n%s\n", refused.c_str(), printed.c_str());
  fuzz::require(refused.empty(), "a printed chain is accepted");
  return 0;
}
