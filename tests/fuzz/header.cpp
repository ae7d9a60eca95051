// The header of a scan as XML: what is accepted is written as XML that is accepted and written the same.
#include "core/archive/scan_header_xml.h"
#include "tests/fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace counterflow;
  const std::string xml = fuzz::text_of(data, size);
  std::string printed;
  fuzz::refusal([&] {
    const auto read = header_from_xml(xml, "header.xml");
    printed = header_to_xml(read.header, read.truth_materials);
  });
  if (printed.empty()) return 0;
  const std::string refused = fuzz::refusal([&] {
    const auto again = header_from_xml(printed, "printed.xml");
    fuzz::require(header_to_xml(again.header, again.truth_materials) == printed, "it is written the same");
  });
  if (!refused.empty()) std::fprintf(stderr, "%s\n%s\n", refused.c_str(), printed.c_str());
  fuzz::require(refused.empty(), "a written header is accepted");
  return 0;
}
