#include "core/gadget/export.h"
#include "gadgets/bin_drift/bin_drift.h"

namespace counterflow {

COUNTERFLOW_PLUGIN(COUNTERFLOW_GADGET(BinDrift))

}  // namespace counterflow
