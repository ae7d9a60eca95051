// What a chain will do with a scan, known before any data flow: `counterflow check` prints it.
#pragma once
#include <cstddef>
#include <string>

#include "core/chain/chain.h"

namespace counterflow {

// Upper bound of the memory of one scan in a chain [bytes]: `tokens` messages alive with everything that the gadgets made of
// them, the State of every gadget, and what Folds emit. (Plus the air views, where more than one gadget calibrates.)
std::size_t memory_bound(const Chain<float>& chain, const ScanHeader& scan, std::size_t tokens);

// A table of stages and their types; then which gadgets have adjoints and where gradients flow; of a scan also memory. `scan`
// may be nullptr. Throws ConfigError where the chain cannot take the scan.
std::string plan_text(const Chain<float>& chain, const ScanHeader* scan, std::size_t tokens);

// 1234567 -> "1.2 MiB".
std::string bytes_text(std::size_t bytes);

}  // namespace counterflow
