// Ceilings of the machine, measured in the same run as the figures held against them. Processor time of one core.
#pragma once

namespace counterflow::testing {

// Float multiply-adds a second with the instruction set in use (COUNTERFLOW_ISA); the best of a few tries, measured once.
double multiply_add_peak();
// Bytes a second of a copy in memory, far beyond the caches.
double copy_peak();

}  // namespace counterflow::testing
